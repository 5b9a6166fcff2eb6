using System.Diagnostics;

namespace Picograd.Tune;

/// <summary>
/// Times several implementations of one operator against one another, warm and in turns, so that a machine that is slow
/// for a while is slow for all of them.
/// </summary>
internal static class Interleaved
{
    /// <summary>What each gets at least, as users expect of a figure that is quoted.</summary>
    private const double LeastSeconds = 0.2;

    private const int Rounds = 6;

    private const int MostCalls = 1 << 24;

    private const double InterruptionSeconds = 0.05;

    /// <summary>Before the clock runs in a turn: caches and sleeping workers come back.</summary>
    private const double WarmSeconds = 0.004;

    /// <summary>Some virtual machines' clocks step by a microsecond; a sample of this length is right to a thousandth.</summary>
    private const double SampleSeconds = 0.001;

    /// <summary>Median milliseconds of one call of each; as <see cref="Measure"/>.</summary>
    public static double[] Time(
        IReadOnlyList<Contender> contenders,
        int threads,
        TextWriter notes,
        CancellationToken cancel
    ) => [.. Measure(contenders, threads, notes, cancel).Select(s => s.Median)];

    /// <summary>Milliseconds of one call of each.</summary>
    /// <param name="contenders">What to time.</param>
    /// <param name="threads">
    /// With more than one, a turn begins when no other thread of this process runs: workers of libraries spin for some time
    /// after a call (OpenBLAS's tens of milliseconds, some builds without end) and would keep the cores from the next.
    /// </param>
    /// <param name="notes">Told where that did not come about in time.</param>
    /// <param name="cancel">Ends it with an <see cref="OperationCanceledException"/>.</param>
    public static Spread[] Measure(
        IReadOnlyList<Contender> contenders,
        int threads,
        TextWriter notes,
        CancellationToken cancel
    )
    {
        var awake = new HashSet<string>();
        var samples = contenders.Select(_ => new List<double>()).ToArray();
        var spent = new double[contenders.Count];
        double turn = LeastSeconds / Rounds;
        while (spent.Min() < LeastSeconds)
        {
            for (int i = 0; i < contenders.Count; i++)
            {
                cancel.ThrowIfCancellationRequested();
                if (threads > 1 && contenders.Count > 1 && !QuietThreads.Await(cancel))
                    awake.Add(contenders[(i + contenders.Count - 1) % contenders.Count].Lib);
                spent[i] += Turn(contenders[i], turn, samples[i]);
            }
        }
        foreach (string lib in awake)
        {
            notes.WriteLine(
                $"tune: threads of {lib} were still running {Figures.Number(QuietThreads.Longest.TotalSeconds)} s after its turn: they took processor time from whatever was timed next."
            );
        }
        return [.. samples.Select(Spread.Of)];
    }

    /// <summary>Adds milliseconds a call to the samples; returns the seconds that were timed.</summary>
    private static double Turn(Contender run, double seconds, List<double> samples)
    {
        long start = Stopwatch.GetTimestamp();
        int calls = 1;
        while (true)
        {
            double least = Least(run, calls);
            if (least < SampleSeconds / 2 && calls < MostCalls)
                calls *= 2;
            else if (Stopwatch.GetElapsedTime(start).TotalSeconds >= WarmSeconds)
                break;
        }
        double total = 0;
        do
        {
            double took = Sample(run, calls);
            samples.Add(took * 1000 / calls);
            total += took;
        } while (total < seconds);
        return total;
    }

    /// <summary>
    /// The least of a few samples: one alone may have been interrupted, and would make a fast kernel look slow enough to be
    /// timed call by call. Samples longer than interruptions are taken once.
    /// </summary>
    private static double Least(Contender run, int calls)
    {
        double least = double.PositiveInfinity;
        for (int i = 0; i < 3 && least > SampleSeconds / 2; i++)
        {
            least = Math.Min(least, Sample(run, calls));
            if (least > InterruptionSeconds)
                break;
        }
        return least;
    }

    /// <summary>Seconds that so many calls take.</summary>
    private static double Sample(Contender contender, int calls)
    {
        if (contender.Clock is { } clock)
            return clock(calls);
        var run = contender.Run;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
            run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }
}

/// <summary>Milliseconds of one call, of many samples.</summary>
/// <param name="Median">The middle one.</param>
/// <param name="Low">A quarter is below.</param>
/// <param name="High">A quarter is above.</param>
/// <param name="Samples">How many.</param>
internal sealed record Spread(double Median, double Low, double High, int Samples)
{
    public static Spread Of(List<double> values)
    {
        values.Sort();
        int last = values.Count - 1;
        return new Spread(values[values.Count / 2], values[last / 4], values[last - last / 4], values.Count);
    }
}
