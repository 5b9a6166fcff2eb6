using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Search.Measurement;
using Xunit;

namespace Picograd.Tests;

/// <summary>What is timed of a range stands for more than one of its shapes.</summary>
public class RangePointsTests
{
    [Theory]
    [InlineData("softmax rows=1..200 cols=100", 131, 11, 12)]
    [InlineData("softmax rows=1..4096@512 cols=100", 509, 23, 22)]
    [InlineData("softmax rows=130..132 cols=100", 131, 131, 0)]
    [InlineData("matmul m=1..256 n=64 k=64", 131, 11, 4)]
    public void Points_count_alike(string text, long point, long smaller, int runs)
    {
        var range = Problem.OfOperator(text);
        Assert.Equal(point, range.Point.Single());
        Assert.Equal(smaller, KernelAtPoints.Smaller(range).Single());
        var calls = new Calls();
        var kernel = new KernelAtPoints(calls, range);
        unsafe
        {
            kernel.Run(null, null);
        }
        Assert.Equal([.. Enumerable.Repeat(smaller, runs), point], calls.Extents);
        Assert.Equal(runs == 0 ? 1 : 2, kernel.Points);
    }

    private sealed class Calls : ICompiledKernel
    {
        public List<long> Extents { get; } = [];

        public long WorkspaceBytes => 0;

        public unsafe void Run(nint* arguments, long* parameters) => Extents.Add(*parameters);

        public void Dispose() { }
    }
}
