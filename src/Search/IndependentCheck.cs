using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;

namespace Picograd.Search;

/// <summary>
/// Checks all elements of outputs that are too large to evaluate whole. A second kernel, of another schedule and itself held
/// against the evaluator's sample, computes them as well; where the two differ most, absolutely and relatively, the evaluator
/// decides. A tile that is wrong or was left out lies among those, and what only rounding parts is right by its bounds, so no
/// tolerance is needed.
/// </summary>
internal sealed class IndependentCheck(OperatorSpec spec, ITuningTarget target)
{
    /// <summary>Elements that the evaluator decides on: so many that differ most absolutely, and relatively.</summary>
    private const int Judged = 8;

    /// <summary>Points of stages that it may evaluate for that; below a second.</summary>
    private const double JudgePoints = 4e6;

    /// <summary>Elements that are compared at a time.</summary>
    private const long Stretch = 1 << 18;

    /// <summary>A schedule is left out that the cost model thinks so many times slower than the one to check, and more.</summary>
    private const double SlowFactor = 4;
    private const double SlowMilliseconds = 300;

    /// <summary>Schedules to compare with that are tried until one is right on the sample.</summary>
    private const int MostOthers = 4;

    /// <summary>Other choices of a rule that are tried until one is accepted by primitives and compiler.</summary>
    private const int Variations = 6;

    /// <summary>Checks what a kernel left in the outputs; they hold those of the second kernel afterwards.</summary>
    /// <param name="nest">The kernel's schedule.</param>
    /// <param name="reference">Inputs and the sample of right answers.</param>
    /// <param name="memory">In which the kernel ran on these inputs.</param>
    /// <returns>The first wrong element, if any, and what was done.</returns>
    public (string? Wrong, string Note) Run(LoopNest nest, Reference reference, ArgumentMemory memory)
    {
        string none = "no second schedule to compare all elements with";
        var images = new List<ByteImage>();
        try
        {
            for (int i = memory.Inputs; i < memory.Arguments.Count; i++)
                images.Add(new ByteImage(memory.Contents(i), memory.LengthOf(i)));
            foreach (var (second, name) in Others(nest).Take(MostOthers))
            {
                using (second)
                {
                    memory.PoisonOutputs();
                    unsafe
                    {
                        second.Run(memory.Addresses, null);
                    }
                }
                if (reference.Check(memory).Wrong is { } broken)
                {
                    none = $"the schedule to compare with ({name}) is wrong itself: {broken}";
                    continue;
                }
                for (int o = 0; o < images.Count; o++)
                {
                    if (
                        Differing(memory, o, images[o].Address) is { Count: > 0 } places
                        && Judge(reference, memory, o, images[o].Address, places) is { } wrong
                    )
                        return ($"{wrong}; a second schedule ({name}) has another value", "");
                }
                return (null, $"all elements beside those of another schedule ({name})");
            }
        }
        finally
        {
            foreach (var image in images)
                image.Dispose();
        }
        return (null, none);
    }

