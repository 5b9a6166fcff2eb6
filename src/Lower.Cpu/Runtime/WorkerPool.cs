using System.Diagnostics;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Picograd.Lower.Cpu.Runtime;

/// <summary>
/// A set of persistent threads that run one parallel loop at a time. The thread that asks for a loop takes part in it as
/// worker 0, so a pool of N threads owns N - 1 of its own.
/// </summary>
/// <remarks>
/// <para>An idle worker spins for <see cref="SpinMicroseconds"/>, so that a sequence of kernels costs no system call, and
/// then parks. A caller that has done its own share takes back every share that no worker has begun: a worker that is slow to
/// wake (parked, or its core is busy) delays nothing. One that waits for the caller's own processor moves to another
/// (<see cref="ThreadPlacement"/>).</para>
/// <para>A loop asked for from inside a loop body, or while another thread's loop is running, runs on the calling thread
/// alone; it is never refused and never waits.</para>
/// </remarks>
public sealed unsafe class WorkerPool : IDisposable
{
    /// <summary>How long an idle thread spins before it parks, in microseconds.</summary>
    public const int SpinMicroseconds = 40;

    /// <summary>Dynamic partition cuts the extent into about this many chunks for each thread.</summary>
    private const int DynamicChunksPerThread = 8;

    private const int Idle = 0;
    private const int Posted = 1;
    private const int Running = 2;

    private static readonly long SpinTicks =
        Environment.ProcessorCount > 1 ? Stopwatch.Frequency * SpinMicroseconds / 1_000_000 : 0;

    [ThreadStatic]
    private static bool t_insideLoop;

    private readonly Worker[] _workers;
    private readonly SemaphoreSlim _callerWake = new(0);
    private int _numThreads;
    private int _busy;
    private volatile bool _stopping;

    // Where the caller last took a share back; -1 once the workers heeded it.
    private int _callerProcessor = -1;

    // The loop now running. Written by the caller before any share is posted, and stable until every share is done.
    private delegate* managed<long*, long, long, long, void> _body;
    private long* _context;
    private long _extent;
    private int _shares;
    private long _chunk; // 0: static partition
    private Exception? _failure;
    private Counters _counters;

    /// <summary>The counters that several threads write, each on its own pair of cache lines.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 512)]
    private struct Counters
    {
        [FieldOffset(128)]
        public long NextChunk;

        [FieldOffset(256)]
        public int Pending;

        [FieldOffset(384)]
        public int CallerParked;
    }

    /// <summary>One thread of the pool and the mailbox through which it gets its share.</summary>
    private sealed class Worker
    {
        public required int Index { get; init; }
        public readonly SemaphoreSlim Wake = new(0);
        public Mailbox Mail;
        public Thread? Thread;
        public readonly ThreadPlacement Placement = new();
    }

    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Mailbox
    {
        [FieldOffset(128)]
        public int State;

        [FieldOffset(256)]
        public int Parked;
    }

    /// <summary>Makes a pool that can run up to <paramref name="maxThreads"/> threads at once, the caller's included.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxThreads"/> is below 1 or above 1024.</exception>
    public WorkerPool(int maxThreads)
    {
        if (maxThreads is < 1 or > 1024)
        {
            throw new ArgumentOutOfRangeException(
                nameof(maxThreads),
                $"maxThreads is {maxThreads}, but a pool has between 1 and 1024 threads."
            );
        }
        MaxThreads = maxThreads;
        _numThreads = maxThreads;
        _workers = new Worker[maxThreads - 1];
        for (int i = 0; i < _workers.Length; i++)
        {
            _workers[i] = new Worker { Index = i + 1 };
        }
    }

    /// <summary>The pool that generated code uses, with as many threads as the machine has logical processors.</summary>
    public static WorkerPool Shared { get; } = new(Environment.ProcessorCount);

    /// <summary>The most threads this pool can run at once, the caller's included.</summary>
    public int MaxThreads { get; }

    /// <summary>The limit in force: a loop that asks for more threads gets this many.</summary>
    public int NumThreads => Volatile.Read(ref _numThreads);

    /// <summary>Sets the limit on threads for the loops that follow.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not between 1 and <see cref="MaxThreads"/>.</exception>
    public void SetNumThreads(int threads)
    {
        if (threads < 1 || threads > MaxThreads)
        {
            throw new ArgumentOutOfRangeException(
                nameof(threads),
                $"threads is {threads}, but this pool allows 1 to {MaxThreads}."
            );
        }
        Volatile.Write(ref _numThreads, threads);
    }

