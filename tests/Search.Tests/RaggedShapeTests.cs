using Picograd.Algorithms.Operators;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

public class RaggedShapeTests
{
    [Theory]
    [InlineData("matmul m=5 n=7 k=3", "matmul m=4 n=6 k=2")]
    [InlineData("relu n=1001", "relu n=1000")]
    [InlineData("relu n=2", null)]
    [InlineData("matmul m=2048 n=2048 k=2048", "matmul m=511 n=511 k=511")]
    public void IsNearAndOfLargeOperatorsSmaller(string spec, string? near) =>
        Assert.Equal(near, RaggedShape.Near(OperatorSpec.Parse(spec))?.ToString());

    [Fact]
    public void ARunOfItIsNeverLong()
    {
        foreach (
            string text in new[]
            {
                "embedding.adjoint vocab=50257 dim=768 rows=1024",
                "cross_entropy rows=1024 classes=50257",
                "matmul m=1024 n=50257 k=768 tb=1",
                "conv2d n=8 c=64 h=56 w=56 oc=64 kh=3 kw=3 pad=1",
                "attention b=8 h=12 tq=1024 tk=1024 d=64 causal=1",
            }
        )
        {
            var spec = OperatorSpec.Parse(text);
            var near = RaggedShape.Near(spec)!;
            Assert.True(near.Flops <= 5e8, $"{near}: {near.Flops}");
            Assert.NotEqual(spec, near);
        }
    }
}
