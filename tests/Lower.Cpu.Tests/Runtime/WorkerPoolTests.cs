using System.Diagnostics;
using Picograd.Lower.Cpu.Runtime;
using Xunit;

namespace Picograd.Tests.Runtime;

public unsafe class WorkerPoolTests
{
    private static void Count(long* context, long begin, long end, long worker)
    {
        for (long i = begin; i < end; i++)
        {
            Interlocked.Increment(ref context[i]);
        }
    }

    private static void RecordWorker(long* context, long begin, long end, long worker)
    {
        for (long i = begin; i < end; i++)
        {
            context[i] = worker;
        }
    }

    private static void ThrowAtSeven(long* context, long begin, long end, long worker)
    {
        if (begin <= 7 && 7 < end)
        {
            throw new InvalidTimeZoneException("seven");
        }
    }

    private static void Nest(long* context, long begin, long end, long worker)
    {
        for (long i = begin; i < end; i++)
        {
            s_nested!.Launch(&Count, context + i * 16, 16, 4, dynamic: false);
        }
    }

    private static WorkerPool? s_nested;

    [Theory]
    [InlineData(1, 1)]
    [InlineData(1, 4)]
    [InlineData(2, 2)]
    [InlineData(3, 7)]
    [InlineData(4, 1)]
    [InlineData(4, 3)]
    [InlineData(4, 1000)]
    [InlineData(4, 1009)]
    public void Every_iteration_runs_once(int threads, int extent)
    {
        using var pool = new WorkerPool(4);
        foreach (bool dynamic in new[] { false, true })
        {
            var counts = new long[extent];
            fixed (long* p = counts)
            {
                pool.Launch(&Count, p, extent, threads, dynamic);
            }
            Assert.All(counts, c => Assert.Equal(1, c));
        }
    }

    [Fact]
    public void An_empty_or_negative_extent_runs_nothing()
    {
        using var pool = new WorkerPool(2);
        pool.Launch(&ThrowAtSeven, null, 0, 2, dynamic: false);
        pool.Launch(&ThrowAtSeven, null, -5, 2, dynamic: true);
    }

    [Fact]
    public void Static_shares_are_contiguous_balanced_and_numbered()
    {
        using var pool = new WorkerPool(4);
        for (int round = 0; round < 200; round++)
        {
            var who = new long[10];
            fixed (long* p = who)
            {
                pool.Launch(&RecordWorker, p, 10, 4, dynamic: false);
            }
            Assert.Equal([0, 0, 1, 1, 1, 2, 2, 3, 3, 3], who);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_exception_reaches_the_caller_and_the_pool_still_works(bool dynamic)
    {
        using var pool = new WorkerPool(3);
        for (int round = 0; round < 50; round++)
        {
            var thrown = Assert.Throws<InvalidTimeZoneException>(() => pool.Launch(&ThrowAtSeven, null, 8, 3, dynamic));
            Assert.Equal("seven", thrown.Message);
            var counts = new long[8];
            fixed (long* p = counts)
            {
                pool.Launch(&Count, p, 8, 3, dynamic);
            }
            Assert.All(counts, c => Assert.Equal(1, c));
        }
    }

    [Fact]
    public void A_nested_loop_runs_where_it_is_called()
    {
        using var pool = new WorkerPool(4);
        s_nested = pool;
        var counts = new long[64 * 16];
        fixed (long* p = counts)
        {
            pool.Launch(&Nest, p, 64, 4, dynamic: true);
        }
        Assert.All(counts, c => Assert.Equal(1, c));
    }

    [Fact]
    public void Several_callers_at_once_each_get_their_loop_done()
    {
        using var pool = new WorkerPool(3);
        var failures = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var callers = Enumerable
            .Range(0, 4)
            .Select(seed => new Thread(() =>
            {
                var random = new Random(seed);
                for (int round = 0; round < 3000; round++)
                {
                    int extent = random.Next(1, 40);
                    var counts = new long[extent];
                    fixed (long* p = counts)
                    {
                        pool.Launch(&Count, p, extent, random.Next(1, 5), random.Next(2) == 0);
                    }
                    if (counts.Any(c => c != 1))
                    {
                        failures.Enqueue($"seed {seed} round {round}: {string.Join(',', counts)}");
                    }
                }
            }))
            .ToList();
        callers.ForEach(t => t.Start());
        callers.ForEach(t => t.Join());
        Assert.Empty(failures);
    }

    [Fact]
    public void Launches_survive_pauses_long_enough_to_park()
    {
        using var pool = new WorkerPool(4);
        var random = new Random(11);
        var counts = new long[32];
        int rounds = 400;
        for (int round = 0; round < rounds; round++)
        {
            fixed (long* p = counts)
            {
                pool.Launch(&Count, p, 32, 4, round % 2 == 0);
            }
            // Around the spinning time, where a worker is just about to sleep.
            long until = Stopwatch.GetTimestamp() + Stopwatch.Frequency * random.Next(0, 120) / 1_000_000;
            while (Stopwatch.GetTimestamp() < until) { }
        }
        Assert.All(counts, c => Assert.Equal(rounds, c));
    }

    [Fact]
    public void The_thread_limit_is_honoured()
    {
        using var pool = new WorkerPool(4);
        pool.SetNumThreads(2);
        var who = new long[8];
        fixed (long* p = who)
        {
            pool.Launch(&RecordWorker, p, 8, 4, dynamic: false);
        }
        Assert.Equal([0, 0, 0, 0, 1, 1, 1, 1], who);
        Assert.Equal(2, pool.NumThreads);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    public void A_thread_limit_outside_the_pool_is_refused(int threads)
    {
        using var pool = new WorkerPool(4);
        var refusal = Assert.Throws<ArgumentOutOfRangeException>(() => pool.SetNumThreads(threads));
        Assert.Contains($"threads is {threads}, but this pool allows 1 to 4", refusal.Message);
    }

    [Fact]
    public void The_entry_point_for_generated_code_takes_an_address()
    {
        var counts = new long[100];
        fixed (long* p = counts)
        {
            delegate* managed<long*, long, long, long, void> body = &Count;
            WorkerPool.Run((nint)body, p, 100, Environment.ProcessorCount, dynamic: false);
        }
        Assert.All(counts, c => Assert.Equal(1, c));
    }

    [Fact]
    public void After_dispose_loops_run_on_the_caller()
    {
        var pool = new WorkerPool(3);
        var who = new long[6];
        fixed (long* p = who)
        {
            pool.Launch(&RecordWorker, p, 6, 3, dynamic: false);
            pool.Dispose();
            pool.Launch(&RecordWorker, p, 6, 3, dynamic: false);
        }
        Assert.All(who, w => Assert.Equal(0, w));
    }
}
