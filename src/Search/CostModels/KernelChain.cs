namespace Picograd.Search.CostModels;

/// <summary>
/// How long one thread takes for some code where nothing else keeps it waiting, in cycles: what follows one another because of
/// results and memory, what its scheduler issues, and waits for copies begun before, which go on beside everything else.
/// </summary>
internal readonly record struct KernelChain(double Arithmetic, double Memory, double Issue, double Copies)
{
    /// <summary>Loads that are under way at the same time, at most.</summary>
    private const double MostLoads = 16;

    /// <summary>Iterations that a compiler lays side by side where nothing waits.</summary>
    private const double Unroll = 4;

    private const double LoopInstructions = 2;

    public double Cycles => Math.Max(Copies, Math.Max(Issue, Arithmetic + Memory));

    /// <summary>One after the other.</summary>
    public static KernelChain operator +(KernelChain a, KernelChain b) =>
        new(a.Arithmetic + b.Arithmetic, a.Memory + b.Memory, a.Issue + b.Issue, Math.Max(a.Copies, b.Copies));

    /// <summary>A part of the times.</summary>
    public static KernelChain operator *(double share, KernelChain a) =>
        new(share * a.Arithmetic, share * a.Memory, share * a.Issue, share * a.Copies);

    /// <summary>By different warps at the same time.</summary>
    public static KernelChain Longer(KernelChain a, KernelChain b) => a.Cycles >= b.Cycles ? a : b;

    /// <summary>So many copies of it side by side.</summary>
    /// <param name="times">How many.</param>
    /// <param name="carries">Whether each needs the result of the one before.</param>
    public KernelChain Unrolled(double times, bool carries) =>
        new(carries ? times * Arithmetic : Arithmetic, Math.Ceiling(times / MostLoads) * Memory, times * Issue, Copies);

    /// <summary>So many iterations.</summary>
    /// <param name="times">How many, on average.</param>
    /// <param name="carries">Whether each needs the result of the one before.</param>
    /// <param name="waits">Whether it waits for other threads or for copies, so that iterations do not overlap.</param>
    public KernelChain Looped(double times, bool carries, bool waits)
    {
        double issue = times * (Issue + LoopInstructions);
        if (waits)
            return new(times * Cycles, 0, issue, 0);
        double aside = Math.Clamp(times, 1, Unroll);
        return new(carries ? times * Arithmetic : times * Arithmetic / aside, times * Memory / aside, issue, 0);
    }
}
