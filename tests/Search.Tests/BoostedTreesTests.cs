using Picograd.Search.CostModels;
using Xunit;

namespace Picograd.Tests;

public class BoostedTreesTests
{
    private static (List<double[]> X, List<double> Y, List<int> Groups) Data(int seed)
    {
        var random = new Random(seed);
        var x = new List<double[]>();
        var y = new List<double>();
        var groups = new List<int>();
        for (int i = 0; i < 600; i++)
        {
            double[] v = [random.NextDouble(), random.NextDouble(), random.NextDouble()];
            x.Add(v);
            // Two features that count together only, and a constant for each group that says nothing about order.
            int group = i % 3;
            y.Add((v[0] < 0.5 == v[1] < 0.3 ? 1 : -1) + 100 * group);
            groups.Add(group);
        }
        return (x, y, groups);
    }

    [Fact]
    public void LearnsWhatTwoFeaturesDoTogether()
    {
        var (x, y, groups) = Data(1);
        var model = BoostedTrees.Fit(x, y, [.. x.Select(_ => 1.0)], groups, new());
        Assert.True(model.Predict([0.2, 0.1, 0.5]) > model.Predict([0.2, 0.9, 0.5]) + 1.5);
        Assert.True(model.Predict([0.9, 0.9, 0.5]) > model.Predict([0.9, 0.1, 0.5]) + 1.5);
        // Constants of groups are not learned.
        Assert.InRange(model.Predict([0.2, 0.1, 0.5]), -3, 3);
    }

    [Fact]
    public void TextHoldsTheModel()
    {
        var (x, y, groups) = Data(2);
        var model = BoostedTrees.Fit(x, y, [.. x.Select(_ => 1.0)], groups, new());
        using var text = new StringWriter { NewLine = "\n" };
        model.Write(text);
        var read = BoostedTrees.Read(new StringReader(text.ToString()));
        Assert.Equal(3, read.FeatureCount);
        Assert.All(x, v => Assert.InRange(model.Predict(v) - read.Predict(v), -1e-3, 1e-3));
        using var again = new StringWriter { NewLine = "\n" };
        read.Write(again);
        Assert.Equal(text.ToString(), again.ToString());
    }

    [Theory]
    [InlineData("picograd-trace 1", "line 1")]
    [InlineData("picograd-residual 1 3\n0<0.5>1 1 what", "line 2: 'what' is no number")]
    [InlineData("picograd-residual 1 3\n3<0.5>1 1 2", "line 2: node 0 leads nowhere")]
    [InlineData("picograd-residual 1 3\n0<0.5>0 1 2", "line 2: node 0 leads nowhere")]
    public void WhatIsWrongWithATextIsTold(string text, string what) =>
        Assert.Contains(what, Assert.Throws<FormatException>(() => BoostedTrees.Read(new StringReader(text))).Message);
}
