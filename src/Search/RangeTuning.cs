using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.TuneDb;

namespace Picograd.Search;

/// <summary>
/// Tuning a range. The search runs at one point of it, among schedules that replay over symbolic extents; then the best, over those
/// extents, is timed beside the default schedule at that point and certified at the ends of the bounds and within.
/// </summary>
/// <param name="range">The problem, with symbolic extents.</param>
/// <param name="on">Where; a target that shares kernels.</param>
/// <param name="seed">Of inputs.</param>
public sealed unsafe class RangeTuning(Problem range, ITuningTarget on, int seed)
{
    private const int Rounds = 15;

    /// <summary>What a schedule is timed for in each round, about.</summary>
    private const double RoundMilliseconds = 2;

    private readonly Problem _point = range.At(range.Point);

    /// <summary>The rules of the library, refusing what does not replay over the range.</summary>
    public IReadOnlyList<ScheduleRule> Rules =>
        [.. ScheduleRules.All.Select(r => (ScheduleRule)new Replaying(r, range.Algorithm))];

    /// <summary>The points at which kernels are certified: the ends of all bounds, the point of measuring, and odd ones within.</summary>
    public IReadOnlyList<IReadOnlyList<long>> Points
    {
        get
        {
            var bounds = range.Algorithm.Parameters;
            var points = new List<long[]>
            {
                bounds.Select(p => p.Min).ToArray(),
                bounds.Select(p => p.Max).ToArray(),
                range.Point.ToArray(),
                // Odd, so that no factor divides them: a third of the way, and right behind the smallest.
                bounds.Select(p => Math.Min(p.Max, (p.Min + (p.Max - p.Min) / 3) | 1)).ToArray(),
                bounds.Select(p => Math.Min(p.Max, (p.Min + 1) | 1)).ToArray(),
            };
            // Of several, each at its smallest where the others are where it is measured.
            for (int i = 0; i < bounds.Length && bounds.Length > 1; i++)
            {
                long[] one = [.. range.Point];
                one[i] = bounds[i].Min;
                points.Add(one);
            }
            return [.. points.DistinctBy(p => string.Join(',', p))];
        }
    }

    /// <summary>The schedule of a trace, found at one point, over symbolic extents.</summary>
    /// <exception cref="TraceException">It needs constant ones.</exception>
    public LoopNest Over(string trace)
    {
        var parsed = Trace.Parse(trace);
        var names = Trace.Of(InitialNest.Of(range.Algorithm));
        return new Trace(names.Parameters, parsed.Inputs, parsed.Stages, parsed.Steps).Replay(
            range.Algorithm,
            ReplayLimits.OfSearch
        );
    }

    /// <summary>Certifies a schedule over symbolic extents at every one of <see cref="Points"/>.</summary>
    public Certification Certify(LoopNest nest)
    {
        ICompiledKernel kernel;
        try
        {
            kernel = on.Backend.Compile(nest);
        }
        catch (Exception e) when (e is LoweringException or ScheduleException)
        {
            return new Certification(0, Ok: false, BitStable: false, $"does not compile: {e.Message}")
            {
                IsRefused = true,
            };
        }
        using (kernel)
        {
            double worst = 0;
            foreach (var extents in Points)
            {
                var problem = range.At(extents);
                var result = new Certifier(problem, on, seed).Certify(new AtExtents(kernel, extents));
                worst = Math.Max(worst, result.ErrorRatio);
                if (!result.Ok)
                    return result with { ErrorRatio = worst, Detail = $"at {problem}: {result.Detail}" };
            }
            string at = string.Join("; ", Points.Select(p => string.Join(',', p)));
            return new Certification(
                worst,
                Ok: true,
                BitStable: true,
                $"{string.Join(", ", range.CertificationKinds)} inputs, aligned and not, at {at}"
            );
        }
    }

