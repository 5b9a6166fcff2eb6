using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.Search.Measurement;

namespace Picograd.Search.Worker;

/// <summary>The inside of a worker process: does what the requests on its input say, one after another.</summary>
public static class WorkerHost
{
    /// <summary>
    /// Serves until the input ends, which ends the process even while a candidate hangs. A hidden command of the tool
    /// calls this with its standard streams.
    /// </summary>
    /// <param name="input">Requests.</param>
    /// <param name="output">Answers, in the order of the requests.</param>
    /// <param name="open">Makes the target; throws with a sentence for people where it cannot be had.</param>
    /// <param name="deviceTime">How long this process waited for devices beside the processor so far.</param>
    /// <returns>Exit code of the process: 0.</returns>
    public static int Run(
        Stream input,
        Stream output,
        Func<WorkerInit, ITuningTarget> open,
        Func<TimeSpan>? deviceTime = null
    )
    {
        using var told = RunningTime.Tell(deviceTime ?? (() => TimeSpan.Zero));
        // Terminals and supervisors send their signals to the worker too; what they mean is decided by the parent, at whose
        // end this process ends.
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, s => s.Cancel = true);
        using var termination = PosixSignalRegistration.Create(PosixSignal.SIGTERM, s => s.Cancel = true);
        // What a library prints must not get between the messages.
        Console.SetOut(Console.Error);
        using var requests = new BlockingCollection<WorkerRequest>();
        using var tasks = new WorkerTasks();
        var sender = new Lock();
        WorkerTask? task = null;
        int unanswered = 0;
        var reader = new Thread(() =>
        {
            while (WorkerMessages.Read<WorkerRequest>(input) is { } request)
            {
                // What waits behind another candidate is compiled meanwhile.
                if (Interlocked.Increment(ref unanswered) > 1 && request.Measure is { } measure)
                    Volatile.Read(ref task)?.Ahead(measure.Trace);
                requests.Add(request);
            }
            // The parent is gone. If a candidate hangs, nobody else would end this process.
            Environment.Exit(0);
        })
        {
            IsBackground = true,
        };
        reader.Start();
        foreach (var request in requests.GetConsumingEnumerable())
        {
            WorkerReply reply;
            try
            {
                if (request.Init is { } init)
                {
                    var taken = tasks.Of(init, () => new WorkerTask(init, open, CutOff));
                    Volatile.Write(ref task, taken);
                    reply = new WorkerReply { Ready = taken.PrepareSeconds, Again = taken.AgainSeconds };
                }
                else
                {
                    reply =
                        task?.Answer(request) ?? new WorkerReply { Failed = "no task was given before this request" };
                }
            }
            catch (Exception e)
            {
                // The parent reports it under this request; the worker itself can go on.
                reply = new WorkerReply
                {
                    Failed = $"{e.GetType().Name}: {e.Message}",
                    Lost = e is TargetException { IsLost: true } ? true : null,
                };
            }
            bool lost = reply.Lost == true || reply.Measured is { TargetLost: true };
            Interlocked.Decrement(ref unanswered);
            lock (sender)
                WorkerMessages.Write(output, reply);
            // Nothing can be run on the target by this process any more; the parent starts another.
            if (lost)
                return 0;
        }
        return 0;

        // The thread that runs the candidate cannot be stopped but with its process. It keeps the lock, so that no answer
        // follows this one.
        void CutOff(string why)
        {
            sender.Enter();
            WorkerMessages.Write(
                output,
                new WorkerReply { Measured = Measured.Failed(OutcomeNames.OverTime, why) with { TargetLost = true } }
            );
            Environment.Exit(0);
        }
    }

    /// <summary>
    /// The tasks given last, so that a search over several operators finds one's inputs when it comes back to it; as many as
    /// fit the memory allowed, at least one.
    /// </summary>
    private sealed class WorkerTasks : IDisposable
    {
        // Of what this process may take, for all arguments together.
        private const int MemoryParts = 8;

        private readonly List<(WorkerInit Init, WorkerTask Task)> _tasks = [];

        public WorkerTask Of(WorkerInit init, Func<WorkerTask> make)
        {
            int at = _tasks.FindIndex(t => t.Init == init);
            var found = at >= 0 ? _tasks[at].Task : make();
            if (at >= 0)
                _tasks.RemoveAt(at);
            _tasks.Add((init, found));
            long room = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / MemoryParts;
            while (_tasks.Count > 1 && _tasks.Sum(t => t.Task.Bytes) > room)
            {
                _tasks[0].Task.Dispose();
                _tasks.RemoveAt(0);
            }
            return found;
        }

        public void Dispose()
        {
            foreach (var (_, task) in _tasks)
                task.Dispose();
        }
    }

    private sealed class WorkerTask : IDisposable
    {
        private readonly TuneTask _task;
        private readonly InProcessRunner _runner;
        private readonly IAheadCompiler? _ahead;
        private readonly KernelsAhead? _kernels;

        public WorkerTask(WorkerInit init, Func<WorkerInit, ITuningTarget> open, Action<string> cutOff)
        {
            var problem = Problem.Read(init.Spec, init.Problem);
            var target = open(init);
            _ahead = target.Backend as IAheadCompiler;
            _task = new TuneTask(problem, target, TuneTask.ParsePolicy(init.Policy));
            _runner = new InProcessRunner(_task, init.Seed) { CutOff = cutOff };
            if (target is { IsHostMemory: true, SpareCores: > 0 })
                _kernels = new KernelsAhead(Prepare);
        }

        /// <summary>Of all arguments.</summary>
        public long Bytes => _runner.ArgumentBytes;

        public double PrepareSeconds => _runner.PrepareSeconds;

        public double AgainSeconds => _runner.AgainSeconds;

        /// <summary>Begins to compile a candidate that will be asked for.</summary>
        public void Ahead(string trace)
        {
            _kernels?.Begin(trace);
            if (_ahead is not { } compiler)
                return;
            ThreadPool.QueueUserWorkItem(_ =>
            {
                try
                {
                    compiler.CompileAhead(Replay(trace));
                }
                catch (Exception e)
                {
                    // Whatever it is, it happens again, and is told and counted, when the candidate's turn comes.
                    Console.Error.WriteLine($"compiling ahead failed: {e.GetType().Name}");
                }
            });
        }

        public WorkerReply Answer(WorkerRequest request)
        {
            if (request.Measure is { } measure)
            {
                var ready = _kernels?.Take(measure.Trace) ?? Prepare(measure.Trace);
                return new WorkerReply { Measured = _runner.Measure(ready, measure.Best) };
            }
            if (request.Race is { } race)
            {
                return new WorkerReply
                {
                    Raced = _runner.Race(
                        [.. race.Traces.Select(t => (Func<LoopNest>)(() => Replay(t)))],
                        race.Plan,
                        CancellationToken.None
                    ),
                };
            }
            return request.Certify is { } trace
                ? new WorkerReply { Certified = _runner.Certify(Replay(trace)) }
                : new WorkerReply { Failed = "the request is empty" };
        }

        public void Dispose()
        {
            _kernels?.Dispose();
            _runner.Dispose();
        }

        private ReadyKernel Prepare(string trace) => _runner.Prepare(() => Replay(trace));

        private LoopNest Replay(string trace) => _task.Replay(trace, ReplayLimits.OfSearch);
    }
}
