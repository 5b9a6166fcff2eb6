using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>An operator that a program ran, or one of a list.</summary>
/// <param name="Label">What the program calls it.</param>
/// <param name="Spec">What it computes.</param>
/// <param name="Calls">How often it ran.</param>
/// <param name="Milliseconds">What all calls took; 0 of a list.</param>
/// <param name="IsTuned">Whether it ran on a record of its own.</param>
internal sealed record RanOperator(string Label, Problem Spec, long Calls, double Milliseconds, bool IsTuned);

/// <summary>
/// What of the operators of a program is tuned with a budget, and why the rest is not. What counts is the share of the time that
/// an operator takes while nothing is tuned: else what is left would grow more important with everything that is done, and no
/// run would ever be the last.
/// </summary>
internal sealed class TuningPlan
{
    /// <summary>An operator of less than this share of the time cannot be felt, whatever it gains.</summary>
    private const double LeastShare = 0.002;

    /// <summary>Where this share of the time is tuned already, only operators of some weight are worth another run.</summary>
    private const double MostlyDone = 0.9;
    private const double LeastShareAfter = 0.03;

    /// <summary>
    /// Shapes of one class share a kernel. Of more than so many, only those are tuned that have some weight of their own: each
    /// would be a record for that one shape.
    /// </summary>
    private const int ManyShapes = 8;
    private const double LeastShareOfShape = 0.01;

    /// <summary>What an operator needs to be timed, raced and certified at all.</summary>
    private const double LeastSeconds = 1.5;
    private const int LeastTrials = 4;

    private readonly double _total;
    private readonly List<(RanOperator Operator, double Share)> _tuned = [];
    private readonly List<(RanOperator Operator, double Share)> _chosen = [];
    private readonly List<(string Why, int Count, double Share)> _left = [];
    private readonly bool _isTimed;

    private TuningPlan(double total) => (_total, _isTimed) = (total, total > 0);

    /// <summary>What is to be tuned, longest first; in the order of the list where no times are known.</summary>
    public IReadOnlyList<RanOperator> Chosen => [.. _chosen.Select(c => c.Operator)];

    /// <summary>What is tuned already.</summary>
    public IReadOnlyList<RanOperator> Tuned => [.. _tuned.Select(c => c.Operator)];

    /// <summary>By share of the time, as if nothing were tuned; null where no times are known.</summary>
    public IReadOnlyList<double>? Shares => _isTimed ? [.. _chosen.Select(c => c.Share)] : null;

    /// <param name="ran">The operators, each once.</param>
    /// <param name="budget">What may be spent on all of them.</param>
    /// <param name="stored">The record of an operator under the same conditions; null where there is none.</param>
    /// <param name="again">Whether what is tuned already is tuned again.</param>
    public static TuningPlan Of(
        IReadOnlyList<RanOperator> ran,
        SearchBudget budget,
        Func<Problem, TuneRecord?> stored,
        bool again
    )
    {
        var records = ran.Select(o => stored(o.Spec)).ToList();
        double Untuned(int i) =>
            ran[i].Milliseconds * (ran[i].IsTuned && records[i]?.Speedup is > 1 and var gain ? gain : 1);
        double total = Enumerable.Range(0, ran.Count).Sum(Untuned);
        var plan = new TuningPlan(total);
        var waiting = new List<(RanOperator Operator, double Share)>();
        for (int i = 0; i < ran.Count; i++)
        {
            var entry = (ran[i], total > 0 ? Untuned(i) / total : 0);
            (records[i] is not null && !again ? plan._tuned : waiting).Add(entry);
        }
        if (plan._isTimed)
            waiting = plan.Weigh([.. waiting.OrderByDescending(o => o.Share)], budget);
        plan._chosen.AddRange(waiting);
        return plan;
    }

