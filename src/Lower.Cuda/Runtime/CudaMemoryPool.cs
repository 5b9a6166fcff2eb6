using System.Numerics;
using Picograd.Lower.Cuda.Native;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>What a device's pool holds at one moment, in bytes (counted in whole size classes).</summary>
/// <param name="LiveBytes">Memory now owned by buffers.</param>
/// <param name="PeakBytes">The most that has been.</param>
/// <param name="PooledBytes">Memory taken from the device and waiting.</param>
public readonly record struct CudaMemoryStatistics(long LiveBytes, long PeakBytes, long PooledBytes);

/// <summary>A block of device memory and the stream whose work may still use it.</summary>
internal readonly record struct CudaBlock(nint Address, int Class, CudaStream Stream);

/// <summary>
/// Caching allocator of a device: taking memory from the driver waits for the device, so what is given back is kept, one
/// stack of blocks a size class. Sizes go in four steps for each doubling from 512 bytes on, so at most a fifth of a block
/// above is slack. A block given back may be handed out while kernels that use it still run: work of one
/// stream is in order anyway, and other streams are made to wait for that one.
/// </summary>
public sealed unsafe class CudaMemoryPool
{
    private const int SmallestExponent = 9;
    private const int Classes = 4 * 40;

    private readonly CudaDevice _device;
    private readonly Lock _lock = new();
    private readonly Stack<CudaBlock>[] _free = [.. Enumerable.Range(0, Classes).Select(_ => new Stack<CudaBlock>())];
    private CudaMemoryStatistics _statistics;

    internal CudaMemoryPool(CudaDevice device) => _device = device;

    /// <summary>The present figures.</summary>
    public CudaMemoryStatistics Statistics
    {
        get
        {
            lock (_lock)
                return _statistics;
        }
    }

    /// <summary>Gives waiting blocks back to the driver; returns how many bytes that was.</summary>
    public long Trim()
    {
        _device.MakeCurrent();
        lock (_lock)
        {
            long freed = 0;
            for (int sizeClass = 0; sizeClass < Classes; sizeClass++)
            {
                while (_free[sizeClass].TryPop(out var block))
                {
                    long bytes = BytesOf(sizeClass);
                    // The driver waits for the device before it takes the memory back.
                    _device.Check(_device.Driver.MemFree(block.Address), "cuMemFree", $"{bytes} bytes");
                    _statistics = _statistics with { PooledBytes = _statistics.PooledBytes - bytes };
                    freed += bytes;
                }
            }
            return freed;
        }
    }

    internal CudaBlock Rent(long bytes, CudaStream stream)
    {
        int sizeClass = ClassOf(bytes);
        long whole = BytesOf(sizeClass);
        lock (_lock)
        {
            // What a recorded step gave back serves the next one of the same graph, which runs after it.
            if (stream.Recording?.Memory is { } recording)
            {
                int known = recording.FindIndex(b => b.Class == sizeClass);
                if (known >= 0)
                {
                    var again = recording[known];
                    recording.RemoveAt(known);
                    return again;
                }
            }
            if (_free[sizeClass].TryPop(out var block))
            {
                Count(whole, -whole);
                Order(block.Stream, stream);
                return block with { Stream = stream };
            }
        }
        nint address = Allocate(whole);
        if (address == 0)
        {
            // Buffers that nobody uses any more but that wait for their finalizers count too.
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Trim();
            address = Allocate(whole);
        }
        if (address == 0)
            throw OutOfMemory(bytes);
        lock (_lock)
            Count(whole, 0);
        return new CudaBlock(address, sizeClass, stream);
    }

    internal void Return(CudaBlock block)
    {
        lock (_lock)
        {
            long bytes = BytesOf(block.Class);
            // A graph that is being recorded will use it at every replay.
            if (block.Stream.Recording?.Memory is { } recording)
            {
                recording.Add(block);
                return;
            }
            _free[block.Class].Push(block);
            Count(-bytes, bytes);
        }
    }

    /// <summary>Gives back the blocks of a recorded graph.</summary>
    internal void Return(IEnumerable<CudaBlock> blocks)
    {
        foreach (var block in blocks)
            Return(block with { Stream = block.Stream.IsDisposed ? _device.Stream : block.Stream });
    }

    /// <summary>The size class that holds so many bytes.</summary>
    internal static int ClassOf(long bytes)
    {
        if (bytes <= 1L << SmallestExponent)
            return 0;
        // bytes lies in (2^e, 2^(e+1)]; each such interval is cut in four.
        int exponent = 63 - BitOperations.LeadingZeroCount((ulong)(bytes - 1));
        int quarter = (int)((bytes - 1) >> (exponent - 2)) & 3;
        return 1 + 4 * (exponent - SmallestExponent) + quarter;
    }

    /// <summary>The bytes of a block of a size class.</summary>
    internal static long BytesOf(int sizeClass)
    {
        if (sizeClass == 0)
            return 1L << SmallestExponent;
        int exponent = SmallestExponent + (sizeClass - 1) / 4;
        return (1L << exponent) + ((sizeClass - 1) % 4 + 1) * (1L << (exponent - 2));
    }

    private nint Allocate(long bytes)
    {
        _device.MakeCurrent();
        nint address;
        int code = _device.Driver.MemAlloc(&address, (nuint)bytes);
        if (code == DriverError.OutOfMemory)
            return 0;
        _device.Check(code, "cuMemAlloc", $"{bytes} bytes on {_device}");
        return address;
    }

    private CudaOutOfMemoryException OutOfMemory(long bytes)
    {
        nuint free;
        nuint total;
        _device.Check(_device.Driver.MemGetInfo(&free, &total), "cuMemGetInfo");
        return new CudaOutOfMemoryException(bytes, (long)free, (long)total, Statistics.LiveBytes);
    }

    private static void Order(CudaStream before, CudaStream after)
    {
        // The end of a stream waited for its work.
        if (before == after || before.IsDisposed)
            return;
        // What is recorded cannot wait for what is not, and a replay may go to any stream: the memory must be free now.
        if (after.Recording is not null)
            before.Synchronize();
        else
            after.Wait(before);
    }

    private void Count(long live, long pooled)
    {
        long now = _statistics.LiveBytes + live;
        _statistics = new CudaMemoryStatistics(
            now,
            Math.Max(now, _statistics.PeakBytes),
            _statistics.PooledBytes + pooled
        );
    }
}
