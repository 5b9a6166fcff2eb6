using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Serialization;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Recipes;
using Picograd.Search;
using Picograd.Search.Worker;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// <c>tune selfcheck</c>: compiles and runs kernels of every family on this machine and compares them with the float64
/// evaluator, as certification does. For a new machine, driver or compiler, before anything is tuned there. On GPUs
/// kernels run in a worker process: one that faults or hangs is counted, and a new process goes on with the next. At the end it
/// says which kinds of kernels that the target has were right at least once; a kind without any is a failure.
/// </summary>
internal static class SelfcheckCommand
{
    /// <summary>What the evaluator computes for one kind of input; more finds little more.</summary>
    private const double MaxPoints = 1e6;

    /// <summary>Seconds for one kernel: compilation, some twenty runs and the evaluator take a few; what takes longer is slow, or hangs.</summary>
    private const int Timeout = 120;
    private const int MostTimeout = 3600;

    private sealed record Line(
        [property: JsonPropertyName("spec")] string Spec,
        [property: JsonPropertyName("rule")] string Rule,
        [property: JsonPropertyName("right")] int Right,
        [property: JsonPropertyName("refused")] int Refused,
        [property: JsonPropertyName("slow")] int Slow,
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
        var timeout = new Option<string?>("--timeout")
        {
            Description =
                $"Seconds for the check of one kernel in a process of its own; 1 to {MostTimeout}, default {Timeout}",
            HelpName = "SECONDS",
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
            timeout,
            seed,
            json,
        };
        command.SetAction(parsed =>
        {
            int count = CommonOptions.ThreadsOf(parsed, threads);
            int random = (int)CommonOptions.Whole(parsed, choices, 0, 100, 3);
            int start = CommonOptions.SeedOf(parsed, seed);
            var machine = Targets.Open(Targets.Named(parsed, target), count);
            var limit = TimeSpan.FromSeconds(CommonOptions.Whole(parsed, timeout, 1, MostTimeout, Timeout));
            var specs = SelfcheckSpecs.All(machine.Backend.Target).ToList();
            bool all = true;
            if (parsed.GetValue(only) is { } text)
            {
                specs = [.. specs.Where(s => s.ToString().Contains(text, StringComparison.Ordinal))];
                all = false;
                if (specs.Count == 0)
                    throw new UsageException($"--only is '{text}', but no operator of the check contains that.");
            }
            bool apart = !machine.IsHostMemory && !parsed.GetValue(here);
            return Run(console, machine, apart ? limit : null, specs, all, random, start, parsed.GetValue(json));
        });
        return command;
    }

    /// <param name="limit">What a kernel may take in a process of its own; null for this process.</param>
    /// <param name="all">Whether every kind of kernel has to be among the operators.</param>
    private static int Run(
        ToolConsole console,
        ITuningTarget machine,
        TimeSpan? limit,
        IReadOnlyList<OperatorSpec> specs,
        bool all,
        int choices,
        int seed,
        bool json
    )
    {
        long start = Stopwatch.GetTimestamp();
        var target = machine.Backend.Target;
        console.Error.WriteLine($"tune: checking {specs.Count} operators on {target.Fingerprint}");
        var lines = new List<Line>();
        var covered = new HashSet<string>();
        using var worker = limit is null ? null : new WorkerProcess(TuningRun.WorkerProgram());
        foreach (var spec in specs)
        {
            using var runner =
                worker is null || limit is null
                    ? null
                    : new WorkerRunner(new TuneTask(spec, machine), worker, seed, timeout: limit)
                    {
                        CertifyTimeout = limit.Value + TimeSpan.FromSeconds(1),
                        CertifyCancel = console.Cancel,
                    };
            var certifier = new Certifier(spec, machine, seed, MaxPoints);
            var check = runner is null
                ? new KernelCheck(Here, null)
                : new KernelCheck(
                    candidate => runner.Certify(candidate, limit),
                    candidate => runner.Measure([candidate], double.PositiveInfinity, CancellationToken.None)[0]
                );
            Certification Here(Candidate candidate)
            {
                using var kernel = machine.Backend.Compile(candidate.Nest);
                return certifier.Certify(kernel);
            }
            foreach (var line in Check(machine, check, spec, choices, seed, covered, console.Cancel))
            {
                lines.Add(line);
                if (json)
                    JsonLines.Write(console.Out, line);
                else
                    Write(console.Out, line);
            }
        }
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        var (right, slow, wrong) = (lines.Sum(l => l.Right), lines.Sum(l => l.Slow), lines.Sum(l => l.Wrong));
        var to = json ? console.Error : console.Out;
        to.WriteLine(
            $"{right} kernels right, {lines.Sum(l => l.Refused)} schedules refused, {(slow > 0 ? $"{slow} kernels too slow to check, " : "")}{wrong} kernels wrong in {Figures.Number(seconds)} s"
        );
        string[] kinds = [.. KernelKinds.Of(target)];
        if (kinds.Where(covered.Contains).ToArray() is { Length: > 0 } seen)
            to.WriteLine($"right at least once: {string.Join(", ", seen)}");
        if (console.Cancel.IsCancellationRequested)
            throw new FailureException("interrupted before every operator was checked.");
        string[] missing = all ? [.. kinds.Where(k => !covered.Contains(k))] : [];
        if (missing.Length > 0)
            to.WriteLine($"NEVER RIGHT: {string.Join(", ", missing)}");
        return wrong == 0 && missing.Length == 0 && right > 0 ? TuneCommand.Success : TuneCommand.Failure;
    }

