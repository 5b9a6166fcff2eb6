using System.Collections.Immutable;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cpu.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;

namespace Picograd.Lower.Cpu;

/// <summary>
/// The CPU back end: nest → passes → IL in DynamicMethods → machine code by .NET's JIT.
/// </summary>
public sealed class CpuBackend : IBackend
{
    private readonly CpuTarget _target;
    private readonly int _threads;

    /// <param name="target">Vector width and caches to compile for.</param>
    /// <param name="threads">Workers that parallel loops may use; at least 1.</param>
    public CpuBackend(CpuTarget target, int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        _target = target;
        _threads = threads;
        Target = new TargetInfo(
            "cpu",
            target.Fingerprint(threads),
            target.VectorBits,
            target.VectorRegisters,
            threads,
            target.L1Bytes,
            target.L2Bytes,
            target.L3Bytes
        );
    }

    public TargetInfo Target { get; }

    public bool SharesKernels => true;

    /// <summary>The compiler as one list: name and rewrite of each pass, in order.</summary>
    public ImmutableArray<(string Name, Func<LoopNest, LoopNest> Run)> Passes => [.. Ordering([]), .. Translating];

    // What decides in which order a kernel computes: for a class of shapes, over symbolic extents, of which one shape has these.
    private ImmutableArray<(string Name, Func<LoopNest, LoopNest> Run)> Ordering(IReadOnlyList<long> extents) =>
        [
            ("expand-calls", ExpandCalls.Run),
            ("storage-placement", StoragePlacement.Run),
            ("lower-blocks", LowerBlocks.Run),
            ("guard-sums", GuardSums.Run),
            ("loop-partition", nest => LoopPartition.Run(nest, extents)),
            ("trim-loops", TrimLoops.Run),
            ("hoist-tests", HoistTests.Run),
            ("block-sums", new BlockSums(_target.VectorBits / 8 * _target.VectorRegisters / 2).Run),
        ];

    private ImmutableArray<(string Name, Func<LoopNest, LoopNest> Run)> Translating =>
        [
            ("carry-scans", CarryScans.Run),
            ("drop-repeated-tests", DropRepeatedTests.Run),
            ("expand-math", ExpandMath.Run),
            ("contract-fma", _target.HasFma ? ContractFma.Run : nest => nest),
            ("legalize-vectors", new LegalizeVectors(_target.VectorBits).Run),
            ("unroll", nest => new UnrollLoops(MaxStatements).Run(nest)),
        ];

    /// <summary>Statements after unrolling beyond which the IL would pass the JIT's limits anyway.</summary>
    public const int MaxStatements = 4_000;

    ICompiledKernel IBackend.Compile(LoopNest nest) => Compile(nest);

    ICompiledKernel IBackend.Compile(LoopNest nest, IReadOnlyList<long> extents) => Compile(nest, extents);

    public CpuKernel Compile(LoopNest nest)
    {
        long start = Stopwatch.GetTimestamp();
        var lowered = Lower(nest);
        return Generate(lowered, Stopwatch.GetElapsedTime(start));
    }

    /// <inheritdoc cref="IBackend.Compile(LoopNest, IReadOnlyList{long})"/>
    public CpuKernel Compile(LoopNest nest, IReadOnlyList<long> extents)
    {
        long start = Stopwatch.GetTimestamp();
        var ordered = Run(Ordering(extents), nest);
        var lowered = Run(Translating, FixExtents.Run(ordered, extents));
        return Generate(lowered, Stopwatch.GetElapsedTime(start));
    }

    /// <summary>The nest after all passes.</summary>
    internal LoopNest Lower(LoopNest nest) => Run(Passes, nest);

    private static LoopNest Run(ImmutableArray<(string Name, Func<LoopNest, LoopNest> Run)> passes, LoopNest nest) =>
        passes.Aggregate(nest, (n, pass) => pass.Run(n));

    /// <summary>Machine code of a nest that is through all passes.</summary>
    /// <param name="passes">How long those took, to be reported.</param>
    internal CpuKernel Generate(LoopNest nest, TimeSpan passes = default)
    {
        string name = nest.Algorithm.Name;
        long start = Stopwatch.GetTimestamp();
        var builder = new KernelBuilder(nest, VectorIsa.Of(_target.VectorBits), _threads);
        try
        {
            var method = FunctionEmitter.EmitEntry(builder, name);
            long emitted = Stopwatch.GetTimestamp();
            var entry = method.CreateDelegate<KernelEntry>();
            foreach (var body in builder.Bodies)
                RuntimeHelpers.PrepareDelegate((Delegate)body.Target!);
            RuntimeHelpers.PrepareDelegate(entry);
            var times = new CompileTimes(
                passes,
                Stopwatch.GetElapsedTime(start, emitted),
                Stopwatch.GetElapsedTime(emitted)
            );
            return new CpuKernel(entry, builder, name, times);
        }
        catch
        {
            foreach (var body in builder.Bodies)
                body.Free();
            throw;
        }
    }
}
