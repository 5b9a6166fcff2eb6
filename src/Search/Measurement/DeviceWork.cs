using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules.Gpu;

namespace Picograd.Search.Measurement;

/// <summary>
/// Work on the memory of a target that is not this process's, by kernels of the target's own compiler
/// (<see cref="MemoryAlgorithms"/>): inputs are made there, outputs compared there, and a few numbers cross. Kernels are for any length and compiled once a
/// process. What they tell is checked elsewhere: the evaluator decides on elements, and tests hold them against the
/// host's own.
/// </summary>
internal sealed unsafe class DeviceWork
{
    private static readonly ConditionalWeakTable<ITuningTarget, DeviceWork> Known = [];

    private readonly ITuningTarget _target;
    private readonly Dictionary<string, ICompiledKernel> _kernels = [];
    private readonly Lock _sync = new();

    private DeviceWork(ITuningTarget target) => _target = target;

    /// <summary>
    /// Arguments below it pass through main memory, which takes no longer (16 MiB: some 3 ms) than starting kernels and waiting for them, and needs
    /// no compiler.
    /// </summary>
    public long LeastBytes { get; set; } = 16 << 20;

    /// <summary>Null where the target's memory is main memory.</summary>
    public static DeviceWork? Of(ITuningTarget target) =>
        target.IsHostMemory ? null : Known.GetValue(target, t => new DeviceWork(t));

    /// <summary>As <see cref="PatternMemory.Write"/>, bit for bit.</summary>
    public void WritePattern(Buffer buffer, NDArray pattern, nint to)
    {
        var drawn = pattern.Drawn;
        int bits = int.Log2(drawn.Length);
        int size = buffer.Type.Size();
        long elements = TypedMemory.Bytes(buffer) / size;
        long tableBytes = (long)drawn.Length * size;
        var (_, inWord) = MemoryAlgorithms.PatternWord(size);
        var table = (byte*)NativeMemory.Alloc((nuint)tableBytes);
        nint uploaded = 0;
        try
        {
            TypedMemory.Write(new Buffer(buffer.Name, buffer.Type, [drawn.Length]), drawn, (nint)table);
            uploaded = _target.Allocate(tableBytes);
            _target.Write(uploaded, (nint)table, tableBytes);
            if (elements >= inWord)
            {
                var kernel = Kernel($"pattern {size} {bits}", () => MemoryAlgorithms.Pattern(size, bits));
                Run(kernel, [uploaded, to], [elements / inWord]);
            }
            // The first of a last pair.
            if (elements % inWord != 0)
            {
                long last = elements - 1;
                var source = table + NDArray.PairOf(last / 2, bits) * 2 * size;
                _target.Write(to + (nint)(last * size), (nint)source, size);
            }
        }
        finally
        {
            NativeMemory.Free(table);
            if (uploaded != 0)
                _target.Free(uploaded, tableBytes);
        }
    }

    /// <summary>A number for what memory holds; see <see cref="MemoryAlgorithms.Digest"/>.</summary>
    public ulong Digest(nint memory, long bytes)
    {
        long words = bytes / sizeof(long);
        ulong digest = (ulong)bytes;
        if (words > 0)
        {
            var kernel = Kernel("digest", MemoryAlgorithms.Digest);
            var groups = stackalloc ulong[(int)MemoryAlgorithms.Groups];
            RunAndRead(kernel, [memory], [words, Steps(words)], [(nint)groups]);
            ulong sum = 0;
            for (int g = 0; g < MemoryAlgorithms.Groups; g++)
                sum += groups[g];
            digest = MemoryDigest.Mix(digest, sum);
        }
        ulong rest = 0;
        if (bytes % sizeof(long) is > 0 and var tail)
            _target.Read(memory + (nint)(words * sizeof(long)), (nint)(&rest), tail);
        return MemoryDigest.Mix(digest, rest);
    }

    /// <summary>Where two pieces of memory differ most, in elements from their start.</summary>
    /// <param name="type">Of the elements.</param>
    /// <param name="one">The one.</param>
    /// <param name="other">By whose elements relative differences are.</param>
    /// <param name="elements">Of each.</param>
    public IReadOnlyList<Difference> Differences(DType type, nint one, nint other, long elements)
    {
        const int Groups = (int)MemoryAlgorithms.Groups;
        if (elements == 0)
            return [];
        var kernel = Kernel($"differences {type}", () => MemoryAlgorithms.Differences(type));
        var read = stackalloc long[5 * Groups];
        var places = new nint[5];
        for (int i = 0; i < places.Length; i++)
            places[i] = (nint)(read + i * Groups);
        RunAndRead(kernel, [one, other], [elements, Steps(elements)], places);
        var found = new List<Difference>();
        for (int g = 0; g < Groups; g++)
        {
            if (read[Groups + g] is >= 0 and var absolute)
                found.Add(new Difference(((double*)read)[g], 0, absolute));
            if (read[3 * Groups + g] is >= 0 and var relative)
                found.Add(new Difference(0, ((double*)read)[2 * Groups + g], relative));
        }
        return found;
    }