    /// <summary>Places, row-major, where outputs differ most; empty where they are the same.</summary>
    private static IReadOnlyList<long> Differing(ArgumentMemory memory, int output, nint kept)
    {
        var buffer = memory.Arguments[memory.Inputs + output];
        nint now = memory.Contents(memory.Inputs + output);
        var offsets = new TypedMemory.Offsets(buffer);
        bool dense = buffer.Strides.IsDefault;
        int size = buffer.Type.Size();
        long count = buffer.Shape.Aggregate(1L, (n, e) => n * ((IntImm)e).Value);
        var most = new List<(double Absolute, double Relative, long Place)>();
        ParallelStretches.Each(
            count,
            Stretch,
            (from, to) =>
            {
                if (dense && AreSame(kept, now, from * size, (to - from) * size))
                    return;
                (double Value, long Place) absolute = (0, -1);
                (double Value, long Place) relative = (0, -1);
                for (long place = from; place < to; place++)
                {
                    long offset = offsets.Of(place);
                    double a = TypedMemory.Read(buffer.Type, kept, offset);
                    double b = TypedMemory.Read(buffer.Type, now, offset);
                    if (a == b || double.IsNaN(a) && double.IsNaN(b))
                        continue;
                    double difference = Math.Abs(a - b);
                    if (!double.IsFinite(difference))
                        difference = double.MaxValue;
                    double share = difference / Math.Max(Math.Abs(b), 1e-30);
                    if (difference > absolute.Value)
                        absolute = (difference, place);
                    if (share > relative.Value)
                        relative = (share, place);
                }
                lock (most)
                {
                    if (absolute.Place >= 0)
                        most.Add((absolute.Value, 0, absolute.Place));
                    if (relative.Place >= 0)
                        most.Add((0, relative.Value, relative.Place));
                }
            }
        );
        // The order of threads decides nothing.
        return
        [
            .. most.OrderByDescending(m => m.Absolute)
                .ThenBy(m => m.Place)
                .Take(Judged)
                .Concat(most.OrderByDescending(m => m.Relative).ThenBy(m => m.Place).Take(Judged))
                .Select(m => m.Place)
                .Distinct(),
        ];
    }

    private static unsafe bool AreSame(nint one, nint other, long from, long bytes) =>
        new ReadOnlySpan<byte>((byte*)one + from, (int)bytes).SequenceEqual(
            new ReadOnlySpan<byte>((byte*)other + from, (int)bytes)
        );

    /// <summary>A sentence on the first element that is wrong by the evaluator's bound; null for none.</summary>
    private string? Judge(Reference reference, ArgumentMemory memory, int output, nint kept, IReadOnlyList<long> places)
    {
        var sample = SampledEvaluator.At(spec.Build(), reference.Inputs, output, places, JudgePoints);
        return reference.Check(sample, memory.Arguments[memory.Inputs + output], kept).Wrong;
    }

    /// <summary>Kernels by schedules that are others, and about as fast; compiled when asked for.</summary>
    private IEnumerable<(ICompiledKernel Kernel, string Name)> Others(LoopNest nest)
    {
        var known = new HashSet<ulong> { NestHash.Of(nest) };
        var model = new CostModel(target.Backend.Target);
        double most = SlowFactor * model.Features(nest).AnalyticMilliseconds + SlowMilliseconds;
        foreach (var (name, make) in Schedules())
        {
            ICompiledKernel kernel;
            try
            {
                var other = make();
                if (!known.Add(NestHash.Of(other)) || model.Features(other).AnalyticMilliseconds > most)
                    continue;
                kernel = target.Backend.Compile(other);
            }
            catch (Exception e) when (e is ScheduleException or LoweringException)
            {
                // Another will do.
                continue;
            }
            yield return (kernel, name);
        }
    }

    /// <summary>The default choices of each rule, then others of theirs.</summary>
    private IEnumerable<(string Name, Func<LoopNest> Make)> Schedules()
    {
        var algorithm = spec.Build();
        var on = target.Backend.Target;
        var rules = ScheduleRules.For(algorithm, on).ToList();
        foreach (var rule in rules)
            yield return (rule.Name, () => rule.Apply(algorithm, on, rule.Defaults(algorithm, on)));
        var random = new Random(1);
        foreach (var rule in rules)
        {
            var knobs = rule.Knobs(algorithm, on);
            for (int i = 0; i < Variations && knobs.Any(k => k.Values.Length > 1); i++)
            {
                var choices = knobs.ToDictionary(
                    k => k.Name,
                    k => k.Values[Math.Clamp(k.Values.IndexOf(k.Default) + random.Next(-1, 2), 0, k.Values.Length - 1)]
                );
                yield return ($"{rule.Name}, other choices", () => rule.Apply(algorithm, on, choices));
            }
        }
    }
}
