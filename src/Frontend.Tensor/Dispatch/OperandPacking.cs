using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>
/// A kernel in two: what copies an operand, and the rest. Where calls pass the same operand again and again, unchanged, the copy is
/// made once (<see cref="PackedOperands"/>) and the rest runs, which gives the same bits. Thread-safe.
/// </summary>
internal sealed unsafe class OperandPacking
{
    /// <summary>Whether operands are kept packed at all; PICOGRAD_PREPACK=0 says no.</summary>
    public static bool IsOn { get; } = Environment.GetEnvironmentVariable("PICOGRAD_PREPACK") != "0";

    // Two more kernels take about 10 ms of another thread: as long as so many elements take to be copied, within bounds.
    private const long ElementsUntilMade = 1L << 25;
    private const int LeastCallsUntilMade = 4;
    private const int MostCallsUntilMade = 512;

    // Then a copy is worth its memory for who comes often; training changes its weights earlier.
    private const int CallsUntilKept = 4;

    private readonly LoopNest _nest;
    private readonly IReadOnlyList<long>? _fixed;
    private readonly IBackend _backend;
    private readonly DeviceRuntime _runtime;
    private int _calls;
    private ImmutableArray<Part> _parts;

    private OperandPacking(LoopNest nest, IReadOnlyList<long>? extents, IBackend backend, DeviceRuntime runtime) =>
        (_nest, _fixed, _backend, _runtime) = (nest, extents, backend, runtime);

    /// <summary>Null for a program that surely copies nothing, and for other devices than processors.</summary>
    /// <param name="nest">The program.</param>
    /// <param name="extents">Values of its symbolic extents that its code was made for; null for code of all.</param>
    /// <param name="backend">Makes the code.</param>
    /// <param name="runtime">Has the memory.</param>
    public static OperandPacking? Of(
        LoopNest nest,
        IReadOnlyList<long>? extents,
        IBackend backend,
        DeviceRuntime runtime
    ) =>
        IsOn && backend is Lower.Cpu.CpuBackend && Prepacking.MayHave(nest)
            ? new(nest, extents, backend, runtime)
            : null;

    // One operand whose copy may be kept.
    private sealed class Part(Prepacking split)
    {
        // By operand, the version that calls found and how often; nothing is allocated a call. Who collides counts anew.
        private readonly (int Memory, int Version, int Calls)[] _seen = new (int, int, int)[64];

        public Prepacking Split => split;

        public string Layout => split.Layout;

        public ICompiledKernel? Pack { get; set; }

        // Written last: who finds it finds the other.
        public ICompiledKernel? Main;
        public int Making;

        public int CallsUntilMade { get; } =
            (int)Math.Clamp(ElementsUntilMade / split.Elements, LeastCallsUntilMade, MostCallsUntilMade);

        public int Seen(object memory, int version)
        {
            int name = RuntimeHelpers.GetHashCode(memory);
            ref var seen = ref _seen[name % _seen.Length];
            if (seen.Memory != name || seen.Version != version)
                seen = (name, version, 0);
            return ++seen.Calls;
        }
    }

    /// <summary>Which operands' copies may be kept: numbers of the algorithm's inputs; none before some calls.</summary>
    public int Operands => _parts.IsDefault ? Look() : _parts.Length;

    /// <summary>The input that is copied.</summary>
    /// <param name="number">Below <see cref="Operands"/>.</param>
    public int Input(int number) => _parts[number].Split.Input;

    // Once, after a few calls: it takes a fraction of a millisecond.
    private int Look()
    {
        if (Interlocked.Increment(ref _calls) != LeastCallsUntilMade)
            return 0;
        _parts = [.. Prepacking.Of(_nest, _fixed).Select(split => new Part(split))];
        return _parts.Length;
    }

    /// <summary>Runs a call on the kept copy of an operand; false where there is none: then the whole kernel has to run.</summary>
    /// <param name="number">Below <see cref="Operands"/>.</param>
    /// <param name="memory">Stands for the operand's memory as long as that lives.</param>
    /// <param name="offset">Bytes to the operand.</param>
    /// <param name="version">Of the memory.</param>
    /// <param name="bytes">Length of the memory.</param>
    /// <param name="given">Addresses of the kernel's arguments.</param>
    /// <param name="extents">Values of symbolic extents.</param>
    /// <param name="note">Takes a sentence when it is known whether copies are kept.</param>
    public bool TryRun(
        int number,
        object memory,
        long offset,
        int version,
        long bytes,
        nint* given,
        long[]? extents,
        Action<string> note
    )
    {
        var part = _parts[number];
        if (Volatile.Read(ref part.Main) is not { } main)
        {
            if (
                part.Making == 0
                && part.Seen(memory, version) >= part.CallsUntilMade
                && Interlocked.Exchange(ref part.Making, 1) == 0
            )
                Task.Run(() => MakeKernels(part, note));
            return false;
        }
        var copy = PackedOperands.Find(memory, part.Layout, offset, version);
        if (copy is null && part.Seen(memory, version) < CallsUntilKept)
            return false;
        var algorithm = part.Split.Main.Algorithm;
        int inputs = algorithm.Inputs.Length - 1;
        int outputs = algorithm.Outputs.Length;
        nint* arguments = stackalloc nint[inputs + 1 + outputs];
        for (int i = 0; i < inputs; i++)
            arguments[i] = given[i];
        for (int i = 0; i < outputs; i++)
            arguments[inputs + 1 + i] = given[inputs + i];
        copy ??= Keep(part, memory, offset, version, bytes, (nint)arguments, inputs, extents);
        if (copy is null)
            return false;
        arguments[inputs] = copy.Memory.Address;
        fixed (long* values = extents)
            main.Run(arguments, values);
        GC.KeepAlive(copy);
        return true;
    }

    private PackedOperands.Copy? Keep(
        Part part,
        object memory,
        long offset,
        int version,
        long bytes,
        nint arguments,
        int copy,
        long[]? extents
    ) =>
        PackedOperands.Make(
            memory,
            part.Layout,
            offset,
            version,
            bytes,
            () => _runtime.Rent(part.Split.Elements * part.Split.Copy.Type.Size()),
            to =>
            {
                // Of the arguments, those of the whole kernel come first, then the copy.
                ((nint*)arguments)[copy] = to;
                fixed (long* values = extents)
                    part.Pack!.Run((nint*)arguments, values);
            }
        );

    private void MakeKernels(Part part, Action<string> note)
    {
        string operand = part.Split.Pack.Algorithm.Inputs[part.Split.Input].Name;
        try
        {
            part.Pack = Compile(part.Split.Pack);
            Volatile.Write(ref part.Main, Compile(part.Split.Main));
            note($"{operand} is packed once where calls find it unchanged");
        }
        // The whole kernel goes on, so a failure costs speed only, and there is no caller to tell: the kernel's notes do.
        catch (Exception failure)
        {
            note($"{operand} is packed in each call: {failure.Message.Split('\n', 2)[0]}");
        }
    }

    private ICompiledKernel Compile(LoopNest nest) =>
        _fixed is null ? _backend.Compile(nest) : _backend.Compile(nest, _fixed);
}