    /// <summary>Picks elements and copies them, one behind the other, to main memory.</summary>
    /// <param name="type">Of the elements.</param>
    /// <param name="memory">The target's.</param>
    /// <param name="elements">That there are.</param>
    /// <param name="places">In the target's memory: which, as int64.</param>
    /// <param name="count">How many.</param>
    /// <param name="to">Main memory.</param>
    public void Gather(DType type, nint memory, long elements, nint places, long count, nint to)
    {
        var kernel = Kernel($"gather {type}", () => MemoryAlgorithms.Gather(type));
        long bytes = count * type.Size();
        nint picked = _target.Allocate(bytes);
        try
        {
            Run(kernel, [memory, places, picked], [elements, count]);
            _target.Read(picked, to, bytes);
        }
        finally
        {
            _target.Free(picked, bytes);
        }
    }

    /// <summary>What lies between the elements of a strided buffer, as a number; null for memory where every byte is 0xFF.</summary>
    /// <param name="buffer">Its layout; constant extents.</param>
    /// <param name="memory">Where it begins.</param>
    public ulong GapDigest(Buffer buffer, nint? memory)
    {
        long bytes = TypedMemory.Bytes(buffer);
        nint copy = _target.Allocate(bytes);
        try
        {
            if (memory is { } from)
                _target.Copy(copy, from, bytes);
            else
                _target.Fill(copy, 0xFF, bytes);
            var algorithm = MemoryAlgorithms.ZeroElements(buffer);
            string layout = $"{buffer.Type} {string.Join(",", buffer.Shape)} {string.Join(",", buffer.Strides)}";
            Run(Kernel($"zero {layout}", () => algorithm), [copy], []);
            return Digest(copy, bytes);
        }
        finally
        {
            _target.Free(copy, bytes);
        }
    }

    private static long Steps(long elements) => (elements + MemoryAlgorithms.Parts - 1) / MemoryAlgorithms.Parts;

    private ICompiledKernel Kernel(string name, Func<Algorithm> make)
    {
        lock (_sync)
        {
            if (!_kernels.TryGetValue(name, out var kernel))
                _kernels[name] = kernel = _target.Backend.Compile(Schedule(make()));
            return kernel;
        }
    }

    // A thread a part or a word: what is read side by side is worked on side by side, and this rule takes everything.
    private LoopNest Schedule(Algorithm algorithm)
    {
        var target = _target.Backend.Target;
        if (target.Gpu is null)
            return DefaultSchedule.For(algorithm, target);
        var rule = new GpuPlainRule();
        return rule.Apply(algorithm, target, rule.Defaults(algorithm, target));
    }

    private static void Run(ICompiledKernel kernel, ReadOnlySpan<nint> arguments, ReadOnlySpan<long> parameters)
    {
        fixed (nint* first = arguments)
        fixed (long* values = parameters)
            kernel.Run(first, values);
    }

    /// <summary>Runs a kernel whose outputs are <see cref="MemoryAlgorithms.Groups"/> words of eight bytes each, and reads them.</summary>
    private void RunAndRead(ICompiledKernel kernel, nint[] inputs, ReadOnlySpan<long> parameters, nint[] outputs)
    {
        const long Each = MemoryAlgorithms.Groups * sizeof(long);
        long bytes = Each * outputs.Length;
        nint results = _target.Allocate(bytes);
        try
        {
            Run(kernel, [.. inputs, .. outputs.Select((_, i) => results + (nint)(i * Each))], parameters);
            for (int i = 0; i < outputs.Length; i++)
                _target.Read(results + (nint)(i * Each), outputs[i], Each);
        }
        finally
        {
            _target.Free(results, bytes);
        }
    }
}

/// <summary>Two elements at one place that differ, as numbers; places without a difference have none.</summary>
/// <param name="Absolute">By how much.</param>
/// <param name="Relative">By what part of the second.</param>
/// <param name="Place">In elements of memory.</param>
internal readonly record struct Difference(double Absolute, double Relative, long Place);
