namespace Picograd.Search.Strategies;

/// <summary>Points drawn evenly from the space, measured as they come: what any other search has to beat.</summary>
internal sealed class RandomSearch(ISearchMachine machine, double ceiling, SearchSettings settings)
    : SearchStrategy(machine, ceiling, settings)
{
    private protected override StopReason Search(BudgetMeter meter, CancellationToken cancel)
    {
        if (!Settings.FromScratch)
            Measure([.. Make(Space.Defaults, int.MaxValue).Select(d => (d, double.NaN))], meter, cancel);
        for (int dry = 0; dry < Settings.DryRounds; )
        {
            CheckStop(meter, cancel);
            var points = Enumerable.Range(0, Settings.BatchSize).Select(_ => Space.Draw(Random));
            var drafts = Make(points.ToList(), Settings.BatchSize);
            dry = drafts.Count == 0 ? dry + 1 : 0;
            Measure([.. drafts.Take(meter.TrialsUntil(1)).Select(d => (d, double.NaN))], meter, cancel);
        }
        return StopReason.Exhausted;
    }
}
