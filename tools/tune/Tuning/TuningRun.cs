using System.CommandLine;
using System.Diagnostics;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.Search.Worker;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Everything that tuning from the command line needs: target, database, worker process, progress.</summary>
internal sealed class TuningRun : IDisposable
{
    private readonly ToolConsole _console;
    private readonly WorkerProcess _worker;
    private readonly int _seed;
    private int _stored;
    private bool _tuned;

    /// <param name="console">Told of progress.</param>
    /// <param name="db">The database; null for the environment's or the default one.</param>
    /// <param name="threads">Threads that kernels may use.</param>
    /// <param name="seed">Of the search.</param>
    /// <param name="target">Where; the processor when null.</param>
    /// <param name="ahead">Whether the worker is sure to be needed: it is started at once, a tenth of a second earlier.</param>
    /// <exception cref="TuneDbException">The database cannot be used.</exception>
    /// <exception cref="UsageException">The target cannot be used here.</exception>
    public TuningRun(
        ToolConsole console,
        string? db,
        int threads,
        int seed,
        TargetName? target = null,
        bool ahead = false
    )
    {
        target ??= new TargetName(Targets.Cpu, 0);
        _console = console;
        _seed = seed;
        // Before the database, which opening makes: a target that is not there leaves nothing behind.
        Machine = Targets.Model(target);
        _worker = new WorkerProcess(WorkerProgram());
        try
        {
            if (ahead)
                StartAhead();
            Store = TuneDatabase.OpenForUse(
                TuneDbLocation.Resolve(db),
                warn: sentence => console.Error.WriteLine($"tune: {sentence}")
            );
            Target = Targets.Open(target, threads, StoredCubins.OfUser());
        }
        catch
        {
            _worker.Dispose();
            throw;
        }
    }

    public string Machine { get; }

    public ITuningTarget Target { get; }

    public TuneDatabase Store { get; }

    /// <summary>When the budget of the first tuning began to be spent, as a timestamp; null: when it is asked for.</summary>
    public long? Began { get; init; }

    /// <summary>How kernels are timed, and which are allowed.</summary>
    public TimingPolicy Policy { get; init; }

    /// <summary>Search without default schedules, earlier results and what the cost model was taught.</summary>
    public bool FromScratch { get; init; }

    /// <summary>For tests: what candidates are run through; the worker process as it is where null.</summary>
    public Func<ICandidateRunner, ICandidateRunner>? Wrap { get; init; }

    /// <exception cref="UsageException">A range, for a target whose kernels are made for each shape.</exception>
    public TuneTask TaskOf(Problem spec) =>
        spec.IsRange && !Target.Backend.SharesKernels
            ? throw new UsageException(
                $"{spec}: ranges are for processors; kernels of '{Target.Device}' are made for each shape."
            )
            : new(spec, Target, Policy);

    /// <summary>Tunes one instance.</summary>
    /// <exception cref="FailureException">Nothing was measured.</exception>
    public TuneResult Tune(Problem spec, SearchBudget budget, IReadOnlyList<string> traces)
    {
        long began = Begin();
        using var progress = TuneProgressDisplay.For(_console);
        using var end = Interrupts.OnEnd(() => Kept(progress, 0, 1));
        try
        {
            var task = TaskOf(spec);
            foreach (string note in OtherTargets.Notes(Store, spec, task.Target))
                _console.Error.WriteLine($"tune: {note}");
            string[] waiting = FromScratch ? [] : [.. Waiting(task)];
            var options = Options(budget, began) with { Traces = [.. traces, .. waiting] };
            return Tuner.Tune(task, options, progress, _console.Cancel);
        }
        catch (TuneException e)
        {
            throw new FailureException($"{e.Message.TrimEnd('.')}.");
        }
    }

    /// <summary>Checks and times a schedule beside the default and the stored winner, without a search; the best is stored.</summary>
    /// <exception cref="FailureException">Nothing was measured.</exception>
    /// <exception cref="TraceException">The trace is none, or does not fit the operator.</exception>
    public TuneResult Certify(TuneTask task, string trace)
    {
        using var progress = TuneProgressDisplay.For(_console);
        using var end = Interrupts.OnEnd(() =>
        {
            progress.Dispose();
            return "what was certified until then is stored";
        });
        try
        {
            var options = Options(SearchBudget.Of(1), Stopwatch.GetTimestamp());
            return Tuner.Tune(
                task,
                options with
                {
                    Traces = [trace],
                    OnlyGiven = true,
                    // It waits already, and goes on doing so.
                    Runner = Runner(t => new WorkerRunner(t, _worker, _seed) { CertifyCancel = _console.Cancel }),
                },
                progress,
                _console.Cancel
            );
        }
        catch (TuneException e)
        {
            throw new FailureException($"{e.Message.TrimEnd('.')}.");
        }
    }

