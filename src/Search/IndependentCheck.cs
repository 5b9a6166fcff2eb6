using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Rules;
using Picograd.Schedules.Traces;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;

namespace Picograd.Search;

/// <summary>
/// Checks all elements of outputs that are too large to evaluate whole. A second kernel, of another schedule and itself held
/// against the evaluator's sample, computes them as well; where the two differ most, absolutely and relatively, the evaluator
/// decides. A tile that is wrong or was left out lies among those, and what only rounding parts is right by its bounds, so no
/// tolerance is needed.
/// </summary>
internal sealed class IndependentCheck(Problem problem, ITuningTarget target)
{
    /// <summary>Elements that the evaluator decides on: so many that differ most absolutely, and relatively.</summary>
    private const int Judged = 8;

    /// <summary>Points of stages that it may evaluate for that; below a second.</summary>
    private const double JudgePoints = 4e6;

    /// <summary>A schedule is left out that the cost model thinks so many times slower than the one to check, and more.</summary>
    private const double SlowFactor = 4;
    private const double SlowMilliseconds = 300;

    /// <summary>Schedules to compare with that are tried until one is right on the sample.</summary>
    private const int MostOthers = 4;

    /// <summary>Other choices of a rule that are tried until one is accepted by primitives and compiler.</summary>
    private const int Variations = 6;

    /// <summary>Of the memory that this process may use, and of what nobody uses now, what copies of outputs may take.</summary>
    private const int ImageShare = 8;
    private const int FreeShare = 2;

    /// <summary>Fewer bytes of outputs are not kept at a time: each time, both kernels run.</summary>
    private const long LeastKept = 16 << 20;

    /// <summary>
    /// What a copy of outputs may take, in bytes; larger ones are kept and compared part by part. As much as is free now counts, since
    /// arguments may have half of the memory: what is taken beyond it, some system would end the process for.
    /// </summary>
    internal long MostKept { get; init; } = Math.Min(MemoryRoom.Total / ImageShare, MemoryRoom.Free / FreeShare);

    /// <summary>Checks what a kernel left in the outputs; they hold those of the second kernel afterwards.</summary>
    /// <param name="kernel">That was run, and gives the same bits every time.</param>
    /// <param name="nest">The kernel's schedule.</param>
    /// <param name="reference">Inputs and the sample of right answers.</param>
    /// <param name="memory">In which the kernel ran on these inputs.</param>
    /// <param name="digests">Of its outputs (<see cref="ArgumentMemory.OutputDigests"/>); null where they are not known.</param>
    /// <returns>The first wrong element, if any, and what was done.</returns>
    public (string? Wrong, string Note) Run(
        ICompiledKernel kernel,
        LoopNest nest,
        Reference reference,
        ArgumentMemory memory,
        ulong[]? digests = null
    )
    {
        string none = "no second schedule to compare all elements with";
        bool isRun = true;
        foreach (var (second, name) in Others(nest).Take(MostOthers))
        {
            using (second)
            {
                if (!isRun)
                    Run(kernel, memory);
                isRun = false;
                if (Compare(kernel, second, reference, memory, digests) is not { } outcome)
                    return (null, $"there is no memory to compare all elements with those of a second schedule in");
                if (outcome.Broken is { } broken)
                {
                    none = $"the schedule to compare with ({name}) is wrong itself: {broken}";
                    continue;
                }
                return outcome.Wrong is { } wrong
                    ? ($"{wrong}; a second schedule ({name}) has another value", "")
                    : (null, $"all elements beside those of another schedule ({name})");
            }
        }
        return (null, none);
    }

    private static unsafe void Run(ICompiledKernel kernel, ArgumentMemory memory)
    {
        memory.PoisonOutputs();
        kernel.Run(memory.Addresses, null);
    }

    /// <summary>
    /// Compares the outputs of the first kernel, which memory holds, with those of the second: all at once, or part by part, each
    /// after another run of both.
    /// </summary>
    /// <returns>
    /// Why the second is wrong by the sample, or the first; null where there is no memory to keep even a small part in.
    /// </returns>
    private (string? Broken, string? Wrong)? Compare(
        ICompiledKernel first,
        ICompiledKernel second,
        Reference reference,
        ArgumentMemory memory,
        ulong[]? digests
    )
    {
        long most = Math.Max(LeastKept, MostKept);
        bool isChecked = false;
        if (digests is not null && problem.Algorithm.Stages.All(s => s.Kind == StageKind.Map))
        {
            // Schedules of maps compute the same bits, so nothing need be kept: of 256 MiB, memory for that may take half a second.
            Run(second, memory);
            if (reference.Check(memory).Wrong is { } broken)
                return (broken, null);
            if (memory.OutputDigests().AsSpan().SequenceEqual(digests))
                return (null, null);
            isChecked = true;
            Run(first, memory);
        }
        // Next to be kept: an element of the memory of an argument.
        var at = (Argument: memory.Inputs, Element: 0L);
        while (at.Argument < memory.Arguments.Count)
        {
            var images = new List<ArgumentImage>();
            try
            {
                at = Keep(memory, at, most, images, out bool isFull);
                if (isFull && images.Count == 0)
                {
                    if (most == LeastKept)
                        return null;
                    most = Math.Max(LeastKept, most / 2);
                    continue;
                }
                Run(second, memory);
                if (!isChecked && reference.Check(memory).Wrong is { } broken)
                    return (broken, null);
                isChecked = true;
                foreach (var image in images)
                {
                    if (Judge(reference, memory, image) is { } wrong)
                        return (null, wrong);
                }
            }
            finally
            {
                foreach (var image in images)
                    image.Dispose();
            }
            if (at.Argument < memory.Arguments.Count)
                Run(first, memory);
        }
        return (null, null);
    }

