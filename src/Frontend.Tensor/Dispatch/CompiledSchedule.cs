using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch;

/// <summary>A scheduled program and its code.</summary>
internal sealed class CompiledSchedule(LoopNest nest, ICompiledKernel kernel)
{
    private static long s_made;

    public LoopNest Nest => nest;

    public ICompiledKernel Kernel => kernel;

    /// <summary>Keeps copies of its operands between calls; null where it makes none, or is not to.</summary>
    public OperandPacking? Packing { get; init; }

    /// <summary>Later ones have larger numbers.</summary>
    public long Number { get; } = Interlocked.Increment(ref s_made);

    /// <summary>Whether an instance used it; kept by the <see cref="KernelCache"/>.</summary>
    public bool Used { get; set; }
}
