using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>A scheduled program and its code.</summary>
internal sealed class CompiledSchedule(LoopNest nest, ICompiledKernel kernel)
{
    private static long s_made;

    private (byte[] Inputs, bool May)? _mayReplace;

    public LoopNest Nest => nest;

    public ICompiledKernel Kernel => kernel;

    /// <summary>Keeps copies of its operands between calls; null where it makes none, or is not to.</summary>
    public OperandPacking? Packing { get; init; }

    /// <summary>Whether each output may lie where the input of the number given for it does.</summary>
    public bool MayReplace(ReadOnlySpan<byte> inputs)
    {
        if (_mayReplace is { } known && inputs.SequenceEqual(known.Inputs))
            return known.May;
        var algorithm = nest.Algorithm;
        bool may = algorithm.Outputs.Length == inputs.Length;
        for (int i = 0; may && i < inputs.Length; i++)
            may = ReplacedInput.IsSafe(nest, algorithm.Inputs[inputs[i]], algorithm.Outputs[i]);
        _mayReplace = (inputs.ToArray(), may);
        return may;
    }

    /// <summary>Later ones have larger numbers.</summary>
    public long Number { get; } = Interlocked.Increment(ref s_made);

    /// <summary>Whether an instance used it; kept by the <see cref="KernelCache"/>.</summary>
    public bool Used { get; set; }
}
