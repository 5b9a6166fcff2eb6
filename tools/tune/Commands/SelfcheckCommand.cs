using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Serialization;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Search;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// <c>tune selfcheck</c>: compiles and runs kernels of every family on this machine and compares them with the float64
/// evaluator, as certification does. For a new machine, driver or compiler, before anything is tuned there. On GPUs
/// kernels run in a worker process: one that faults or hangs is counted, and a new process goes on with the next.
/// </summary>
internal static class SelfcheckCommand
{
    /// <summary>What the evaluator computes for one kind of input; more finds little more.</summary>
    private const double MaxPoints = 1e6;

    /// <summary>Compilation, some twenty runs and the evaluator take seconds; what takes longer hangs.</summary>
    private static readonly TimeSpan HangTimeout = TimeSpan.FromMinutes(2);

    private sealed record Line(
        [property: JsonPropertyName("spec")] string Spec,
        [property: JsonPropertyName("rule")] string Rule,
        [property: JsonPropertyName("right")] int Right,
        [property: JsonPropertyName("refused")] int Refused,
        [property: JsonPropertyName("wrong")] int Wrong,
        [property: JsonPropertyName("worst_error")] double WorstError,
        [property: JsonPropertyName("notes")] IReadOnlyList<string> Notes
    );

    public static Command Create(ToolConsole console)
    {
        var target = CommonOptions.Target();
        var threads = CommonOptions.Threads();
        var choices = new Option<string?>("--choices")
        {
            Description = "Random schedules a rule, besides its default; 0 to 100, default 3",
            HelpName = "N",
        };
        var only = new Option<string?>("--only")
        {
            Description = "Only operators whose text contains this",
            HelpName = "TEXT",
        };
        var here = new Option<bool>("--in-process")
        {
            Description = "Run GPU kernels in this process, where compute-sanitizer sees them; a fault ends the check",
        };
        var seed = CommonOptions.Seed();
        var json = CommonOptions.Json();
        var command = new Command("selfcheck", "Runs kernels of every family and compares them with the evaluator")
        {
            target,
            threads,
            choices,
            only,
            here,
            seed,
            json,
        };
        command.SetAction(parsed =>
        {
            int count = CommonOptions.ThreadsOf(parsed, threads);
            int random = (int)CommonOptions.Whole(parsed, choices, 0, 100, 3);
            int start = CommonOptions.SeedOf(parsed, seed);
            var machine = Targets.Open(Targets.Named(parsed, target), count);
            var specs = SelfcheckSpecs.All().ToList();
            if (parsed.GetValue(only) is { } text)
            {
                specs = [.. specs.Where(s => s.ToString().Contains(text, StringComparison.Ordinal))];
                if (specs.Count == 0)
                    throw new UsageException($"--only is '{text}', but no operator of the check contains that.");
            }
            bool apart = !machine.IsHostMemory && !parsed.GetValue(here);
            return Run(console, machine, apart, specs, random, start, parsed.GetValue(json));
        });
        return command;
    }

    private static int Run(
        ToolConsole console,
        ITuningTarget machine,
        bool apart,
        IReadOnlyList<OperatorSpec> specs,
        int choices,
        int seed,
        bool json
    )
    {
        long start = Stopwatch.GetTimestamp();
        console.Error.WriteLine($"tune: checking {specs.Count} operators on {machine.Backend.Target.Fingerprint}");
        int right = 0;
        int refused = 0;
        int wrong = 0;
        using var worker = apart ? new WorkerProcess(TuningRun.WorkerProgram(db: null)) : null;
        foreach (var spec in specs)
        {
            using var runner = worker is null
                ? null
                : new WorkerRunner(new TuneTask(spec, machine), worker, seed)
                {
                    CertifyTimeout = HangTimeout,
                    CertifyCancel = console.Cancel,
                };
            var certifier = new Certifier(spec, machine, seed, MaxPoints);
            Func<Candidate, Certification> certify = runner is null ? Here : candidate => runner.Certify(candidate);
            Certification Here(Candidate candidate)
            {
                using var kernel = machine.Backend.Compile(candidate.Nest);
                return certifier.Certify(kernel);
            }
            foreach (var line in Check(machine, certify, spec, choices, seed, console.Cancel))
            {
                right += line.Right;
                refused += line.Refused;
                wrong += line.Wrong;
                if (json)
                    JsonLines.Write(console.Out, line);
                else
                    Write(console.Out, line);
            }
        }
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        string sum =
            $"{right} kernels right, {refused} schedules refused, {wrong} kernels wrong in {Figures.Number(seconds)} s";
        (json ? console.Error : console.Out).WriteLine(sum);
        if (console.Cancel.IsCancellationRequested)
            throw new FailureException("interrupted before every operator was checked.");
        return wrong == 0 && right > 0 ? TuneCommand.Success : TuneCommand.Failure;
    }

