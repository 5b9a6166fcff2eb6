using System.Diagnostics;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;

namespace Picograd.Search.Measurement;

/// <summary>
/// Compiles, checks and times candidates in this process: what a worker process does inside, and enough by itself where
/// candidates can be trusted not to crash. Not thread-safe.
/// </summary>
public sealed class InProcessRunner : ICandidateRunner
{
    /// <summary>Evaluating this many points takes well under a second, once a task.</summary>
    private const double ReferencePoints = 2e6;

    /// <summary>
    /// A candidate whose first call takes so many times the best time is cut off, though not before what it takes to start
    /// another process and make it ready.
    /// </summary>
    private const double CutOffFactor = 3;
    private const double RestartSeconds = 0.5;

    /// <summary>A round's sample: long enough that one interruption is a small part of it.</summary>
    private const double RaceSampleMilliseconds = 0.15;

    /// <summary>
    /// Heats keep their memory until the race ends, so that none gets that of another, up to so many bytes. Of arguments
    /// beyond it all heats use the same: to have and fill 768 MiB takes half a second, more than twenty calls of what streams
    /// through them.
    /// </summary>
    internal const long MostHeatBytes = 128L << 20;

    /// <summary>At which inputs are written and looked at, about.</summary>
    private const double WrittenBytesPerSecond = 8e9;

    private readonly TuneTask _task;
    private readonly ITuningTarget _target;
    private readonly Reference _reference;
    private readonly ArgumentMemory _memory;
    private readonly KernelTimer _timer;
    private readonly PinnedBits? _pinned;
    private readonly int _seed;

    /// <param name="task">What is tuned.</param>
    /// <param name="seed">Of the inputs.</param>
    public InProcessRunner(TuneTask task, int seed)
    {
        long start = RunningTime.GetTimestamp();
        _task = task;
        _target = task.On;
        _seed = seed;
        _memory = new ArgumentMemory(task.Measured.Algorithm, _target);
        try
        {
            // New pages of outputs are had meanwhile.
            var touching = Task.Run(_memory.TouchOutputs);
            long making = Stopwatch.GetTimestamp();
            _reference = new Reference(task.Measured, InputKind.Normal, seed, ReferencePoints);
            AgainSeconds = Stopwatch.GetElapsedTime(making).TotalSeconds + _memory.TotalBytes / WrittenBytesPerSecond;
            touching.GetAwaiter().GetResult();
            _memory.SetInputs(_reference.Inputs);
        }
        catch
        {
            _memory.Dispose();
            throw;
        }
        _timer = new KernelTimer(task.Policy, task.On);
        _pinned = task.Policy == TimingPolicy.Pinned ? new PinnedBits(task) : null;
        _pinned?.Remember(_memory);
        PrepareSeconds = RunningTime.Since(start).TotalSeconds;
    }

    /// <summary>What making inputs and their right answers took, and getting memory for them.</summary>
    internal double PrepareSeconds { get; }

    /// <summary>About what it takes once more, in memory that is there: for 768 MiB, whose pages took a second, a tenth of it.</summary>
    internal double AgainSeconds { get; }

    /// <summary>Bytes of all arguments.</summary>
    internal long ArgumentBytes => _memory.TotalBytes;

    /// <summary>
    /// Ends the process of a candidate whose first call runs beyond <see cref="CutOffFactor"/> times the best time; told why.
    /// Null: nothing can, and candidates run to their end.
    /// </summary>
    internal Action<string>? CutOff { get; init; }

    public double Prepare(TimeSpan? limit = null) => AgainSeconds;

    public IReadOnlyList<Measured> Measure(
        IReadOnlyList<Candidate> candidates,
        double bestMilliseconds,
        CancellationToken cancel
    )
    {
        var results = new List<Measured>();
        foreach (var candidate in candidates)
        {
            if (cancel.IsCancellationRequested)
                break;
            results.Add(Measure(() => candidate.Nest, bestMilliseconds));
        }
        return results;
    }

    /// <summary>Measures one; <paramref name="replay"/> makes the nest, and its time is part of the answer.</summary>
    internal Measured Measure(Func<LoopNest> replay, double bestMilliseconds) =>
        Measure(Prepare(replay), bestMilliseconds);

    /// <summary>From trace to running code: what may be done on another thread, ahead of <see cref="Measure(ReadyKernel, double)"/>.</summary>
    internal ReadyKernel Prepare(Func<LoopNest> replay)
    {
        long start = RunningTime.GetTimestamp();
        try
        {
            var nest = replay();
            long replayed = RunningTime.GetTimestamp();
            if (_pinned?.OtherOrder(nest) is { } order)
                return new ReadyKernel(null, Measured.Failed(OutcomeNames.OtherOrder, order), 0, 0);
            var kernel = Compile(nest);
            double compile = RunningTime.Since(replayed).TotalMilliseconds;
            return new ReadyKernel(kernel, null, Stopwatch.GetElapsedTime(start, replayed).TotalMilliseconds, compile);
        }
        catch (Exception e)
        {
            // Whatever goes wrong with one candidate is that candidate's outcome, told apart by name.
            return new ReadyKernel(null, Failure(e), 0, 0);
        }
    }

