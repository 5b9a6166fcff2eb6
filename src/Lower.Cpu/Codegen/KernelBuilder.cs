using System.Collections.Immutable;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Lower.Cpu.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Entry of a kernel: arguments, symbolic extents, workspace, bytes of its shared part, bytes a worker.</summary>
internal unsafe delegate void KernelEntry(nint* arguments, long* parameters, byte* workspace, long shared, long worker);

/// <summary>Body of a parallel loop over [begin, end).</summary>
internal unsafe delegate void ParallelBody(long* context, long begin, long end, long worker);

/// <summary>
/// What the methods of one kernel share: its workspace layout and the delegates of parallel bodies. The workspace is
/// the shared buffers, then one area a worker for buffers that live inside parallel loops; sizes and places may depend on symbolic
/// extents.
/// </summary>
internal sealed class KernelBuilder(LoopNest nest, VectorIsa isa, int threads)
{
    private const int Alignment = 64;

    // Of one buffer and of all: beyond any memory, and small enough that sums and products of it do not overflow.
    private const long MostBytes = 1L << 48;

    // Copies of a loop may allocate the same buffer, one in a parallel loop and one outside.
    private readonly Dictionary<(Buffer, bool InParallel), (Expr Offset, bool PerWorker)> _places = [];

    private readonly HoistedExtents _hoisted = HoistedExtents.Of(nest);

    public LoopNest Nest => _hoisted.Nest;

    /// <summary>Variables with values that depend on symbolic extents only.</summary>
    public ImmutableArray<(Var Var, Expr Value)> Derived => _hoisted.Values;

    public VectorIsa Isa { get; } = isa;

    /// <summary>Workers for parallel loops that do not say.</summary>
    public int Threads { get; } = threads;

    public int MaxThreads { get; private set; } = 1;

    /// <summary>A constant, or an expression of the algorithm's parameters.</summary>
    public Expr SharedBytes { get; private set; } = 0;

    /// <inheritdoc cref="SharedBytes"/>
    public Expr WorkerBytes { get; private set; } = 0;

    public AccessLists Accesses { get; } = new();

    /// <summary>Made when the first choice by data asks for it.</summary>
    public LoadsInRange InRange => field ??= LoadsInRange.Of(Nest);

    public List<GCHandle> Bodies { get; } = [];

    public List<DynamicMethod> Methods { get; } = [];

    public List<IlWriter> Writers { get; } = [];

    public void UsesThreads(int count) => MaxThreads = Math.Max(MaxThreads, count);

    // Elements that a buffer spans.
    private Expr Elements(Buffer buffer)
    {
        Expr elements = 1;
        Expr last = 0;
        long mostElements = 1;
        long mostLast = 0;
        for (int d = 0; d < buffer.Rank; d++)
        {
            var extent = buffer.Shape[d];
            long max = Interval.Of(extent, Nest.ParameterRanges).Max;
            if (max > 1L << 40)
                throw new LoweringException("workspace", $"the size of {buffer} has no bound");
            // Of extents that hold loop variables the largest that they get.
            bool known = extent.FreeVars().All(Nest.ParameterRanges.ContainsKey);
            extent = Op.Max(known ? extent : max, 1);
            long stride = buffer.Strides.IsDefault ? 0 : buffer.Strides[d];
            mostElements = Saturating.Multiply(mostElements, Math.Max(1, max));
            mostLast = Saturating.Add(mostLast, Saturating.Multiply(Math.Max(1, max) - 1, stride));
            // What memory there is for symbolic extents shows when they have values.
            if (Math.Max(mostElements, mostLast) > MostBytes)
            {
                if (extent is IntImm && elements is IntImm)
                    throw new LoweringException("workspace", $"{buffer} has more than {MostBytes} elements");
                (mostElements, mostLast) = (1, 0);
            }
            elements *= extent;
            last += (extent - 1) * stride;
        }
        return Op.Max(elements, last + 1);
    }

    public (Expr Offset, bool PerWorker) Place(Buffer buffer, bool inParallel)
    {
        if (_places.TryGetValue((buffer, inParallel), out var place))
            return place;
        // Distinct pages sets for big buffers would cost; a line between them avoids 4 KiB aliasing of equal offsets.
        Expr bytes = (Elements(buffer) * buffer.Type.Size() + (Alignment - 1)) / Alignment * Alignment + Alignment;
        bytes = Simplifier.Simplify(bytes, Nest.ParameterRanges);
        if (inParallel)
        {
            place = (WorkerBytes, true);
            WorkerBytes += bytes;
        }
        else
        {
            place = (SharedBytes, false);
            SharedBytes += bytes;
        }
        if (WorkerBytes is IntImm { Value: > MostBytes } || SharedBytes is IntImm { Value: > MostBytes })
            throw new LoweringException("workspace", $"the buffers up to {buffer} have more than {MostBytes} bytes");
        return _places[(buffer, inParallel)] = place;
    }
}

/// <summary>Where the worker pool enters the body of a generated parallel loop.</summary>
public static unsafe class ParallelTrampoline
{
    /// <summary>Slot 0 of the context is the handle of the body's delegate.</summary>
    public static void Invoke(long* context, long begin, long end, long worker) =>
        ((ParallelBody)GCHandle.FromIntPtr((nint)context[0]).Target!)(context, begin, end, worker);

    // Inlined with all of the pool below it, which the JIT does where it has a profile of it (TieredPGO, .NET's default), it takes
    // each kernel with a parallel loop 4 ms and 4.8 KB of code.
    [MethodImpl(MethodImplOptions.NoInlining)]
    public static void Run(long* context, long extent, int threads, bool dynamic) =>
        WorkerPool.Run(&Invoke, context, extent, threads, dynamic);
}
