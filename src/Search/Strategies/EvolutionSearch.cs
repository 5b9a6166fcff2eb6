using Picograd.Search.Space;

namespace Picograd.Search.Strategies;

/// <summary>
/// An evolutionary search without a model: a population of random points, then children of parents that win tournaments, by
/// exchange of choices and mutation; the best survive.
/// </summary>
internal sealed class EvolutionSearch(ISearchMachine machine, double ceiling, SearchSettings settings)
    : SearchStrategy(machine, ceiling, settings)
{
    private const int Population = 24;
    private const int Tournament = 3;

    private protected override StopReason Search(BudgetMeter meter, CancellationToken cancel)
    {
        var first = Enumerable.Range(0, Population).Select(_ => Space.Draw(Random));
        if (!Settings.FromScratch)
            first = Space.Defaults.Concat(first);
        Measure([.. Make(first.ToList(), int.MaxValue).Select(d => (d, double.NaN))], meter, cancel);
        for (int dry = 0; dry < Settings.DryRounds; )
        {
            CheckStop(meter, cancel);
            var alive = TimedPrograms.OrderBy(t => t.Milliseconds).Take(Population).ToArray();
            // Ever wilder where nothing new comes of it.
            var children = Enumerable
                .Range(0, Settings.BatchSize)
                .Select(_ =>
                    alive.Length == 0
                        ? Space.Draw(Random)
                        : CandidateSpace.Mutate(Winner(alive), Winner(alive), 2 + dry, Random)
                );
            var drafts = Make(children.ToList(), Settings.BatchSize);
            dry = drafts.Count == 0 ? dry + 1 : 0;
            Measure([.. drafts.Take(meter.TrialsUntil(1)).Select(d => (d, double.NaN))], meter, cancel);
        }
        return StopReason.Exhausted;
    }

    private ChoicePoint Winner(Timed[] alive) =>
        Enumerable.Range(0, Tournament).Select(_ => alive[Random.Next(alive.Length)]).MinBy(t => t.Milliseconds)!.Point;
}