    /// <summary>
    /// Schedules that were imported for this very task and wait for certification: they take part in the search, and one
    /// that wins is certified like any other. One that does not replay here is left to wait.
    /// </summary>
    private IEnumerable<string> Waiting(TuneTask task)
    {
        if (Store.FindWaiting(task.Key) is { } record)
        {
            string? problem = null;
            try
            {
                task.Replay(record.Trace);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                // Foreign data: whatever is wrong with it, it is left to wait, and said so.
                problem = e.Message.Split('\n')[0];
            }
            if (problem is null)
                yield return record.Trace;
            else
                _console.Error.WriteLine(
                    $"tune: the waiting record of {record.Spec} is left out: {PlainText.Of(problem)}"
                );
        }
    }

    /// <summary>Tunes several with one budget.</summary>
    /// <exception cref="FailureException">Nothing was measured.</exception>
    public IReadOnlyList<(TuneTask Task, TuneResult? Result, string? Failure)> TuneAll(
        IReadOnlyList<Problem> specs,
        SearchBudget budget,
        IReadOnlyList<double>? weights = null,
        IReadOnlyList<double>? shares = null
    )
    {
        long began = Begin();
        var stored = new HashSet<string>();
        using var progress = TuneProgressDisplay.For(_console);
        using var end = Interrupts.OnEnd(() => Kept(progress, Volatile.Read(ref _stored), specs.Count));
        try
        {
            return Tuner.TuneAll(
                [.. specs.Select(s => TaskOf(s))],
                Options(budget, began),
                progress,
                _console.Cancel,
                weights,
                result =>
                {
                    if (result.Stored is not null && stored.Add(result.Task.Problem.Text))
                        Volatile.Write(ref _stored, stored.Count);
                },
                shares
            );
        }
        catch (TuneException e)
        {
            throw new FailureException($"{e.Message.TrimEnd('.')}.");
        }
    }

    public void Dispose()
    {
        _worker.Dispose();
        Store.Dispose();
    }

    /// <summary>This program once more as a worker.</summary>
    internal static Search.Worker.WorkerCommand WorkerProgram() => Program([WorkerCommand.Name]);

    /// <summary>
    /// This program once more. Its own file is named rather than that of the process, so that a program that hosts the command (a
    /// test runner) starts the same.
    /// </summary>
    internal static Search.Worker.WorkerCommand Program(string[] arguments)
    {
        string library = typeof(TuningRun).Assembly.Location;
        string process = Environment.ProcessPath ?? "";
        string program = Path.GetFileNameWithoutExtension(process);
        return program == typeof(TuningRun).Assembly.GetName().Name
            ? new Search.Worker.WorkerCommand(process, arguments)
            : new Search.Worker.WorkerCommand(program == "dotnet" ? process : "dotnet", [library, .. arguments]);
    }

    private void StartAhead()
    {
        try
        {
            _worker.StartAhead();
        }
        catch (TuneException)
        {
            // It is said when the worker is needed.
        }
    }

    private long Begin()
    {
        long began = _tuned || Began is not { } first ? Stopwatch.GetTimestamp() : first;
        _tuned = true;
        return began;
    }

    // The last that is done when a signal ends the process. The worker process ends by itself when this one is gone; ended
    // now, it would look like a candidate's crash.
    private string Kept(TuneProgressDisplay progress, int stored, int count)
    {
        progress.Dispose();
        return $"{stored} of {count} {(count == 1 ? "winner is" : "winners are")} certified and stored in {Store.FilePath}";
    }

    private TuneOptions Options(SearchBudget budget, long began) =>
        new()
        {
            Budget = budget,
            Began = began,
            Seed = _seed,
            Store = Store,
            Machine = Machine,
            Settings = new SearchSettings { FromScratch = FromScratch },
            Runner = Runner(task => new WorkerRunner(task, _worker, _seed) { CertifySoon = _console.Cancel }),
        };

    private Func<TuneTask, ICandidateRunner> Runner(Func<TuneTask, WorkerRunner> make) =>
        task =>
        {
            var runner = make(task);
            return Wrap?.Invoke(runner) ?? runner;
        };
}
