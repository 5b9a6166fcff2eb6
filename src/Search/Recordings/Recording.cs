using System.Collections.Immutable;
using System.Globalization;
using Picograd.Schedules.Recipes;
using Picograd.Search.CostModels;
using Picograd.Search.Measurement;
using Picograd.Search.Space;

namespace Picograd.Search.Recordings;

/// <summary>A program that was measured once.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Milliseconds">Of one call; NaN unless timed.</param>
/// <param name="ReadyMilliseconds">From its trace to running code.</param>
/// <param name="OtherMilliseconds">What its measurement took besides that and its calls: clearing and checking results, messages.</param>
/// <param name="Complexity">Steps of its trace.</param>
/// <param name="Features">What the cost model sees of it.</param>
public sealed record RecordedProgram(
    string Outcome,
    double Milliseconds,
    double ReadyMilliseconds,
    double OtherMilliseconds,
    int Complexity,
    CostFeatures Features
)
{
    public bool IsTimed => Outcome == OutcomeNames.Timed;
}

/// <summary>A point of a space.</summary>
/// <param name="Rule">Which rule.</param>
/// <param name="At">For every knob of the rule which of its values.</param>
/// <param name="MakeMilliseconds">What its program and features took to make, on one core.</param>
/// <param name="Program">Which program it leads to; −1 where it was refused.</param>
/// <param name="Refusal">Why it was refused.</param>
public sealed record RecordedPoint(
    int Rule,
    ImmutableArray<int> At,
    double MakeMilliseconds,
    int Program,
    string Refusal
);

/// <summary>
/// Everything that a search can ask of a machine about one task: a whole space, made, compiled and timed point by point, with what each
/// step took. Searches over it are replayed in milliseconds, and their results are the same everywhere.
/// </summary>
/// <param name="Spec">The problem's label.</param>
/// <param name="Target">Fingerprint of the machine.</param>
/// <param name="Space">All that may be chosen.</param>
/// <param name="Points">Every point of the space.</param>
/// <param name="Programs">What they lead to.</param>
public sealed record Recording(
    string Spec,
    string Target,
    CandidateSpace Space,
    IReadOnlyList<RecordedPoint> Points,
    IReadOnlyList<RecordedProgram> Programs
)
{
    private const string Header = "picograd-recording 1";

    /// <summary>No program of the space is faster.</summary>
    public double BestMilliseconds => Programs.Where(p => p.IsTimed).Min(p => p.Milliseconds);

    public void Write(TextWriter to)
    {
        to.WriteLine(Header);
        to.WriteLine($"spec {Spec}");
        to.WriteLine($"target {Target}");
        foreach (var rule in Space.Rules)
        {
            to.WriteLine($"rule {rule.Name}");
            foreach (var knob in rule.Knobs)
                to.WriteLine(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"knob {knob.Name} {knob.Level} {knob.Default} {string.Join(' ', knob.Values)}"
                    )
                );
        }
        foreach (var p in Programs)
            to.WriteLine(
                $"program {p.Outcome} {Text(p.Milliseconds)} {Text(p.ReadyMilliseconds)} {Text(p.OtherMilliseconds)} {p.Complexity} {Text(p.Features.AnalyticMilliseconds)} {string.Join(' ', p.Features.Values.Select(Text))}"
            );
        foreach (var p in Points)
            to.WriteLine(
                $"point {p.Rule} {Text(p.MakeMilliseconds)} {(p.Program < 0 ? p.Refusal : p.Program.ToString(CultureInfo.InvariantCulture))} {string.Join(' ', p.At)}"
            );

        static string Text(double value) => value.ToString("G4", CultureInfo.InvariantCulture);
    }

    /// <exception cref="FormatException">It is no recording; says where.</exception>
    public static Recording Read(TextReader from)
    {
        if (from.ReadLine() != Header)
            throw new FormatException($"line 1: not a recording: it does not begin with '{Header}'");
        string spec = "";
        string target = "";
        var rules = ImmutableArray.CreateBuilder<RuleSpace>();
        var programs = new List<RecordedProgram>();
        var points = new List<RecordedPoint>();
        for (int number = 2; from.ReadLine() is { } line; number++)
        {
            string[] words = line.Split(' ');
            try
            {
                switch (words[0])
                {
                    case "spec":
                        spec = line[5..];
                        break;
                    case "target":
                        target = line[7..];
                        break;
                    case "rule":
                        rules.Add(new RuleSpace(words[1], []));
                        break;
                    case "knob":
                        var knob = new Knob(
                            words[1],
                            int.Parse(words[2], CultureInfo.InvariantCulture),
                            [.. words[4..].Select(w => long.Parse(w, CultureInfo.InvariantCulture))],
                            long.Parse(words[3], CultureInfo.InvariantCulture)
                        );
                        rules[^1] = rules[^1] with { Knobs = rules[^1].Knobs.Add(knob) };
                        break;
                    case "program":
                        programs.Add(
                            new RecordedProgram(
                                words[1],
                                Number(words[2]),
                                Number(words[3]),
                                Number(words[4]),
                                int.Parse(words[5], CultureInfo.InvariantCulture),
                                new CostFeatures(Number(words[6]), [.. words[7..].Select(Number)])
                            )
                        );
                        break;
                    case "point":
                        bool made = int.TryParse(words[3], CultureInfo.InvariantCulture, out int program);
                        var point = new RecordedPoint(
                            int.Parse(words[1], CultureInfo.InvariantCulture),
                            [.. words[4..].Where(w => w != "").Select(w => int.Parse(w, CultureInfo.InvariantCulture))],
                            Number(words[2]),
                            made ? program : -1,
                            made ? "" : words[3]
                        );
                        Check(point, rules, programs.Count);
                        points.Add(point);
                        break;
                    default:
                        throw new FormatException($"'{words[0]}' begins no line of a recording");
                }
            }
            catch (Exception e)
                when (e
                        is FormatException
                            or IndexOutOfRangeException
                            or OverflowException
                            or ArgumentOutOfRangeException
                )
            {
                throw new FormatException($"line {number}: {e.Message}", e);
            }
        }
        if (spec == "" || !programs.Any(p => p.IsTimed))
            throw new FormatException("the recording has no task or nothing that was timed");
        return new Recording(spec, target, new CandidateSpace(rules.ToImmutable()), points, programs);

        static double Number(string word) => double.Parse(word, CultureInfo.InvariantCulture);
    }

    private static void Check(RecordedPoint point, IReadOnlyList<RuleSpace> rules, int programs)
    {
        if (point.Rule < 0 || point.Rule >= rules.Count || point.Program >= programs)
            throw new FormatException("the point's rule or program is not there");
        var knobs = rules[point.Rule].Knobs;
        if (point.At.Length != knobs.Length || point.At.Where((v, i) => v < 0 || v >= knobs[i].Values.Length).Any())
            throw new FormatException("the point does not fit its rule's knobs");
    }
}
