namespace Picograd.Dispatch.Profiles;

/// <summary>Calls of one operator instance on one kernel.</summary>
/// <param name="Spec">The instance, <c>matmul m=32 n=200 k=200</c>.</param>
/// <param name="Device">Where it ran: cpu, cuda:0.</param>
/// <param name="Target">Fingerprint of the target that the kernel was compiled for, threads included.</param>
/// <param name="Source">Where the kernel's schedule came from.</param>
/// <param name="Record">Which tuned record, in words; null for a default schedule.</param>
/// <param name="Calls">How often it ran.</param>
/// <param name="Milliseconds">
/// What all calls took together: on the CPU of the calling thread's time, on a GPU of the device's. Neither finding the kernel nor
/// making it counts.
/// </param>
public sealed record RecordedOperator(
    string Spec,
    string Device,
    string Target,
    KernelSource Source,
    string? Record,
    long Calls,
    double Milliseconds
)
{
    /// <summary>
    /// Median time of one call, to about 2 %; over several processes the mean of their medians. Neither first calls, which start
    /// threads and find everything cold, nor what other work on the machine delays counts in it.
    /// </summary>
    public double MillisecondsPerCall { get; init; } = Milliseconds / Math.Max(1, Calls);

    /// <summary>
    /// What is computed, where the operator is the program's own and its name means nothing to others: a problem's text. Empty for
    /// operators of the library.
    /// </summary>
    public string ProblemText { get; init; } = "";

    /// <summary>What all calls would have taken if each had been as the median one.</summary>
    public double SteadyMilliseconds => MillisecondsPerCall * Calls;

    /// <summary><c>tuned</c>, <c>near</c> or <c>default</c>.</summary>
    public string SourceName => NameOf(Source);

    internal static string NameOf(KernelSource source) =>
        source == KernelSource.Exact ? "tuned" : source.ToString().ToLowerInvariant();

    internal static KernelSource? SourceOf(string name) =>
        name switch
        {
            "tuned" => KernelSource.Exact,
            "near" => KernelSource.Near,
            "default" => KernelSource.Default,
            _ => null,
        };
}
