using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search.Measurement;
using Picograd.TuneDb;

namespace Picograd.Search.Worker;

/// <summary>
/// Runs candidates in a worker process, so that one that crashes or hangs costs that candidate, not the search: it is
/// counted as <see cref="OutcomeNames.Crash"/> or <see cref="OutcomeNames.Hang"/>, and a new process goes on with the others.
/// </summary>
public sealed class WorkerRunner : ICandidateRunner
{
    /// <summary>
    /// Requests sent ahead, so that the worker need not wait for the pipe, nor, where it compiles ahead, for the compiler.
    /// </summary>
    private readonly int _inFlight;
    private readonly bool _isBesideCompiler;

    /// <summary>Where nothing is compiled ahead.</summary>
    private const int InFlight = 2;

    /// <summary>As many as a batch of a search has on a processor.</summary>
    private const int InFlightBesideCompiler = 4;

    private const string KilledText =
        "the worker process was killed from outside, as systems do that are short of memory";

    private readonly WorkerProcess _process;
    private readonly WorkerInit _init;
    private readonly TimeSpan _timeout;
    private readonly bool _ownsProcess;
    private double _prepareSeconds;

    /// <param name="task">What is tuned.</param>
    /// <param name="process">Where; several runners may share one.</param>
    /// <param name="seed">Of the inputs.</param>
    /// <param name="timeout">For one candidate, compilation included; 20 s when null.</param>
    /// <param name="ownsProcess">Whether the process ends with the runner.</param>
    public WorkerRunner(
        TuneTask task,
        WorkerProcess process,
        int seed,
        TimeSpan? timeout = null,
        bool ownsProcess = false
    )
    {
        _process = process;
        _timeout = timeout ?? TimeSpan.FromSeconds(20);
        _ownsProcess = ownsProcess;
        var target = task.Target;
        var ahead = task.On.Backend as IAheadCompiler;
        _isBesideCompiler = ahead is null && task.On.SpareCores > 0;
        _inFlight =
            ahead is not null ? ahead.Parallelism + 1
            : _isBesideCompiler ? InFlightBesideCompiler
            : InFlight;
        _init = new WorkerInit(
            task.Problem.Label,
            task.Problem.Text,
            task.On.Device,
            target.Threads,
            target.VectorBits,
            task.PolicyName,
            seed
        );
    }

    /// <summary>For one certification, which evaluates millions of points several times over.</summary>
    public TimeSpan CertifyTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Ends a certification that is under way, and keeps others from beginning; they then are refused.</summary>
    public CancellationToken CertifyCancel { get; init; }

    /// <summary>
    /// Gives a certification that is under way, as others that begin then, no more than <see cref="Tuner.Grace"/>; those that take longer are
    /// refused.
    /// </summary>
    public CancellationToken CertifySoon { get; init; }

    public TimeSpan? Limit { get; set; }

    private TimeSpan CandidateTimeout => Limit is { } limit && limit < Timeout ? limit : Timeout;

    /// <summary>
    /// What counts as a hang: a candidate fills and reads its arguments as making them did, which takes longer than any kernel
    /// where they have gigabytes.
    /// </summary>
    private TimeSpan Timeout =>
        _prepareSeconds * 2 > _timeout.TotalSeconds ? TimeSpan.FromSeconds(2 * _prepareSeconds) : _timeout;

    public double Prepare(TimeSpan? limit = null)
    {
        (_prepareSeconds, double again) = _process.Prepare(_init, limit);
        return again;
    }

    public IReadOnlyList<Measured> Measure(
        IReadOnlyList<Candidate> candidates,
        double bestMilliseconds,
        CancellationToken cancel
    )
    {
        var results = new List<Measured>();
        int sent = 0;
        // What may have died of another that was compiled meanwhile is tried once more, and so are those, one by one.
        int alone = 0;
        // After an interrupt nothing more is sent, but what is under way is still answered.
        while (results.Count < candidates.Count && !(cancel.IsCancellationRequested && sent == results.Count))
        {
            _process.Prepare(_init);
            for (
                ;
                sent < candidates.Count
                    && sent - results.Count < (results.Count < alone ? 1 : _inFlight)
                    && !cancel.IsCancellationRequested;
                sent++
            )
                _process.Send(
                    new WorkerRequest { Measure = new MeasureRequest(candidates[sent].TraceText, bestMilliseconds) }
                );
            var timeout = CandidateTimeout;
            var failure = _process.Receive(timeout, CancellationToken.None, out var reply);
            if (failure == WorkerFailure.Crash && _isBesideCompiler && sent - results.Count > 1)
            {
                alone = sent;
                sent = results.Count;
                continue;
            }
            results.Add(Result(failure, reply, timeout));
            EndIfLost(reply);
            // The process is gone, and with it what was sent ahead.
            if (failure != WorkerFailure.None || IsLost(reply))
                sent = results.Count;
        }
        return results;
    }