    private static void Write(TextWriter to, Line line)
    {
        string verdict =
            line.Wrong > 0 ? "WRONG"
            : line.Right > 0 ? "ok"
            : "refused";
        to.WriteLine(
            $"{verdict, -7} {line.Spec} [{line.Rule}]: {line.Right} right, {line.Refused} refused, {line.Wrong} wrong; worst error {Figures.Percent(line.WorstError)} of its bound"
        );
        if (line.Wrong > 0)
        {
            foreach (string note in line.Notes)
                to.WriteLine($"        {note.Split('\n')[0]}");
        }
    }

    private static IEnumerable<Line> Check(
        ITuningTarget machine,
        Func<Candidate, Certification> certify,
        OperatorSpec spec,
        int choices,
        int seed,
        CancellationToken cancel
    )
    {
        var algorithm = spec.Build();
        var target = machine.Backend.Target;
        foreach (var rule in ScheduleRules.For(algorithm, target))
        {
            var random = new Random(seed);
            var knobs = rule.Knobs(algorithm, target);
            int right = 0;
            int refused = 0;
            int wrong = 0;
            double worst = 0;
            var notes = new List<string>();
            // Nothing to choose: the default is all there is.
            int count = knobs.All(k => k.Values.Length < 2) ? 1 : choices + 1;
            Dictionary<string, long>[] all =
            [
                .. Enumerable
                    .Range(0, count)
                    .Select(i =>
                        knobs.ToDictionary(
                            k => k.Name,
                            k => i == 0 ? k.Default : k.Values[random.Next(k.Values.Length)]
                        )
                    ),
            ];
            CompileAhead(machine, rule, algorithm, all);
            foreach (var chosen in all.TakeWhile(_ => !cancel.IsCancellationRequested))
            {
                try
                {
                    var certification = certify(new Candidate(rule, chosen, rule.Apply(algorithm, target, chosen)));
                    // Ended before it came to a verdict.
                    if (certification.IsRefused && cancel.IsCancellationRequested)
                        break;
                    worst = Math.Max(worst, certification.ErrorRatio);
                    if (certification.Ok)
                    {
                        right++;
                        continue;
                    }
                    if (certification.IsRefused)
                        refused++;
                    else
                        wrong++;
                    notes.Add($"{Choices(chosen)}: {certification.Detail}");
                }
                catch (Exception e) when (e is ScheduleException or LoweringException)
                {
                    refused++;
                    notes.Add($"{Choices(chosen)}: {e.Message.Split('\n')[0]}");
                }
            }
            yield return new Line(spec.ToString(), rule.Name, right, refused, wrong, worst, notes);
        }
    }

    // Compilers that take long work at several kernels at once.
    private static void CompileAhead(
        ITuningTarget machine,
        ScheduleRule rule,
        Algorithm algorithm,
        Dictionary<string, long>[] choices
    )
    {
        if (machine.Backend is not IAheadCompiler ahead)
            return;
        var options = new ParallelOptions { MaxDegreeOfParallelism = ahead.Parallelism };
        System.Threading.Tasks.Parallel.ForEach(
            choices,
            options,
            chosen =>
            {
                try
                {
                    ahead.CompileAhead(rule.Apply(algorithm, machine.Backend.Target, chosen));
                }
                catch (Exception e) when (e is ScheduleException or LoweringException)
                {
                    // Counted when its turn comes.
                    return;
                }
            }
        );
    }

    private static string Choices(Dictionary<string, long> chosen) =>
        chosen.Count == 0 ? "no choices" : string.Join(' ', chosen.Select(c => $"{c.Key}={c.Value}"));
}