    /// <summary>
    /// What the search at the point found, over the range: timed, certified, and stored with it if it is right and beats the default
    /// schedule over symbolic extents.
    /// </summary>
    /// <param name="found">The search's result.</param>
    /// <param name="store">Where to.</param>
    /// <param name="machine">Name of the kind of machine, for provenance.</param>
    /// <param name="budget">As it was given.</param>
    public (TuneRecord Record, PutOutcome? Stored) Settle(
        TuneResult found,
        ITuneStore? store,
        string machine,
        string budget
    )
    {
        ArgumentNullException.ThrowIfNull(found);
        var standard = Standard();
        LoopNest nest;
        try
        {
            nest = Over(found.Trace);
        }
        catch (TraceException)
        {
            // Nothing that replays beat the default schedule of the point, which does not itself.
            nest = standard;
        }
        var (milliseconds, usual, samples) = Time(nest, standard);
        if (milliseconds >= usual)
            (nest, milliseconds) = (standard, usual);
        var certification = Certify(nest);
        var record = new TuneRecord
        {
            Key = TuneKeys.Of(range, on.Backend.Target),
            Spec = range.Label,
            ProblemText = range.Text,
            Trace = Trace.Of(nest).ToString(),
            Guards = [.. Guard.Of(range.Algorithm, on.Backend.Target).Select(g => g.ToString())],
            Milliseconds = milliseconds,
            DefaultMilliseconds = usual,
            Samples = samples,
            Certification = certification,
            Certified = certification.Ok,
            Provenance = new Provenance(
                DateTime.UtcNow,
                machine,
                seed,
                budget,
                found.Tried,
                found.Stop.ToString().ToLowerInvariant(),
                TuneTargets.RuntimeText(RuntimeInformation.FrameworkDescription, on.Backend.Target.Toolchain),
                typeof(RangeTuning).Assembly.GetName().Version?.ToString(3) ?? ""
            ),
        };
        return (record, certification.Ok ? store?.Put(record, force: true) : null);
    }

    // The default schedule of the point over symbolic extents; where it needs constant ones, plain loops.
    private LoopNest Standard()
    {
        try
        {
            return OpenSchedule.Replay(DefaultSchedule.For(_point.Algorithm, on.Backend.Target), range.Algorithm);
        }
        catch (TraceException)
        {
            return InitialNest.Of(range.Algorithm);
        }
    }

    // In turns, in one process; medians.
    private (double Milliseconds, double Standard, IReadOnlyList<double> Samples) Time(LoopNest nest, LoopNest standard)
    {
        using var memory = new ArgumentMemory(_point.Algorithm, on, guarded: false);
        memory.SetInputs(_point.MakeInputs(seed));
        using var timer = new KernelTimer(TimingPolicy.Warm, on);
        using var one = on.Backend.Compile(nest);
        using var other = on.Backend.Compile(standard);
        ICompiledKernel[] kernels = [new AtExtents(one, range.Point), new AtExtents(other, range.Point)];
        var calls = new int[2];
        List<double>[] times =
        [
            [],
            [],
        ];
        for (int i = 0; i < 2; i++)
        {
            kernels[i].Run(memory.Addresses, null);
            calls[i] = timer.Calls(timer.Sample(kernels[i], memory, 1), RoundMilliseconds);
        }
        for (int round = 0; round < Rounds; round++)
        {
            for (int turn = 0; turn < 2; turn++)
            {
                int i = (round + turn) % 2;
                kernels[i].Run(memory.Addresses, null);
                times[i].Add(timer.Sample(kernels[i], memory, calls[i]));
            }
        }
        return (Racing.Median([.. times[0]]), Racing.Median([.. times[1]]), times[0]);
    }

    /// <summary>A kernel over symbolic extents at one point.</summary>
    private sealed class AtExtents(ICompiledKernel kernel, IReadOnlyList<long> extents) : ICompiledKernel
    {
        private readonly long[] _extents = [.. extents];

        public long WorkspaceBytes => kernel.WorkspaceBytes;

        public void Run(nint* arguments, long* parameters)
        {
            fixed (long* values = _extents)
                kernel.Run(arguments, values);
        }

        // It is of whoever compiled it.
        public void Dispose() { }
    }

    private sealed class Replaying(ScheduleRule rule, Algorithm range) : ScheduleRule
    {
        public override string Name => rule.Name;

        public override bool Applies(Algorithm algorithm, TargetInfo target) => rule.Applies(algorithm, target);

        public override System.Collections.Immutable.ImmutableArray<Knob> Knobs(
            Algorithm algorithm,
            TargetInfo target
        ) => rule.Knobs(algorithm, target);

        public override LoopNest Apply(
            Algorithm algorithm,
            TargetInfo target,
            IReadOnlyDictionary<string, long> choices
        )
        {
            var nest = rule.Apply(algorithm, target, choices);
            try
            {
                OpenSchedule.Replay(nest, range);
            }
            catch (TraceException e)
            {
                throw new ScheduleException(
                    null,
                    null,
                    $"it does not replay over the range: {e.Message.Split('\n')[0]}"
                );
            }
            return nest;
        }
    }
}
