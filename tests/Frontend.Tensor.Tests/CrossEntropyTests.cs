using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class CrossEntropyTests
{
    private static readonly double[] Logits = [0.5, -1, 2, 1, 0.25, -0.5, -2, 1.5, 0, 0.75, -0.25, 1];

    // What libtorch 2.10 gives.
    [Theory]
    [InlineData(LossReduction.Mean, 1.9574839041391476, 1.771746120884934, 1.8047061263613697, 1.4906316139862028)]
    [InlineData(LossReduction.Sum, 5.872451712417443, 6.201111423097269, 5.414118379084109, 4.471894841958608)]
    public void ValuesOfPyTorch(LossReduction reduction, double plain, double weighted, double smooth, double both)
    {
        var x = Tensor.From(Logits, [2, 3, 2]);
        var t = Tensor.From([2L, 0, -100, 1], [2, 2]);
        var w = Tensor.From([0.5, 2, 1]);
        new Plain([], [plain]).Same(F.CrossEntropy(x, t, reduction), 1e-12);
        new Plain([], [weighted]).Same(F.CrossEntropy(x, t, reduction, weight: w), 1e-12);
        new Plain([], [smooth]).Same(F.CrossEntropy(x, t, reduction, labelSmoothing: 0.25), 1e-12);
        new Plain([], [both]).Same(F.CrossEntropy(x, t.Clamp(0), reduction, 0, 0.25, w), 1e-12);
        var shares = x.Softmax(1).IndexSelect(2, Tensor.From([1L, 0]));
        double expected = reduction == LossReduction.Mean ? 1.2649159282465847 : 5.059663712986339;
        new Plain([], [expected]).Same(F.CrossEntropy(x, shares, reduction, labelSmoothing: 0.25, weight: w), 1e-12);
    }

    [Fact]
    public void WhereNothingCounts()
    {
        var x = Tensor.From(Logits, [4, 3]);
        var none = Tensor.Full([4], -100);
        Assert.True(double.IsNaN(F.CrossEntropy(x, none).Item()));
        Assert.Equal(0, F.CrossEntropy(x, none, LossReduction.Sum).Item());
        Assert.Equal([0, 0, 0, 0], F.CrossEntropy(x, none, LossReduction.None).ToDoubles());
        var (empty, nobody) = (Tensor.Zeros(0, 3), Tensor.Zeros([0], DType.Int64));
        Assert.True(double.IsNaN(F.CrossEntropy(empty, nobody).Item()));
        Assert.Equal(0, F.CrossEntropy(empty, nobody, LossReduction.Sum).Item());
        Assert.Equal([0], F.CrossEntropy(empty, nobody, LossReduction.None).Shape.ToArray());
        // What an ignored example says does not matter, and its gradient is 0.
        x = Tensor.From([1.0, double.PositiveInfinity, 0.5, 2], [2, 2]).RequiresGrad_();
        var loss = F.CrossEntropy(x, Tensor.From([-100L, 1]));
        new Plain([], [Math.Log(1 + Math.Exp(0.5 - 2))]).Same(loss, 1e-12);
    }

    // Random shapes, targets, options: against plain loops, in every reduction.
    [Fact]
    public void RandomOptions()
    {
        var random = new Random(11);
        for (int trial = 0; trial < 60; trial++)
        {
            long[] more = [.. Enumerable.Range(0, random.Next(3)).Select(_ => (long)random.Next(1, 4))];
            long n = random.Next(1, 4);
            int classes = random.Next(1, 6);
            var x = Make.Values([n, classes, .. more], DType.Float64, trial);
            if (random.Next(3) == 0)
                x = Make.Ragged(x);
            var w = random.Next(2) == 0 ? Make.Values([classes], DType.Float64, trial + 1, positive: true) : null;
            double smoothing = random.Next(2) == 0 ? 0 : random.NextDouble();
            bool probabilities = random.Next(3) == 0;
            long ignore = random.Next(3) switch
            {
                0 => -100,
                1 => random.Next(classes),
                _ => 1000,
            };
            long[] shape = [n, .. more];
            long count = shape.Aggregate(1L, (a, b) => a * b);
            long[] picks =
            [
                .. Enumerable.Range(0, (int)count).Select(_ => random.Next(4) == 0 ? ignore : random.Next(classes)),
            ];
            var targets = probabilities
                ? Make.Values([n, classes, .. more], DType.Float64, trial + 2, positive: true)
                : Tensor.From(picks, shape);

            var (logits, given) = (Plain.Of(x), Plain.Of(targets));
            double[] losses = new double[count];
            double total = 0;
            for (int i = 0; i < count; i++)
            {
                long[] at = Plain.Index(shape, i);
                double Of(Plain p, int c) => p.At([at[0], c, .. at[1..]]);
                double Weight(int c) => w?.ToDoubles()[c] ?? 1;
                double all = Enumerable.Range(0, classes).Sum(c => Math.Exp(Of(logits, c)));
                for (int c = 0; c < classes; c++)
                {
                    double share =
                        probabilities ? Of(given, c)
                        : picks[i] == c ? 1
                        : 0;
                    share = share * (1 - smoothing) + smoothing / classes;
                    bool counts = probabilities || picks[i] != ignore;
                    losses[i] += counts ? -share * Weight(c) * (Of(logits, c) - Math.Log(all)) : 0;
                }
                total +=
                    probabilities ? 1
                    : picks[i] == ignore ? 0
                    : Weight((int)picks[i]);
            }
            string what = $"trial {trial}";
            Tensor Loss(LossReduction r) => F.CrossEntropy(x, targets, r, probabilities ? -100 : ignore, smoothing, w);
            new Plain(shape, losses).Same(Loss(LossReduction.None), 1e-10);
            new Plain([], [losses.Sum()]).Same(Loss(LossReduction.Sum), 1e-10);
            new Plain([], [losses.Sum() / total]).Same(Loss(LossReduction.Mean), 1e-10);
            Assert.True(x.NumElements > 0, what);
        }
    }

    [Fact]
    public void WhatDoesNotFitIsNamed()
    {
        var x = Tensor.Zeros(2, 3);
        void Refused(Action run, string reason) =>
            Assert.Contains(reason, Assert.Throws<ArgumentException>(run).Message);
        Refused(() => F.CrossEntropy(x, Tensor.Zeros([2, 3, 1], DType.Int64)), "[2, 3]");
        Refused(() => F.CrossEntropy(Tensor.Zeros(2, 3, 4), Tensor.Zeros([2, 3], DType.Int64)), "[2, 3, 4]");
        Refused(() => F.CrossEntropy(x, Tensor.Zeros([2, 3], DType.Float64)), "the probabilities f64");
        Refused(() => F.CrossEntropy(x, Tensor.Zeros([2], DType.Int64), labelSmoothing: 1.5), "labelSmoothing is 1.5");
        Refused(
            () => F.CrossEntropy(x, Tensor.Zeros([2], DType.Int64), weight: Tensor.Ones(2)),
            "a weight of shape [2]"
        );
        Refused(() => F.CrossEntropy(Tensor.Zeros(2, 0), Tensor.Zeros([2], DType.Int64)), "no classes");
        var wrong = Assert.Throws<IndexOutOfRangeException>(() => F.CrossEntropy(x, Tensor.From([0L, -1])));
        Assert.Contains("index -1 at place 1", wrong.Message);
        Assert.Throws<IndexOutOfRangeException>(() => F.CrossEntropy(x, Tensor.From([0L, 3])));
    }

    [Fact]
    public void OneHotCountsItsClasses()
    {
        var x = Tensor.From([2L, 0]);
        new Plain([2, 3], [0, 0, 1, 1, 0, 0]).Same(F.OneHot(x));
        new Plain([2, 3], [0, 0, 1, 1, 0, 0]).Same(F.OneHot(x, -1));
        new Plain([2, 4], [0, 0, 1, 0, 1, 0, 0, 0]).Same(F.OneHot(x, 4));
        Assert.Throws<IndexOutOfRangeException>(() => F.OneHot(x, 2));
        Assert.Throws<ArgumentException>(() => F.OneHot(x, 0));
        Assert.Throws<ArgumentException>(() => F.OneHot(Tensor.Zeros([0], DType.Int64)));
    }
}
