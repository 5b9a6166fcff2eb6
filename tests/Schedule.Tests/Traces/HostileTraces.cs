using System.Globalization;
using System.Text.RegularExpressions;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Picograd.Tests.Properties;

namespace Picograd.Tests.Traces;

/// <summary>
/// Traces such as nobody would write but anybody could store: steps that each apply, drawn to make the program or its numbers
/// as large as they get. What comes out ends at the first step that the limits refuse, or after so many that the text is
/// too long.
/// </summary>
internal static class HostileTraces
{
    private static readonly string[] Numbers =
    [
        "0",
        "1",
        "2",
        "3",
        "7",
        "8",
        "64",
        "1000",
        "4097",
        "1000000",
        "1073741824",
        "2147483647",
        "4294967297",
        "9223372036854775807",
        "-1",
        "-9223372036854775808",
        "99999999999999999999",
    ];

    // Only what makes programs grow: everything else is drawn now and then.
    private static readonly string[] Growing =
    [
        "split",
        "fuse",
        "unit_loop",
        "tile",
        "specialize",
        "cache_read",
        "cache_write",
        "pipeline",
        "rfactor",
        "transform_layout",
        "decompose_reduction",
    ];

    // Statements far beyond what limits allow.
    private const int LargeEnough = 600;

    // Beyond the limits of depth and, soon after, of everything else; drawing on would only take time.
    private const int DeepEnough = 45;

    /// <summary>Operators of several structures, small enough that every number is out of proportion.</summary>
    public static string[] Specs { get; } =
    [
        "matmul m=64 n=48 k=40 bias=1 act=gelu",
        "attention b=1 h=2 tq=16 tk=24 d=8 causal=1",
        "softmax rows=32 cols=100",
        "conv2d n=1 c=3 h=9 w=9 oc=4 kh=3 kw=3 pad=1",
        "cumsum rows=6 cols=50 axis=1",
        "embedding.adjoint vocab=20 dim=6 rows=30",
        "layernorm rows=8 cols=33",
    ];

    /// <summary>A trace about one primitive.</summary>
    /// <param name="algorithm">What it is a schedule of.</param>
    /// <param name="focus">The primitive.</param>
    /// <param name="random">Draws everything.</param>
    /// <param name="most">Steps at most.</param>
    public static Trace Draw(Algorithm algorithm, string focus, Random random, int most)
    {
        var nest = InitialNest.Of(algorithm);
        var steps = new List<Step>();
        int vain = 0;
        double large = random.Next(3) == 0 ? 0.3 : 0.02;
        while (steps.Count < most && vain < 30)
        {
            string primitive =
                random.Next(3) > 0 ? focus
                : random.Next(3) > 0 ? Growing[random.Next(Growing.Length)]
                : RandomSchedule.Primitives[random.Next(RandomSchedule.Primitives.Length)];
            if (StepGenerator.All[primitive](random, nest) is not { } step)
            {
                vain++;
                continue;
            }
            step = Hostile(step, random, large);
            LoopNest next;
            try
            {
                next = PrimitiveRegistry.Get(primitive).Apply(nest, step);
            }
            catch (ScheduleException)
            {
                vain++;
                // A refusal ends the trace that holds it, so it must be cheap as well: now and then it stays in.
                if (random.Next(60) == 0)
                {
                    steps.Add(step);
                    break;
                }
                continue;
            }
            catch (Exception)
            {
                // Whoever replays it meets the same again, and reports it.
                steps.Add(step);
                break;
            }
            vain = 0;
            steps.Add(next.Trace[^1]);
            nest = next;
            if (nest.Body.Nodes().Count > LargeEnough || Depth(nest.Body) > DeepEnough)
                break;
        }
        return Of(algorithm, steps);
    }

    /// <summary>The longest beginning of a trace that replays within the limits, and its nest.</summary>
    public static (Trace Trace, LoopNest Nest) Fitting(Algorithm algorithm, Trace trace)
    {
        while (true)
        {
            try
            {
                return (trace, trace.Replay(algorithm));
            }
            catch (TraceException e)
            {
                // "… step 12 '…' …": what comes before it fits.
                int at = int.Parse(
                    Regex.Match(e.Message, "step ([0-9]+)").Groups[1].Value,
                    CultureInfo.InvariantCulture
                );
                trace = Of(algorithm, trace.Steps[..(at - 1)]);
            }
        }
    }

    private static int Depth(Stmt stmt) => 1 + stmt.Children().Select(Depth).DefaultIfEmpty(0).Max();

    /// <summary>A trace of an algorithm with the steps.</summary>
    public static Trace Of(Algorithm algorithm, IEnumerable<Step> steps) =>
        new(
            [.. algorithm.Parameters.Select(p => p.Name)],
            [.. algorithm.Inputs.Select(b => b.Name)],
            [.. algorithm.Stages.Select(s => new TraceStage(s.Name, [.. s.Axes.Select(a => a.Name)]))],
            [.. steps]
        );

    private static Step Hostile(Step step, Random random, double share)
    {
        for (int i = 0; i < step.Args.Length; i++)
        {
            string arg = step.Args[i];
            if (random.NextDouble() >= share)
                continue;
            if (long.TryParse(arg, CultureInfo.InvariantCulture, out _))
                step = step with { Args = step.Args.SetItem(i, Number(random)) };
            else if (arg.Contains('/') || arg.Contains(',') || arg.Contains('%'))
                step = step with { Args = step.Args.SetItem(i, Digits(arg, Number(random))) };
        }
        if (random.NextDouble() < share && step.Option("stages") is not null)
            step = step.With("stages", Number(random));
        return step;
    }

    private static string Number(Random random) => Numbers[random.Next(Numbers.Length)];

    // Every number of a layout map becomes the same one, so that the map stays one to one.
    private static string Digits(string map, string number) =>
        string.Concat(
                map.Split('/').Select((p, i) => i == 0 ? p : $"/{number}{p.TrimStart("0123456789".ToCharArray())}")
            )
            .Split('%')
            is var parts
            ? string.Concat(parts.Select((p, i) => i == 0 ? p : $"%{number}{p.TrimStart("0123456789".ToCharArray())}"))
            : map;
}
