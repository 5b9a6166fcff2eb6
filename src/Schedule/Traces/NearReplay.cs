using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Traces;

/// <summary>
/// A trace replayed on another shape. Either Nest is there, with what was changed on the way in Changes, or Failure says
/// why it cannot be.
/// </summary>
public sealed record NearReplay(LoopNest? Nest, string? Failure, ImmutableArray<string> Changes)
{
    /// <summary>A loop on a processor that had no tail now tests for its end in every iteration, which costs several times the time.</summary>
    public bool AddsTests { get; init; }
}

/// <summary>Replays step by step; a refused step is tried again in the forms that mean the same for other extents.</summary>
internal static class NearReplayer
{
    // Hints of speed: without one of them the nest is slower, never wrong, and it makes no names unless used below.
    private static readonly ImmutableHashSet<string> Hints =
    [
        "unroll",
        "vectorize",
        "parallel",
        "annotate",
        "prefetch",
        "storage_align",
        "double_buffer",
        "pipeline",
    ];

    private static readonly ImmutableArray<string?> Guarded = [null, "peel", "guard"];

    /// <summary>
    /// A tail that is needed now is peeled where the whole trace replays so, else guarded: conditions in the inner loops made a product
    /// of 1023³ on the record of 1024³ 3.9 times slower than the default schedule.
    /// </summary>
    public static NearReplay Run(Trace trace, Algorithm algorithm, ReplayLimits limits)
    {
        // Loops of GPUs have no tails of their own.
        if (!IsBound(trace))
        {
            var peeled = Run(trace, algorithm, limits, ["peel", null, "guard"]);
            if (peeled.Nest is not null)
                return peeled;
        }
        return Run(trace, algorithm, limits, Guarded);
    }

    private static NearReplay Run(Trace trace, Algorithm algorithm, ReplayLimits limits, ImmutableArray<string?> tails)
    {
        LoopNest nest;
        try
        {
            nest = InitialNest.Of(trace.Adopt(algorithm));
        }
        catch (TraceException e)
        {
            return new NearReplay(null, e.Message, []);
        }
        var meter = new ReplayMeter(limits, nest);
        var changes = ImmutableArray.CreateBuilder<string>();
        bool addsTests = false;
        for (int i = 0; i < trace.Steps.Length; i++)
        {
            var step = trace.Steps[i];
            string? refusal = null;
            bool done = false;
            foreach (var form in Forms(nest, trace, i, tails))
            {
                bool isCovered = IsCovered(nest, form);
                try
                {
                    nest = PrimitiveRegistry.Get(form.Primitive).Apply(nest, form);
                }
                catch (ScheduleException e)
                {
                    refusal ??= e.Reason;
                    continue;
                }
                if (!ReferenceEquals(form, step))
                {
                    changes.Add($"'{step}' became '{form}'");
                    addsTests |= !IsGuarded(step) && IsGuarded(form) && !isCovered && !IsBound(trace);
                }
                done = true;
                break;
            }
            if (done)
            {
                meter.Check(nest, i, step);
                continue;
            }
            if (!Hints.Contains(step.Primitive) || step.Results.Any(r => IsNamedLater(trace, i, r)))
                return new NearReplay(
                    null,
                    $"step {i + 1} '{step}' does not fit {algorithm.Name}: {refusal}",
                    changes.ToImmutable()
                );
            changes.Add($"'{step}' left out: {refusal}");
        }
        return new NearReplay(nest, null, changes.ToImmutable()) { AddsTests = addsTests };
    }

    private static bool IsBound(Trace trace) => trace.Steps.Any(s => s.Primitive == "bind");

    // Whether a factor is larger than its loop.
    private static bool IsCovered(LoopNest nest, Step step) =>
        step.Primitive switch
        {
            "split" => Factor(step, 1) > Extent(nest, step, 0),
            "tile" => Factor(step, 2) > Extent(nest, step, 0) || Factor(step, 3) > Extent(nest, step, 1),
            _ => false,
        };

    // The tail that splits have where none is named.
    private static bool IsGuarded(Step step) =>
        step.Primitive is "split" or "tile" && step.Options.GetValueOrDefault("tail", "guard") == "guard";

