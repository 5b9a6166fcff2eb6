using System.CommandLine;
using Picograd.Algorithms;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Warnings;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search;

namespace Picograd.Tune;

/// <summary><c>tune op SPEC…</c>: searches a fast schedule for operators and stores it.</summary>
internal static class OpCommand
{
    private const string StandardBudget = "30s";

    public static Command Create(ToolConsole console)
    {
        var spec = SpecWords.Argument(several: true, optional: true);
        var algorithm = AlgorithmOption.Create();
        var target = CommonOptions.Target();
        var threads = CommonOptions.Threads();
        var budget = BudgetOption.Create($"{StandardBudget} an operator");
        var db = CommonOptions.Db();
        var seed = CommonOptions.Seed();
        var trace = new Option<string?>("--trace")
        {
            Description = "A schedule written by hand, timed beside the best found",
            HelpName = "FILE",
        };
        var pinned = new Option<bool>("--pinned")
        {
            Description =
                "Among kernels that keep the pinned order of sums only; served where PICOGRAD_DETERMINISM is pinned",
        };
        var scratch = new Option<bool>("--from-scratch")
        {
            Description =
                "Search without default schedules, earlier results and what the cost model was taught; the default is only compared with",
        };
        var command = new Command("op", "Searches a fast schedule for one operator or several")
        {
            spec,
            target,
            threads,
            budget,
            db,
            seed,
            trace,
            scratch,
            algorithm,
            pinned,
        };
        command.SetAction(parsed =>
        {
            var specs = AlgorithmOption.Problems(parsed, spec, algorithm);
            var on = Targets.Named(parsed, target);
            foreach (var wanted in specs)
                OperatorMemory.RequireRoom(wanted);
            if (specs.Any(s => s.IsRange) && parsed.GetValue(trace) is not null)
                throw new UsageException("--trace is for one shape, but a range is given.");
            if (parsed.GetValue(pinned) && specs.Any(s => s.IsRange))
                throw new UsageException("--pinned is for one shape, but a range is given.");
            var spend = BudgetOption.Of(parsed, budget, StandardBudget);
            int count = CommonOptions.ThreadsOf(parsed, threads);
            string? hand = parsed.GetValue(trace) is { } file ? ReadTrace(file, specs) : null;
            using var run = new TuningRun(
                console,
                parsed.GetValue(db),
                count,
                CommonOptions.SeedOf(parsed, seed),
                on,
                ahead: true
            )
            {
                Began = console.Began,
                Policy = parsed.GetValue(pinned) ? TimingPolicy.Pinned : TimingPolicy.Warm,
                FromScratch = parsed.GetValue(scratch),
            };
            if (run.Policy == TimingPolicy.Pinned && run.Target.Backend.Target.Gpu is not null)
                throw new UsageException("--pinned is for processors, but a GPU is given.");
            int failed = 0;
            foreach (var wanted in specs)
            {
                try
                {
                    if (!Tune(console, run, wanted, spend, hand))
                        failed++;
                }
                catch (FailureException e) when (specs.Count > 1)
                {
                    // The others are tuned all the same.
                    console.Error.WriteLine($"tune: {e.Message}");
                    failed++;
                }
            }
            return failed == 0 ? TuneCommand.Success : TuneCommand.Failure;
        });
        return command;
    }

    /// <summary>The trace, after it was replayed on every instance: what does not fit is told before the search begins.</summary>
    private static string ReadTrace(string file, IReadOnlyList<Problem> specs)
    {
        string text = TextFile.Read("--trace", file);
        foreach (var spec in specs)
            Trace.Parse(text).Replay(spec.Algorithm);
        return text;
    }

    /// <summary>Whether a winner was stored and no rule was at fault.</summary>
    private static bool Tune(ToolConsole console, TuningRun run, Problem spec, SearchBudget budget, string? hand)
    {
        var result = run.Tune(spec, budget, hand is null ? [] : [hand]);
        ResultText.Write(console.Out, result, run.Store.FilePath);
        if (hand is not null)
            Compare(console, run, result, hand);
        return ResultText.TellRuleErrors(console.Error, [result]) == 0 && result.Stored is not null;
    }

    /// <summary>Times the schedule written by hand beside the best found, in turns.</summary>
    private static unsafe void Compare(ToolConsole console, TuningRun run, TuneResult result, string hand)
    {
        var spec = result.Task.Problem;
        using var memory = new OperatorMemory(spec, run.Target);
        using var timer = run.Target.CreateTimer();
        using var written = Compile(hand);
        using var found = Compile(result.Trace);
        nint address = (nint)memory.Addresses;
        double[] times = Interleaved.Time(
            [
                Contender.Of("trace", written, (nint*)address, timer),
                Contender.Of("found", found, (nint*)address, timer),
            ],
            result.Task.Target.Threads,
            console.Error,
            CancellationToken.None
        );
        console.Out.WriteLine(
            $"  by hand      {Figures.Time(times[0])}, {Rate.Text(spec, times[0])}; best found {Figures.Time(times[1])} beside it, {Figures.Ratio(times[0] / times[1])}"
        );
        if (run.Target.Backend is CpuBackend cpu)
        {
            foreach (var warning in ScheduleWarnings.Of(Trace.Parse(hand).Replay(spec.Algorithm), cpu))
                console.Out.WriteLine($"  warning      {warning} ({Figures.Percent(warning.Share)} of the work)");
        }

        ICompiledKernel Compile(string trace) => run.Target.Backend.Compile(Trace.Parse(trace).Replay(spec.Algorithm));
    }
}
