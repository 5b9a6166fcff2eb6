using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>In which state of the caches kernels are timed.</summary>
public enum TimingPolicy
{
    /// <summary>Operands as the previous call of the same kernel left them in the caches.</summary>
    Warm,

    /// <summary>Nothing of the operands in any cache.</summary>
    Cold,
}

/// <summary>What is tuned: a problem for a target (threads included) under a timing policy.</summary>
public sealed record TuneTask(Problem Problem, ITuningTarget On, TimingPolicy Policy = TimingPolicy.Warm)
{
    public TargetInfo Target => On.Backend.Target;

    public Algorithm Algorithm => Problem.Algorithm;

    /// <summary>What the winner is stored under.</summary>
    public TuneKey Key => TuneKeys.Of(Problem, Target, PolicyName);

    public string PolicyName => Name(Policy);

    /// <summary>As keys and commands write it: warm, cold.</summary>
    public static string Name(TimingPolicy policy) => policy == TimingPolicy.Warm ? TuneKeys.WarmPolicy : "cold";

    /// <exception cref="FormatException">Neither warm nor cold.</exception>
    public static TimingPolicy ParsePolicy(string text) =>
        text switch
        {
            "warm" => TimingPolicy.Warm,
            "cold" => TimingPolicy.Cold,
            _ => throw new FormatException($"policy '{text}' is unknown; allowed are warm and cold"),
        };
}

/// <summary>Tuning cannot go on; the message is one sentence for people.</summary>
public sealed class TuneException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Whether more time might do.</summary>
    public bool IsOverTime { get; init; }
}