    /// <summary>Says what is tuned, and what is not and why.</summary>
    public void Tell(TextWriter to, SearchBudget budget)
    {
        if (_tuned.Count > 0)
            to.WriteLine(
                $"{Count(_tuned.Count)} tuned already{Of(_tuned)} and left as {(_tuned.Count == 1 ? "it is" : "they are")}; --again tunes {(_tuned.Count == 1 ? "it" : "them")} again"
            );
        if (_chosen.Count > 0)
            to.WriteLine($"{Count(_chosen.Count)} to be tuned{Of(_chosen)}, budget {budget}");
        foreach (var (why, count, share) in _left)
            to.WriteLine($"{Count(count)} left out{(_isTimed ? $", {Percent(share)} of the time" : "")}: {why}");
        if (_chosen.Count == 0)
            to.WriteLine("nothing is left to tune");

        string Of(List<(RanOperator Operator, double Share)> some) =>
            _isTimed ? $", {Percent(some.Sum(o => o.Share))} of the time untuned" : "";
    }

    // Of those with times, longest first, the ones that are worth it.
    private List<(RanOperator Operator, double Share)> Weigh(
        List<(RanOperator Operator, double Share)> waiting,
        SearchBudget budget
    )
    {
        bool mostlyDone = _tuned.Sum(o => o.Share) >= MostlyDone;
        double least = mostlyDone ? LeastShareAfter : LeastShare;
        var shapes = waiting
            .Concat(_tuned)
            .Select(o => ClassOf(o.Operator))
            .OfType<string>()
            .GroupBy(n => n)
            .ToDictionary(g => g.Key, g => g.Count());
        var chosen = new List<(RanOperator Operator, double Share)>();
        var small = new List<double>();
        var ofClass = new SortedDictionary<string, List<double>>(StringComparer.Ordinal);
        foreach (var entry in waiting)
        {
            if (entry.Share < LeastShareOfShape && ClassOf(entry.Operator) is { } name && shapes[name] > ManyShapes)
            {
                if (!ofClass.TryGetValue(name, out var others))
                    ofClass.Add(name, others = []);
                others.Add(entry.Share);
            }
            else if (entry.Share < least)
            {
                small.Add(entry.Share);
            }
            else
            {
                chosen.Add(entry);
            }
        }
        int most = budget.Time is { } time
            ? Math.Max(1, (int)(time.TotalSeconds / LeastSeconds))
            : Math.Max(1, budget.Trials!.Value / LeastTrials);
        if (ofClass.Count > 0)
            _left.Add(
                (
                    $"shapes of {Names(ofClass)}, each less than {Percent(LeastShareOfShape)} and of a class whose many shapes share a kernel",
                    ofClass.Sum(c => c.Value.Count),
                    ofClass.Sum(c => c.Value.Sum())
                )
            );
        if (small.Count > 0)
            _left.Add(
                (
                    $"each takes less than {Percent(least)}{(mostlyDone ? $", while {Percent(_tuned.Sum(o => o.Share))} are tuned" : "")}",
                    small.Count,
                    small.Sum()
                )
            );
        if (chosen.Count > most)
        {
            var over = chosen[most..];
            _left.Add(
                (
                    $"the budget of {budget} is too small for more than {most}; another run or a larger --budget goes on",
                    over.Count,
                    over.Sum(o => o.Share)
                )
            );
            chosen.RemoveRange(most, over.Count);
        }
        return chosen;
    }

    // The operators, those of most time first.
    private static string Names(SortedDictionary<string, List<double>> classes)
    {
        const int most = 4;
        string[] names =
        [
            .. classes
                .GroupBy(c => c.Key.Split(' ')[0])
                .OrderByDescending(g => g.Sum(c => c.Value.Sum()))
                .Select(g => g.Key),
        ];
        return string.Join(", ", names.Take(most)) + (names.Length > most ? $" and {names.Length - most} more" : "");
    }

    private static string? ClassOf(RanOperator ran) =>
        ran.Spec.Operator is { } spec ? OpenOperator.Of(spec)?.Name : null;

    private static string Count(int count) => count == 1 ? "1 operator is" : $"{count} operators are";

    private static string Percent(double share) =>
        share is > 0 and < 0.1 ? $"{Figures.Number(100 * share)} %" : Figures.Percent(share);
}