    /// <summary>Keeps outputs from a place on, up to so many bytes.</summary>
    /// <returns>Where the next begin.</returns>
    private static (int Argument, long Element) Keep(
        ArgumentMemory memory,
        (int Argument, long Element) at,
        long most,
        List<ArgumentImage> images,
        out bool isFull
    )
    {
        isFull = false;
        while (at.Argument < memory.Arguments.Count && most > 0)
        {
            int size = memory.Arguments[at.Argument].Type.Size();
            long left = memory.LengthOf(at.Argument) / size - at.Element;
            long count = Math.Min(left, Math.Max(1, most / size));
            if (left > 0)
            {
                try
                {
                    images.Add(memory.Keep(at.Argument, at.Element, count));
                }
                catch (OutOfMemoryException)
                {
                    isFull = true;
                    return at;
                }
            }
            most -= count * size;
            at = count == left ? (at.Argument + 1, 0) : (at.Argument, at.Element + count);
        }
        return at;
    }

    /// <summary>
    /// A sentence on the first element of those that differ most that is wrong by the evaluator's bound; null for none.
    /// </summary>
    private string? Judge(Reference reference, ArgumentMemory memory, ArgumentImage image)
    {
        var found = memory.Differences(image);
        var buffer = memory.Arguments[image.Argument];
        var offsets = new TypedMemory.Offsets(buffer);
        int size = buffer.Type.Size();
        // The order of threads decides nothing. What differs between elements is none.
        long[] places =
        [
            .. found
                .OrderByDescending(m => m.Absolute)
                .ThenBy(m => m.Place)
                .Take(Judged)
                .Concat(found.OrderByDescending(m => m.Relative).ThenBy(m => m.Place).Take(Judged))
                .Select(m => m.Place)
                .Distinct()
                .Where(p => offsets.PositionAt(p) is not null),
        ];
        if (places.Length == 0)
            return null;
        var kept = places
            .DistinctBy(p => offsets.PositionAt(p)!.Value)
            .ToDictionary(
                p => offsets.PositionAt(p)!.Value,
                p => memory.ElementAt(buffer.Type, image.Address + (nint)((p - image.From) * size))
            );
        int output = image.Argument - memory.Inputs;
        var sample = SampledEvaluator.At(problem.Algorithm, reference.Inputs, output, [.. kept.Keys], JudgePoints);
        // It may have more elements than were asked for, which need not have been kept.
        return reference
            .Check(
                sample,
                buffer,
                i => kept.TryGetValue(sample.Positions[i], out double value) ? value : sample.Expected.Value.At(i)
            )
            .Wrong;
    }

    /// <summary>Kernels by schedules that are others, and about as fast; compiled when asked for.</summary>
    private IEnumerable<(ICompiledKernel Kernel, string Name)> Others(LoopNest nest)
    {
        var model = new CostModel(target.Backend.Target);
        // Over symbolic extents it is about as fast as the default of these.
        var known = new HashSet<ulong> { NestHash.Of(nest) };
        var alike = nest.Algorithm.Parameters.IsEmpty
            ? nest
            : DefaultSchedule.For(problem.Algorithm, target.Backend.Target);
        double most = SlowFactor * model.Features(alike).AnalyticMilliseconds + SlowMilliseconds;
        foreach (var (name, make) in Schedules(nest))
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

    /// <summary>
    /// The default choices of each rule, the least like the schedule to check first (one of another rule has other faults), then
    /// others of theirs.
    /// </summary>
    private IEnumerable<(string Name, Func<LoopNest> Make)> Schedules(LoopNest nest)
    {
        var algorithm = problem.Algorithm;
        var on = target.Backend.Target;
        var steps = StepsOf(nest);
        var rules = ScheduleRules
            .For(algorithm, on)
            .Select(rule => (Rule: rule, Like: Likeness(rule)))
            .OrderBy(r => r.Like)
            .Select(r => r.Rule)
            .ToList();
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

        // Which rule made a nest is not noted in it, but its steps are: two choices of one rule share most of theirs.
        double Likeness(ScheduleRule rule)
        {
            try
            {
                var own = StepsOf(rule.Apply(algorithm, on, rule.Defaults(algorithm, on)));
                int both = own.Intersect(steps).Count();
                return own.Count + steps.Count == both ? 1 : both / (double)(own.Count + steps.Count - both);
            }
            catch (ScheduleException)
            {
                // Its other choices may do.
                return 1;
            }
        }
    }

    /// <summary>The steps of a nest's trace but for the numbers in them.</summary>
    private static HashSet<string> StepsOf(LoopNest nest) =>
        [
            .. Trace
                .Of(nest)
                .ToString()
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => string.Concat(line.Where(c => !char.IsAsciiDigit(c)))),
        ];
}
