using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>The same on machine code.</summary>
public sealed class SharedMemoryOnCpuTests : SharedMemoryTests, IDisposable
{
    public SharedMemoryOnCpuTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();
}

/// <summary>What is read lies in the memory that is written: the result is that of a copy made before.</summary>
public class SharedMemoryTests
{
    private static Tensor Square() => Tensor.Arange(9).Reshape(3, 3).Clone();

    private static Tensor Thirds() => Tensor.From([1L, 0, 2, 2, 2, 0, 0, 1, 1], [3, 3]);

    // Each changes its first argument by reading from the second one, which has the same elements.
    public static TheoryData<string, Func<Tensor>, Action<Tensor, Tensor>> Changes =>
        new()
        {
            { "indices", () => Tensor.From([1L, 2, 0]), (x, read) => x[read] = Tensor.From([7L, 8, 9]) },
            { "far values", () => Tensor.From([1L, 2, 0]), (x, read) => x[read] = Tensor.Full([3], 1L << 33) },
            { "part of the indices", () => Tensor.From([1L, 2, 0]), (x, read) => x[read[..2]] = Tensor.From([7L, 8]) },
            { "indices and values", () => Tensor.From([1L, 2, 0]), (x, read) => x[read] = read * 1 },
            { "strided indices", () => Thirds(), (x, read) => x[read[.., 1]] = read[0] },
            {
                "accumulated",
                () => Tensor.From([1L, 2, 0, 1]),
                (x, read) => x.IndexPut_([read], Tensor.From([1L << 33, 5, 5, 5]), accumulate: true)
            },
            {
                "two index tensors",
                () => Thirds(),
                (x, read) => x[read[0], read[2]] = Tensor.From([1L << 33, 1L << 34, 1L << 35])
            },
            { "slices", () => Square().Flatten(), (x, read) => x[1..] = read[..^1] },
            { "transpose", Square, (x, read) => x.Copy_(read.T) },
            { "a row for all", Square, (x, read) => x.Add_(read[1]) },
            { "product with the transpose", Square, (x, read) => x.T.Mul_(read) },
            { "values by columns", Square, (x, read) => x[.., Tensor.From([2L, 1, 0])] = read },
            { "a mask", () => Square() > 4, (x, read) => x[read] = Tensor.From(false) },
            { "a mask's row", () => Square() > 4, (x, read) => x[read[1]] = read[0] },
        };

    [Theory]
    [MemberData(nameof(Changes))]
    public void IsReadBeforeItIsWritten(string name, Func<Tensor> make, Action<Tensor, Tensor> change)
    {
        var expected = make();
        change(expected, expected.Clone());
        var x = make();
        change(x, x);
        Assert.True(expected.ToDoubles().AsSpan().SequenceEqual(x.ToDoubles()), $"{name}: {x} is not {expected}");
    }
}
