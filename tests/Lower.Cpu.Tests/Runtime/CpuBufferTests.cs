using System.Runtime.CompilerServices;
using Picograd.Lower.Cpu.Runtime;
using Xunit;

namespace Picograd.Tests.Runtime;

/// <summary>The pool's figures are process-wide, so these tests do not run beside others that rent.</summary>
[CollectionDefinition(nameof(CpuMemoryCollection), DisableParallelization = true)]
public sealed class CpuMemoryCollection;

[Collection(nameof(CpuMemoryCollection))]
public class CpuBufferTests
{
    [Fact]
    public void Size_classes_hold_what_they_are_asked_for_with_little_slack()
    {
        int last = -1;
        for (long bytes = 0; bytes < 1 << 20; bytes = bytes < 5000 ? bytes + 1 : bytes * 17 / 16)
        {
            int sizeClass = CpuMemory.ClassOf(bytes);
            long held = CpuMemory.BytesOf(sizeClass);
            Assert.True(held >= bytes, $"{bytes} bytes in a block of {held}");
            Assert.True(bytes <= 256 || held <= bytes * 5 / 4 + 1, $"{bytes} bytes waste a block of {held}");
            Assert.True(sizeClass >= last, "classes grow with size");
            Assert.True(sizeClass == 0 || CpuMemory.BytesOf(sizeClass - 1) < bytes, $"{bytes} fits a smaller class");
            last = sizeClass;
        }
        Assert.True(CpuMemory.BytesOf(CpuMemory.ClassOf(CpuBuffer.MaxLength)) >= CpuBuffer.MaxLength);
    }

    [Theory]
    [InlineData(0, 64)]
    [InlineData(1, 64)]
    [InlineData(1000, 64)]
    [InlineData(4096, 4096)]
    [InlineData(100_000, 4096)]
    [InlineData(5 << 20, 2 << 20)]
    public void Memory_is_aligned_and_writable_to_its_end(long bytes, long alignment)
    {
        using CpuBuffer buffer = CpuBuffer.Rent(bytes);
        Assert.Equal(0, buffer.Address % alignment);
        Assert.Equal(bytes, buffer.Length);
        Assert.True(buffer.Capacity >= bytes);
        buffer.AsSpan<byte>().Fill(0xAB);
        buffer.Clear();
        Assert.Equal(-1, buffer.AsSpan<byte>().IndexOfAnyExcept((byte)0));
    }

    [Fact]
    public void Returned_memory_is_used_again()
    {
        CpuBuffer first = CpuBuffer.Rent(3000);
        nint address = first.Address;
        first.Dispose();
        first.Dispose();
        using CpuBuffer second = CpuBuffer.Rent(2900);
        Assert.Equal(address, second.Address);
        using CpuBuffer third = CpuBuffer.Rent(2900);
        Assert.NotEqual(address, third.Address);
    }

    [Fact]
    public void A_disposed_buffer_says_so()
    {
        CpuBuffer buffer = CpuBuffer.Rent(10);
        buffer.Dispose();
        Assert.True(buffer.IsDisposed);
        var refusal = Assert.Throws<ObjectDisposedException>(() => buffer.Address);
        Assert.Contains("disposed", refusal.Message);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public void A_length_that_cannot_be_is_refused(long bytes)
    {
        var refusal = Assert.Throws<ArgumentOutOfRangeException>(() => CpuBuffer.Rent(bytes));
        Assert.Contains($"bytes is {bytes}, but a buffer has between 0 and", refusal.Message);
    }

    [Fact]
    public void Statistics_follow_renting_returning_and_trimming()
    {
        CpuMemory.Trim();
        CpuMemory.ResetPeak();
        CpuMemoryStatistics before = CpuMemory.Statistics;
        CpuBuffer buffer = CpuBuffer.Rent(1 << 20);
        Assert.Equal(before.LiveBytes + (1 << 20), CpuMemory.Statistics.LiveBytes);
        Assert.True(CpuMemory.Statistics.PeakBytes >= before.LiveBytes + (1 << 20));
        buffer.Dispose();
        Assert.Equal(before.LiveBytes, CpuMemory.Statistics.LiveBytes);
        Assert.True(CpuMemory.Statistics.PooledBytes >= 1 << 20);
        Assert.True(CpuMemory.Trim() >= 1 << 20);
        Assert.Equal(0, CpuMemory.Statistics.PooledBytes);
    }

    [Fact]
    public void Above_its_limit_the_pool_keeps_nothing()
    {
        long limit = CpuMemory.PoolLimitBytes;
        try
        {
            CpuMemory.Trim();
            CpuMemory.PoolLimitBytes = 1 << 20;
            CpuBuffer.Rent(3 << 20).Dispose();
            Assert.Equal(0, CpuMemory.Statistics.PooledBytes);
        }
        finally
        {
            CpuMemory.PoolLimitBytes = limit;
        }
    }

    [Fact]
    public void A_dropped_buffer_comes_back_by_its_finalizer()
    {
        long before = CpuMemory.Statistics.LiveBytes;
        Drop();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.True(CpuMemory.Statistics.LiveBytes <= before);

        [MethodImpl(MethodImplOptions.NoInlining)]
        static void Drop() => CpuBuffer.Rent(1 << 20).Clear();
    }

    [Fact]
    public void Buffers_of_many_threads_never_overlap()
    {
        long live = CpuMemory.Statistics.LiveBytes;
        var failures = new System.Collections.Concurrent.ConcurrentQueue<string>();
        var threads = Enumerable
            .Range(1, 4)
            .Select(seed => new Thread(() =>
            {
                var random = new Random(seed);
                var held = new List<(CpuBuffer Buffer, long Stamp)>();
                for (int round = 0; round < 20_000; round++)
                {
                    if (held.Count < 20 && random.Next(2) == 0)
                    {
                        CpuBuffer buffer = CpuBuffer.Rent(random.Next(8, 5000));
                        long stamp = seed * 1_000_000L + round;
                        buffer.AsSpan<long>().Fill(stamp);
                        held.Add((buffer, stamp));
                    }
                    else if (held.Count > 0)
                    {
                        int at = random.Next(held.Count);
                        (CpuBuffer buffer, long stamp) = held[at];
                        if (buffer.AsSpan<long>().IndexOfAnyExcept(stamp) >= 0)
                        {
                            failures.Enqueue($"seed {seed} round {round}");
                        }
                        buffer.Dispose();
                        held.RemoveAt(at);
                    }
                }
                held.ForEach(h => h.Buffer.Dispose());
            }))
            .ToList();
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        Assert.Empty(failures);
        Assert.Equal(live, CpuMemory.Statistics.LiveBytes);
    }
}
