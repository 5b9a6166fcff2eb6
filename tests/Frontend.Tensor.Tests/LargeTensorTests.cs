using Picograd.Algorithms;
using Picograd.Lower.Cpu.Runtime;
using Xunit;

namespace Picograd.Tests;

/// <summary>More than 2^31 − 1 elements, of one byte each, where the machine has the memory for them.</summary>
public sealed class LargeTensorTests : IDisposable
{
    private const long N = (1L << 31) + 5;
    private const long NeededBytes = 7L << 30;

    public LargeTensorTests()
    {
        var memory = GC.GetGCMemoryInfo();
        long free = Math.Min(memory.TotalAvailableMemoryBytes, AvailableBytes());
        Skip.If(free < NeededBytes, $"{free >> 20} MiB of memory are free, {NeededBytes >> 20} are needed");
        Setup.UseCpu(Math.Min(2, Environment.ProcessorCount));
    }

    public void Dispose()
    {
        Setup.UseEvaluator();
        CpuMemory.Trim();
    }

    [SkippableFact]
    public void OperatorsReachTheLastElement()
    {
        using var scope = Tensor.Scope();
        var x = Tensor.Zeros([N], DType.Bool);
        x[N - 2] = Tensor.From(true);
        x[new Slice(1, null, 1L << 30)] = Tensor.From(true);
        Assert.Equal([1L, (1L << 30) + 1, (1L << 31) + 1, N - 2], x.NonZero().Flatten().ToArray<long>());
        Assert.Equal([true, true, true, true], x[x].ToArray<bool>());
        Assert.Equal([true, false, false], x[Tensor.From([-2L, N - 1, 0])].ToArray<bool>());
        Assert.EndsWith("True, False])", x.ToString());
        x[Tensor.From([N - 1, 2])] = Tensor.From([true, true]);
        Assert.Equal([false, true, true], x[new Slice(-3)].ToArray<bool>());
        // As a matrix, written across.
        var matrix = x[new Slice(0, N - 5)].View(2, -1);
        matrix.T[new Slice((1L << 30) - 2)] = Tensor.From([true, false], [2]);
        Assert.Equal([true, false], matrix[.., -1].ToArray<bool>());
    }

    [SkippableFact]
    public void ArraysOfThatSizeAreRefused()
    {
        using var x = Tensor.Empty([N], DType.UInt8);
        Assert.Contains(
            "an array holds at most",
            Assert.Throws<InvalidOperationException>(() => x.ToArray<byte>()).Message
        );
    }

    private static long AvailableBytes() =>
        OperatingSystem.IsLinux()
        && File.ReadLines("/proc/meminfo").FirstOrDefault(l => l.StartsWith("MemAvailable", StringComparison.Ordinal))
            is { } line
            ? long.Parse(
                line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
                System.Globalization.CultureInfo.InvariantCulture
            ) << 10
            : long.MaxValue;
}