    /// <summary>
    /// Runs a parallel loop on <see cref="Shared"/>: the entry point that generated IL calls. The parameters are those of
    /// <see cref="Launch"/>, the body being the address of a static managed method
    /// <c>void (long* context, long begin, long end, long worker)</c>.
    /// </summary>
    public static void Run(nint body, long* context, long extent, int threads, bool dynamic) =>
        Shared.Launch((delegate* managed<long*, long, long, long, void>)body, context, extent, threads, dynamic);

    /// <summary>Runs a parallel loop on <see cref="Shared"/>; see <see cref="Launch"/>.</summary>
    public static void Run(
        delegate* managed<long*, long, long, long, void> body,
        long* context,
        long extent,
        int threads,
        bool dynamic
    ) => Shared.Launch(body, context, extent, threads, dynamic);

    /// <summary>
    /// Runs <paramref name="body"/> over [0, <paramref name="extent"/>) and returns when every iteration is done.
    /// </summary>
    /// <param name="body">
    /// Called with (context, begin, end, worker) for disjoint ranges that together cover the extent. Two calls that run at the
    /// same time never have the same worker number, which lies in [0, threads), so it may index scratch memory.
    /// </param>
    /// <param name="context">Passed through to the body; may be null.</param>
    /// <param name="extent">Number of iterations; zero or less runs nothing.</param>
    /// <param name="threads">Threads wanted; the loop gets at most <see cref="NumThreads"/> and at most one per iteration.</param>
    /// <param name="dynamic">
    /// False: worker w gets the one range [w·extent/threads, (w+1)·extent/threads), whichever thread runs it. True: ranges are
    /// handed out from a shared counter, for bodies of uneven cost.
    /// </param>
    /// <exception cref="Exception">The first exception that a body threw; iterations not yet begun may then not have run.</exception>
    public void Launch(
        delegate* managed<long*, long, long, long, void> body,
        long* context,
        long extent,
        int threads,
        bool dynamic
    )
    {
        if (extent <= 0)
        {
            return;
        }
        int shares = (int)Math.Min(Math.Min(threads, NumThreads), extent);
        if (shares <= 1 || t_insideLoop || _stopping || Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            body(context, 0, extent, 0);
            return;
        }
        try
        {
            LaunchShares(body, context, extent, shares, dynamic);
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
    }

    private void LaunchShares(
        delegate* managed<long*, long, long, long, void> body,
        long* context,
        long extent,
        int shares,
        bool dynamic
    )
    {
        _body = body;
        _context = context;
        _extent = extent;
        _shares = shares;
        _chunk = dynamic ? Math.Max(1, extent / ((long)shares * DynamicChunksPerThread)) : 0;
        _failure = null;
        _counters.NextChunk = 0;
        Volatile.Write(ref _counters.Pending, shares - 1);
        for (int i = 0; i < shares - 1; i++)
        {
            Post(_workers[i]);
        }
        RunShare(0);
        int takenBack = 0;
        for (int i = 0; i < shares - 1; i++)
        {
            if (Interlocked.CompareExchange(ref _workers[i].Mail.State, Idle, Posted) == Posted)
            {
                RunShare(i + 1);
                takenBack++;
            }
        }
        if (takenBack > 0)
        {
            Volatile.Write(ref _callerProcessor, ThreadPlacement.Processor);
        }
        if (takenBack == 0 || Interlocked.Add(ref _counters.Pending, -takenBack) != 0)
        {
            AwaitShares();
        }
        if (_failure is { } failure)
        {
            _failure = null;
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void Post(Worker worker)
    {
        if (worker.Thread is null)
        {
            Begin(worker);
        }
        // A full fence: either this thread sees the worker parked, or the worker sees its share before it sleeps.
        Interlocked.Exchange(ref worker.Mail.State, Posted);
        if (Volatile.Read(ref worker.Mail.Parked) != 0 && Interlocked.Exchange(ref worker.Mail.Parked, 0) != 0)
        {
            worker.Wake.Release();
        }
    }

    private void Begin(Worker worker)
    {
        var thread = new Thread(() => WorkerLoop(worker), 1 << 20)
        {
            IsBackground = true,
            Name = $"picograd-worker-{worker.Index}",
        };
        try
        {
            thread.Start();
            worker.Thread = thread;
        }
        catch (OutOfMemoryException)
        {
            // The system allows no more threads now. The caller takes back the share, and the next loop tries again.
        }
    }

    private void RunShare(int share)
    {
        t_insideLoop = true;
        try
        {
            if (_chunk == 0)
            {
                long begin = Cut(share);
                long end = Cut(share + 1);
                _body(_context, begin, end, share);
                return;
            }
            while (true)
            {
                long begin = Interlocked.Add(ref _counters.NextChunk, _chunk) - _chunk;
                if (begin >= _extent)
                {
                    return;
                }
                _body(_context, begin, Math.Min(begin + _chunk, _extent), share);
            }
        }
        catch (Exception failure)
        {
            // Kept for the caller, who throws it once every share has stopped; dynamic shares stop here.
            Interlocked.CompareExchange(ref _failure, failure, null);
            Volatile.Write(ref _counters.NextChunk, _extent);
        }
        finally
        {
            t_insideLoop = false;
        }
    }

    /// <summary>The first iteration of a share; written so that it cannot overflow for any extent.</summary>
    private long Cut(int share)
    {
        long whole = _extent / _shares;
        long rest = _extent % _shares;
        return whole * share + rest * share / _shares;
    }

    private void AwaitShares()
    {
        long deadline = Stopwatch.GetTimestamp() + SpinTicks;
        while (Volatile.Read(ref _counters.Pending) != 0)
        {
            if (SpinUntil(ref _counters.Pending, 0, deadline))
            {
                return;
            }
            Interlocked.Exchange(ref _counters.CallerParked, 1);
            if (Volatile.Read(ref _counters.Pending) != 0 || Interlocked.Exchange(ref _counters.CallerParked, 0) == 0)
            {
                // Either a worker will wake us, or one has already decided to: its token must be consumed.
                _callerWake.Wait();
            }
        }
    }

    private void WorkerLoop(Worker worker)
    {
        while (true)
        {
            if (!SpinUntil(ref worker.Mail.State, Posted, Stopwatch.GetTimestamp() + SpinTicks))
            {
                if (LeavesCaller(worker))
                {
                    continue;
                }
                Interlocked.Exchange(ref worker.Mail.Parked, 1);
                if (_stopping)
                {
                    return;
                }
                if (
                    Volatile.Read(ref worker.Mail.State) != Posted
                    || Interlocked.Exchange(ref worker.Mail.Parked, 0) == 0
                )
                {
                    worker.Wake.Wait();
                }
                if (_stopping)
                {
                    return;
                }
            }
            if (Interlocked.CompareExchange(ref worker.Mail.State, Running, Posted) != Posted)
            {
                LeavesCaller(worker); // the caller took the share back
                continue;
            }
            RunShare(worker.Index);
            Volatile.Write(ref worker.Mail.State, Idle);
            if (
                Interlocked.Decrement(ref _counters.Pending) == 0
                && Interlocked.Exchange(ref _counters.CallerParked, 0) != 0
            )
            {
                _callerWake.Release();
            }
        }
    }

    // A worker that came too late because it waits for the caller's processor: spinning there would only take that from the caller.
    private bool LeavesCaller(Worker worker)
    {
        int processor = Volatile.Read(ref _callerProcessor);
        if (processor < 0 || processor != ThreadPlacement.Processor)
        {
            return false;
        }
        Volatile.Write(ref _callerProcessor, -1);
        return worker.Placement.Leave(processor);
    }

    /// <summary>Spins until the cell holds the value (true) or the deadline has passed (false).</summary>
    private static bool SpinUntil(ref int cell, int value, long deadline)
    {
        while (true)
        {
            for (int i = 0; i < 16; i++)
            {
                if (Volatile.Read(ref cell) == value)
                {
                    return true;
                }
                Thread.SpinWait(1);
            }
            if (Stopwatch.GetTimestamp() >= deadline)
            {
                return Volatile.Read(ref cell) == value;
            }
        }
    }

    /// <summary>Stops the pool's threads; loops asked for afterwards run on the calling thread.</summary>
    /// <exception cref="InvalidOperationException">Called from inside a loop, whose end it would wait for.</exception>
    public void Dispose()
    {
        if (_stopping)
        {
            return;
        }
        if (t_insideLoop)
        {
            throw new InvalidOperationException("A pool of threads cannot be disposed of inside a loop that it runs.");
        }
        while (Interlocked.CompareExchange(ref _busy, 1, 0) != 0)
        {
            Thread.Yield();
        }
        _stopping = true;
        foreach (Worker worker in _workers)
        {
            worker.Wake.Release();
            worker.Thread?.Join();
        }
    }
}
