using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;
using Picograd.Schedules.Rules;
using Picograd.Schedules.Traces;

namespace Picograd.Search;

/// <summary>One schedule that the search considers.</summary>
/// <param name="Rule">The rule that wrote it; null for one that came as a trace.</param>
/// <param name="Choices">A value for each knob of the rule.</param>
/// <param name="Nest">The program.</param>
public sealed record Candidate(ScheduleRule? Rule, IReadOnlyDictionary<string, long> Choices, LoopNest Nest)
{
    private string? _traceText;

    /// <summary>Equal for equal programs, whatever traces led to them.</summary>
    public ulong Hash { get; } = NestHash.Of(Nest);

    /// <summary>The schedule as text.</summary>
    public string TraceText => _traceText ??= Trace.Of(Nest).ToString();

    /// <summary>How involved the schedule is: steps of its trace.</summary>
    public int Complexity => Nest.Trace.Length;

    /// <summary>The rule and its choices in one line, for logs.</summary>
    public string Describe() =>
        Rule is null
            ? "trace"
            : Rule.Name
                + string.Concat(Choices.OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $" {c.Key}={c.Value}"));
}

/// <summary>Names under which candidates are counted and logged.</summary>
public static class OutcomeNames
{
    public const string Timed = "timed";

    /// <summary>A primitive refused the choices.</summary>
    public const string Refused = "refused";

    /// <summary>The same program as an earlier candidate.</summary>
    public const string Duplicate = "duplicate";

    /// <summary>Compiled, ran, and gave a wrong result: a bug of a primitive or of the back end.</summary>
    public const string WrongResult = "wrong-result";

    /// <summary>Right, but adds up in another order than the pinned policy has.</summary>
    public const string OtherOrder = "other-order";

    /// <summary>The worker process died.</summary>
    public const string Crash = "crash";

    /// <summary>The worker process was killed from outside, as systems do that are short of memory; says nothing about the candidate.</summary>
    public const string Killed = "killed";

    /// <summary>The worker process gave no answer in time and was ended.</summary>
    public const string Hang = "hang";

    /// <summary>The trace does not replay: a bug of trace or primitives.</summary>
    public const string ReplayFailed = "replay-failed";

    /// <summary>An unexpected exception while a candidate was compiled or run: a bug; the detail says where.</summary>
    public const string InternalError = "internal-error";

    /// <summary>A rule threw something that is not a refusal: a bug of the rule or of a primitive.</summary>
    public const string RuleError = "rule-error";

    /// <summary>Took longer than its share of the budget; its worker process was ended.</summary>
    public const string OverTime = "over-time";

    /// <summary>Failed the check against the evaluator before storing.</summary>
    public const string Uncertified = "uncertified";
}