    private static void Write(TextWriter to, Line line)
    {
        string verdict =
            line.Wrong > 0 ? "WRONG"
            : line.Slow > 0 ? "slow"
            : line.Right > 0 ? "ok"
            : "refused";
        string slow = line.Slow > 0 ? $"{line.Slow} too slow to check, " : "";
        to.WriteLine(
            $"{verdict, -7} {line.Spec} [{line.Rule}]: {line.Right} right, {line.Refused} refused, {slow}{line.Wrong} wrong; worst error {Figures.Percent(line.WorstError)} of its bound"
        );
        if (line.Wrong > 0 || line.Slow > 0)
        {
            foreach (string note in line.Notes)
                to.WriteLine($"        {note.Split('\n')[0]}");
        }
    }

    private static IEnumerable<Line> Check(
        ITuningTarget machine,
        KernelCheck check,
        OperatorSpec spec,
        int choices,
        int seed,
        HashSet<string> covered,
        CancellationToken cancel
    )
    {
        var algorithm = spec.Build();
        var target = machine.Backend.Target;
        foreach (var rule in ScheduleRules.For(algorithm, target))
        {
            if (cancel.IsCancellationRequested)
                yield break;
            var random = new Random(seed);
            var knobs = rule.Knobs(algorithm, target);
            // Nothing to choose: the default is all there is.
            int count = knobs.All(k => k.Values.Length < 2) ? 0 : choices;
            Dictionary<string, long>[] all =
            [
                knobs.ToDictionary(k => k.Name, k => k.Default),
                .. RuleForms.Of(rule, knobs),
                .. Enumerable
                    .Range(0, count)
                    .Select(_ => knobs.ToDictionary(k => k.Name, k => k.Values[random.Next(k.Values.Length)])),
            ];
            CompileAhead(machine, [.. all.Select(c => (Func<LoopNest>)(() => rule.Apply(algorithm, target, c)))]);
            yield return LineOf(
                rule.Name,
                [
                    .. all.Select(c =>
                        (Choices(c), (Func<Candidate>)(() => new Candidate(rule, c, rule.Apply(algorithm, target, c))))
                    ),
                ]
            );
        }
        foreach (
            var hand in HandSchedules.All.Where(h =>
                h.Spec == spec.ToString() && h.Applies(target) && !cancel.IsCancellationRequested
            )
        )
            yield return LineOf(
                $"by hand, {hand.Name}",
                [(hand.Name, () => new Candidate(null, new Dictionary<string, long>(), hand.Nest()))]
            );

        Line LineOf(string name, IReadOnlyList<(string Name, Func<Candidate> Make)> kernels)
        {
            var counts = new Dictionary<KernelVerdict, int>();
            double worst = 0;
            var notes = new List<string>();
            foreach (var (chosen, make) in kernels.TakeWhile(_ => !cancel.IsCancellationRequested))
            {
                Candidate? candidate = null;
                var (verdict, error, note) = check.Of(() => candidate = make());
                // Ended before it came to a verdict.
                if (verdict is KernelVerdict.Refused or KernelVerdict.Slow && cancel.IsCancellationRequested)
                    break;
                worst = Math.Max(worst, error);
                counts[verdict] = counts.GetValueOrDefault(verdict) + 1;
                if (verdict == KernelVerdict.Right)
                    covered.UnionWith(
                        KernelKinds.In(machine.Backend.Lower(candidate!.Nest), spec.Definition.Name == "attention")
                    );
                else
                    notes.Add($"{chosen}: {note}");
            }
            int Of(KernelVerdict verdict) => counts.GetValueOrDefault(verdict);
            return new Line(
                spec.ToString(),
                name,
                Of(KernelVerdict.Right),
                Of(KernelVerdict.Refused),
                Of(KernelVerdict.Slow),
                Of(KernelVerdict.Wrong),
                worst,
                notes
            );
        }
    }

    // Compilers that take long work at several kernels at once.
    private static void CompileAhead(ITuningTarget machine, IReadOnlyList<Func<LoopNest>> nests)
    {
        if (machine.Backend is not IAheadCompiler ahead)
            return;
        var options = new ParallelOptions { MaxDegreeOfParallelism = ahead.Parallelism };
        System.Threading.Tasks.Parallel.ForEach(
            nests,
            options,
            nest =>
            {
                try
                {
                    ahead.CompileAhead(nest());
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
