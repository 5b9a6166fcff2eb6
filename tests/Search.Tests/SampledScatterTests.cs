using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests;

public class SampledScatterTests
{
    [Theory]
    [InlineData("embedding.adjoint vocab=17 dim=300 rows=40", 300)]
    [InlineData("embedding.adjoint vocab=170 dim=300 rows=2", 300)]
    [InlineData("gather.adjoint rows=300 cols=11 n=20", 300)]
    public void ADimensionThatAScatterKeepsIsSampledAndItsPlacesAreWhole(string text, int kept)
    {
        var spec = OperatorSpec.Parse(text);
        var inputs = spec.MakeInputs(1);
        var whole = Assert.Single(SampledEvaluator.Run(spec.Build(), inputs, double.PositiveInfinity, 1));
        var sample = Assert.Single(SampledEvaluator.Run(spec.Build(), inputs, maxPoints: 1500, seed: 1));
        Assert.InRange(sample.Positions.Length, 1, whole.Positions.Length / 2);
        int other = whole.Positions.Length / kept;
        // Every place that data may choose is there, at some of the positions that it does not.
        Assert.Equal(0, sample.Positions.Length % other);
        for (int i = 0; i < sample.Positions.Length; i++)
        {
            Assert.Equal(whole.Expected.Value.At((int)sample.Positions[i]), sample.Expected.Value.At(i));
            Assert.Equal(whole.Expected.Bound[sample.Positions[i]], sample.Expected.Bound[i]);
        }
    }
}