    public RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel)
    {
        _process.Prepare(_init);
        _process.Send(new WorkerRequest { Race = new RaceRequest([.. candidates.Select(c => c.TraceText)], plan) });
        var failure = _process.Receive(Timeout * candidates.Count, cancel, out var reply);
        EndIfLost(reply);
        // They all ran before, so a failure here is rare; without rounds the earlier times decide.
        return failure == WorkerFailure.None && reply!.Raced is { } raced ? raced : new RaceTimes([], []);
    }

    public Certification Certify(Candidate candidate, TimeSpan? limit = null)
    {
        if (CertifyCancel.IsCancellationRequested)
            return Interrupted();
        long start = RunningTime.GetTimestamp();
        _process.Prepare(_init);
        _process.Send(new WorkerRequest { Certify = candidate.TraceText });
        var timeout = limit < CertifyTimeout ? limit.Value - RunningTime.Since(start) : CertifyTimeout;
        using var end = CancellationTokenSource.CreateLinkedTokenSource(CertifyCancel);
        using var soon = CertifySoon.Register(() => end.CancelAfter(Tuner.Grace));
        var failure = _process.Receive(timeout, end.Token, out var reply);
        EndIfLost(reply);
        if (failure == WorkerFailure.Cancelled)
            return Interrupted();
        if (failure == WorkerFailure.Hang && limit < CertifyTimeout)
        {
            return new Certification(
                0,
                Ok: false,
                BitStable: false,
                FormattableString.Invariant($"its check did not end within {limit.Value.TotalSeconds:0.0} s")
            )
            {
                IsRefused = true,
                IsUnfinished = true,
            };
        }
        if (reply?.Certified is { } certified)
            return certified;
        // What the worker reports instead of a verdict is an error of its own, unless the kernel took the target with it.
        if (failure == WorkerFailure.None && !IsLost(reply))
            return Certification.Fault($"its check failed with an internal error: {reply?.Failed ?? "no answer"}");
        if (failure == WorkerFailure.Killed)
            return Certification.Fault(KilledText);
        return new Certification(
            0,
            Ok: false,
            BitStable: false,
            reply?.Failed ?? failure.ToString().ToLowerInvariant()
        );

        static Certification Interrupted() =>
            new(0, Ok: false, BitStable: false, "interrupted") { IsRefused = true, IsUnfinished = true };
    }

    public void Dispose()
    {
        if (_ownsProcess)
            _process.Dispose();
    }

    private static bool IsLost(WorkerReply? reply) => reply is { Lost: true } or { Measured: { TargetLost: true } };

    /// <summary>A worker whose target is lost ends by itself; the next request starts another.</summary>
    private void EndIfLost(WorkerReply? reply)
    {
        if (IsLost(reply))
            _process.Dispose();
    }

    private Measured Result(WorkerFailure failure, WorkerReply? reply, TimeSpan timeout) =>
        failure switch
        {
            WorkerFailure.Killed => Measured.Failed(OutcomeNames.Killed, KilledText),
            WorkerFailure.Crash => Measured.Failed(
                OutcomeNames.Crash,
                $"the worker process died. {_process.ErrorText}"
            ),
            WorkerFailure.Hang => Measured.Failed(
                timeout < Timeout ? OutcomeNames.OverTime : OutcomeNames.Hang,
                FormattableString.Invariant(
                    $"no answer within {timeout.TotalSeconds:0.#} s; the worker process was ended"
                )
            ),
            _ => reply!.Measured ?? Measured.Failed(OutcomeNames.InternalError, reply.Failed ?? "no answer"),
        };
}
