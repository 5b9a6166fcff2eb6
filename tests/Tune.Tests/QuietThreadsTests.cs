using Picograd.Tune;

namespace Picograd.Tests;

/// <summary>Implementations timed in turns do not disturb one another through threads that spin after a call.</summary>
public sealed class QuietThreadsTests : IDisposable
{
    private long _until;
    private int _spinning;

    public void Dispose()
    {
        Volatile.Write(ref _until, 0);
        while (Volatile.Read(ref _spinning) > 0)
            Thread.Sleep(1);
    }

    /// <summary>A call of a library whose worker spins so long after it, as OpenBLAS's do.</summary>
    private void Call(int milliseconds)
    {
        Volatile.Write(ref _until, Environment.TickCount64 + milliseconds);
        if (Interlocked.CompareExchange(ref _spinning, 1, 0) != 0)
            return;
        var worker = new Thread(() =>
        {
            while (Environment.TickCount64 < Volatile.Read(ref _until))
                Thread.SpinWait(50);
            Volatile.Write(ref _spinning, 0);
        })
        {
            IsBackground = true,
        };
        worker.Start();
    }

    [Fact]
    public void A_turn_begins_when_the_threads_of_the_one_before_sleep()
    {
        if (!OperatingSystem.IsLinux())
            return;
        int met = 0;
        var quiet = new Contender(
            "quiet",
            () =>
            {
                met += Volatile.Read(ref _spinning);
                Thread.SpinWait(2000);
            }
        );
        using var notes = new StringWriter();
        Interleaved.Time([quiet, new Contender("spinner", () => Call(200))], threads: 2, notes, CancellationToken.None);
        Assert.Equal(0, met);
        Assert.Equal("", notes.ToString());
    }

    [Fact]
    public void Threads_that_never_sleep_are_not_waited_for_without_end()
    {
        if (!OperatingSystem.IsLinux())
            return;
        long start = Environment.TickCount64;
        Call(60_000);
        Assert.False(QuietThreads.Await(CancellationToken.None));
        Assert.InRange(Environment.TickCount64 - start, 1_900, 40_000);
    }
}
