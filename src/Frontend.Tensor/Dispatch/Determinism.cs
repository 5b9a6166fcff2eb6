namespace Picograd.Dispatch;

/// <summary>What results depend on, to the bit, beside operators, shapes and inputs.</summary>
public enum Determinism
{
    /// <summary>
    /// On the tune database and the processor too: the same program gives the same bits on every run and with every number of threads
    /// as long as both stay the same.
    /// </summary>
    Free,

    /// <summary>
    /// On the width of vectors only: sums have the order of <see cref="Schedules.Defaults.PinnedOrder"/>, and of tuned kernels those are
    /// used that <c>tune op … --pinned</c> found, which give the same bits. Processors only; each shape has a kernel of its own.
    /// </summary>
    Pinned,
}