    // The step itself comes first unless its factor is larger than the loop, which would only compute beyond it.
    private static IEnumerable<Step> Forms(LoopNest nest, Trace trace, int index, ImmutableArray<string?> tails)
    {
        var step = trace.Steps[index];
        return step.Primitive switch
        {
            "split" => Factors(nest, trace, index, tails, [(0, 1, 1)]),
            "tile" => Factors(nest, trace, index, tails, [(0, 2, 2), (1, 3, 3)]),
            "transform_layout" => [step, step.With("pad", "zero")],
            _ => [step],
        };
    }

    /// <summary>Forms of a step with loops and factors: (argument of the loop, of the factor, result that is the inner loop).</summary>
    private static IEnumerable<Step> Factors(
        LoopNest nest,
        Trace trace,
        int index,
        ImmutableArray<string?> tails,
        (int Loop, int Factor, int Inner)[] places
    )
    {
        var step = trace.Steps[index];
        var fitted = step;
        foreach (var (loopAt, factorAt, innerAt) in places)
        {
            if (Extent(nest, step, loopAt) is not { } extent || Factor(step, factorAt) is not { } factor)
                continue;
            bool lanes = innerAt < step.Results.Length && IsVectorized(trace, index, step.Results[innerAt]);
            if (factor > extent)
                fitted = WithArg(fitted, factorAt, Fit(factor, extent, lanes));
        }
        yield return fitted.ToString() == step.ToString() ? step : fitted;
        // A tail that was impossible or missing before is needed now: first at full factor, then with one that divides.
        // One tile that covers the loop has nothing to peel off: its lanes are masked.
        foreach (string? tail in IsCovered(nest, fitted) ? Guarded : tails)
            yield return fitted with
            {
                Options = fitted.Options.Remove("tail").AddRange(Tail(tail)),
            };
        var divided = fitted;
        foreach (var (loopAt, factorAt, _) in places)
        {
            if (Extent(nest, step, loopAt) is { } extent && Factor(fitted, factorAt) is { } factor)
                divided = WithArg(divided, factorAt, Divisor(extent, factor));
        }
        yield return divided;
    }

    private static IEnumerable<KeyValuePair<string, string>> Tail(string? tail) =>
        tail is null ? [] : [new("tail", tail)];

    // Lanes stay a multiple of eight or four, so that whole vectors remain and the rest is the tail.
    private static long Fit(long factor, long extent, bool lanes)
    {
        long fit = Math.Max(1, Math.Min(factor, extent));
        // Whole vectors that cover the loop: lanes beyond it are masked, which is cheaper than one more vector.
        return lanes && fit > 4 ? Math.Min(factor, (fit + 7) / 8 * 8) : fit;
    }

    // The largest divisor that is no larger than the factor; divisors come in pairs around the square root.
    private static long Divisor(long extent, long factor)
    {
        long best = 1;
        for (long f = 1; f <= factor && f <= extent / f; f++)
        {
            if (extent % f != 0)
                continue;
            best = Math.Max(best, f);
            if (extent / f <= factor)
                return Math.Max(best, extent / f);
        }
        return best;
    }

    private static long? Extent(LoopNest nest, Step step, int arg) =>
        arg < step.Args.Length ? nest.Loops.FirstOrDefault(l => l.Name == step.Args[arg])?.ConstantExtent : null;

    private static long? Factor(Step step, int arg) =>
        arg < step.Args.Length && long.TryParse(step.Args[arg], CultureInfo.InvariantCulture, out long f) ? f : null;

    private static Step WithArg(Step step, int arg, long value) =>
        step with
        {
            Args = step.Args.SetItem(arg, value.ToString(CultureInfo.InvariantCulture)),
        };

    private static bool IsVectorized(Trace trace, int index, string loop) =>
        trace.Steps.Skip(index + 1).Any(s => s.Primitive == "vectorize" && s.Args.Contains(loop));

    private static bool IsNamedLater(Trace trace, int index, string name) =>
        trace.Steps.Skip(index + 1).Any(s => s.Args.Contains(name) || s.Options.Values.Contains(name));
}