    /// <summary>Checks and times a kernel, and disposes of it.</summary>
    internal Measured Measure(ReadyKernel ready, double bestMilliseconds)
    {
        if (ready.Kernel is not { } kernel)
            return ready.Failure!;
        try
        {
            using (kernel)
            {
                return Measure(kernel, bestMilliseconds) with
                {
                    ReplayMilliseconds = ready.ReplayMilliseconds,
                    CompileMilliseconds = ready.CompileMilliseconds,
                };
            }
        }
        catch (Exception e)
        {
            return Failure(e);
        }
    }

    public RaceTimes Race(IReadOnlyList<Candidate> candidates, RacePlan plan, CancellationToken cancel) =>
        Race([.. candidates.Select(c => (Func<LoopNest>)(() => c.Nest))], plan, cancel);

    internal RaceTimes Race(IReadOnlyList<Func<LoopNest>> nests, RacePlan plan, CancellationToken cancel)
    {
        var times = new List<double[]>();
        var sentinel = new List<double>();
        var heats = new List<int>();
        var held = new List<ArgumentMemory>();
        // Compilers of targets with memory of their own take seconds and always make the same code.
        int count = _target.IsHostMemory ? plan.Heats : 1;
        int rounds = _target.IsHostMemory ? plan.Rounds : plan.Heats * plan.Rounds;
        _target.SentinelMilliseconds();
        try
        {
            for (int heat = 0; heat < count && !cancel.IsCancellationRequested; heat++)
            {
                bool isFresh = _target.IsHostMemory && _memory.TotalBytes <= MostHeatBytes;
                var memory = isFresh ? FreshMemory(held) : _memory;
                Heat(nests, memory, rounds, times, sentinel, cancel);
                while (heats.Count < times.Count)
                    heats.Add(heat);
            }
            return new RaceTimes(times, sentinel, heats);
        }
        finally
        {
            foreach (var memory in held)
                memory.Dispose();
        }
    }

    /// <summary>Memory as tensors have it, at other places than that of earlier heats.</summary>
    private ArgumentMemory FreshMemory(List<ArgumentMemory> held)
    {
        var memory = new ArgumentMemory(_task.Measured.Algorithm, _target, guarded: false);
        memory.CopyFrom(_memory);
        held.Add(memory);
        // Of large ones two are enough: what is freed now comes back in the heat after the next.
        if (held.Count > 1 && held.Count * memory.TotalBytes > MostHeatBytes)
        {
            held[^2].Dispose();
            held.RemoveAt(held.Count - 2);
        }
        return memory;
    }

    private unsafe void Heat(
        IReadOnlyList<Func<LoopNest>> nests,
        ArgumentMemory memory,
        int rounds,
        List<double[]> times,
        List<double> sentinel,
        CancellationToken cancel
    )
    {
        var kernels = new ICompiledKernel?[nests.Count];
        var calls = new int[nests.Count];
        try
        {
            for (int i = 0; i < nests.Count; i++)
            {
                try
                {
                    kernels[i] = Compile(nests[i]());
                }
                catch (Exception e) when (Failure(e).Outcome != OutcomeNames.InternalError)
                {
                    continue;
                }
                double first = _timer.Sample(kernels[i]!, memory, 1);
                // The first call finds everything cold; one much longer than a sample needs no second opinion.
                calls[i] =
                    first > 4 * RaceSampleMilliseconds
                        ? 1
                        : _timer.Calls(_timer.Sample(kernels[i]!, memory, 1), RaceSampleMilliseconds);
            }
            for (int round = 0; round < rounds && !cancel.IsCancellationRequested; round++)
            {
                var row = new double[nests.Count];
                double before = _target.SentinelMilliseconds();
                for (int turn = 0; turn < nests.Count; turn++)
                {
                    // Every candidate follows every other equally often.
                    int i =
                        round % 2 == 0 ? (turn + round) % nests.Count : (nests.Count - 1 - turn + round) % nests.Count;
                    row[i] = double.NaN;
                    if (kernels[i] is not { } kernel)
                        continue;
                    // One call first: the caches are then as the kernel itself leaves them, not as the one before did.
                    kernel.Run(memory.Addresses, null);
                    row[i] = _timer.Sample(kernel, memory, calls[i]);
                }
                times.Add(row);
                sentinel.Add(Math.Max(before, _target.SentinelMilliseconds()));
            }
        }
        finally
        {
            foreach (var kernel in kernels)
                kernel?.Dispose();
        }
    }

    public Certification Certify(Candidate candidate, TimeSpan? limit = null) => Certify(candidate.Nest);

    internal Certification Certify(LoopNest nest)
    {
        if (_task.Problem.IsRange)
            return new RangeCertifier(_task.Problem, _target, _seed).Certify(nest);
        try
        {
            return new Certifier(_task.Problem, _target, _seed) { Memory = _memory, Pinned = _pinned }.Certify(nest);
        }
        finally
        {
            _memory.Align(worst: false);
            _memory.SetInputs(_reference.Inputs);
        }
    }

    private ICompiledKernel Compile(LoopNest nest)
    {
        var kernel = _target.Backend.Compile(nest);
        return _task.Problem.IsRange ? new KernelAtPoints(kernel, _task.Problem) : kernel;
    }

    public void Dispose()
    {
        _memory.Dispose();
        _timer.Dispose();
        _pinned?.Dispose();
    }

    internal static Measured Failure(Exception e) =>
        e switch
        {
            LoweringException lowering => Measured.Failed(lowering.Reason, e.Message),
            TargetException target => Measured.Failed(target.Reason, e.Message) with { TargetLost = target.IsLost },
            ScheduleException refused => Measured.Failed(OutcomeNames.Refused, refused.Reason),
            TraceException => Measured.Failed(OutcomeNames.ReplayFailed, e.Message),
            InvalidProgramException => Measured.Failed("invalid-code", e.Message),
            OutOfMemoryException => Measured.Failed("out-of-memory", e.Message),
            _ => Measured.Failed(OutcomeNames.InternalError, $"{e.GetType().Name}: {e.Message}"),
        };

    private Measured Measure(ICompiledKernel kernel, double bestMilliseconds)
    {
        _memory.PoisonOutputs();
        double checking;
        using (Watch(bestMilliseconds))
            checking = _timer.Sample(kernel, _memory, 1);
        if (_memory.BrokenGuard() is { } broken)
        {
            // Only this candidate is to blame; an input that was written to would spoil the next ones as well.
            _memory.FillGuards();
            _memory.SetInputs(_reference.Inputs);
            return Measured.Failed(OutcomeNames.WrongResult, broken);
        }
        var (_, wrong) = _reference.Check(_memory);
        if (wrong is null && _pinned?.Differs(_memory) == true)
            return Measured.Failed(OutcomeNames.OtherOrder, "its sums have other bits than those of the pinned order");
        return wrong is null
            ? _timer.Time(kernel, _memory, bestMilliseconds, checking)
            : Measured.Failed(OutcomeNames.WrongResult, wrong);
    }

    private RunWatch? Watch(double bestMilliseconds)
    {
        if (CutOff is not { } cutOff || !double.IsFinite(bestMilliseconds))
            return null;
        double most = Math.Max(CutOffFactor * bestMilliseconds, 1000 * (RestartSeconds + PrepareSeconds));
        return new RunWatch(
            TimeSpan.FromMilliseconds(most),
            () =>
                cutOff(
                    FormattableString.Invariant(
                        $"cut off after {most:0} ms, the best takes {bestMilliseconds:0.###} ms; the worker process was ended"
                    )
                )
        );
    }

    /// <summary>
    /// Acts once a time is over in which this process ran, unless disposed of before; who disposes of it later than that does not go on.
    /// </summary>
    private sealed class RunWatch : IDisposable
    {
        private readonly Timer _timer;
        private int _decided;

        public RunWatch(TimeSpan time, Action act)
        {
            long start = RunningTime.GetTimestamp();
            _timer = new Timer(
                _ =>
                {
                    if (RunningTime.IsPaced && time - RunningTime.Since(start) is var left && left > TimeSpan.Zero)
                        Arm(left);
                    else if (Interlocked.Exchange(ref _decided, 1) == 0)
                        act();
                },
                null,
                Timeout.InfiniteTimeSpan,
                Timeout.InfiniteTimeSpan
            );
            Arm(time);
        }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _decided, 1) != 0)
                Thread.Sleep(Timeout.Infinite);
            _timer.Dispose();
        }

        private void Arm(TimeSpan time) => _timer.Change(time, Timeout.InfiniteTimeSpan);
    }
}

/// <summary>A candidate's kernel, or why there is none.</summary>
/// <param name="Kernel">Ready to run; null where there is none.</param>
/// <param name="Failure">Why not.</param>
/// <param name="ReplayMilliseconds">From trace to nest.</param>
/// <param name="CompileMilliseconds">From nest to running code.</param>
internal sealed record ReadyKernel(
    ICompiledKernel? Kernel,
    Measured? Failure,
    double ReplayMilliseconds,
    double CompileMilliseconds
);
