using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Draws are distributed as they should be; the bounds are those of chi-square at about 10⁻⁶, for fixed seeds.</summary>
public class SamplingTests
{
    [Fact]
    public void MultinomialDrawsInProportion()
    {
        double[] weights = [1, 10, 3, 0, 0.5, 0, 7, 1e-30, 20];
        foreach (bool replacement in new[] { true, false })
        {
            // Without replacement the first of two draws has the same distribution.
            const int N = 20000;
            var rows = Tensor.From(weights).Reshape(1, 9).Expand(N, 9);
            var drawn = rows.Multinomial(replacement ? 1 : 2, replacement, new Generator(3));
            long[] first = drawn[.., 0..1].Flatten().ToArray<long>();
            ChiSquare(first, [.. weights.Select(w => w / weights.Sum())], 45);
            if (replacement)
                continue;
            // The second: Σ over the first of p(first) · p(second) / (1 − p(first)).
            double total = weights.Sum();
            double[] second =
            [
                .. weights.Select((w, j) => weights.Where((_, i) => i != j).Sum(v => v / total * w / (total - v))),
            ];
            ChiSquare(drawn[.., 1..2].Flatten().ToArray<long>(), second, 45);
        }
    }

    [Fact]
    public void ManyDrawsFromManyCategories()
    {
        const int Classes = 50257;
        var p = (Tensor.Rand([Classes], new Generator(1)) - 0.5).Relu();
        double[] weights = p.ToDoubles();
        long[] drawn = p.Multinomial(2000, true, new Generator(2)).ToArray<long>();
        Assert.All(drawn, i => Assert.True(weights[i] > 0));
        double[] running = new double[Classes];
        double sum = 0;
        for (int i = 0; i < Classes; i++)
            running[i] = sum += weights[i];
        // Where in the running sum a draw lies is uniform.
        long[] tenths = [.. drawn.Select(i => (long)Math.Min(9, 10 * (running[i] - weights[i] / 2) / sum))];
        ChiSquare(tenths, [.. Enumerable.Repeat(0.1, 10)], 45);
        long[] distinct = p.Multinomial(2000, false, new Generator(2)).ToArray<long>();
        Assert.Equal(2000, distinct.Distinct().Count());
        Assert.All(distinct, i => Assert.True(weights[i] > 0));
    }

    [Fact]
    public void WithoutReplacementEveryPossibleCategoryComesOnce()
    {
        var p = Tensor.From([0f, 1, 10, 0, 1e-38f, 3], [2, 3]);
        long[] drawn = p.Multinomial(2, false, new Generator(1)).ToArray<long>();
        Assert.Equal([1, 2, 1, 2], drawn.Chunk(2).SelectMany(r => r.Order()));
        Assert.Equal([0, 3], Tensor.Zeros(0, 5).Multinomial(3).Shape.ToArray());
        Assert.Equal(1L, Tensor.From([0f, 5]).Multinomial(1).Item<long>());
        void Refused(Action run, string reason) =>
            Assert.Contains(reason, Assert.Throws<ArgumentException>(run).Message);
        Refused(
            () => Tensor.From([1f, 10, 3, 0]).Multinomial(4),
            "from row 0, in which 3 categories have a probability"
        );
        Refused(() => Tensor.From([0f, 5]).Multinomial(2), "from row 0, in which 1 categories");
        Refused(() => Tensor.From([1f, float.NaN]).Multinomial(1), "must be of numbers that are finite");
        Refused(() => Tensor.From([1f, float.PositiveInfinity]).Multinomial(1), "must be of numbers that are finite");
        Assert.Equal([1, 1, 1], Tensor.From([0f, 5]).Multinomial(3, true).ToArray<long>());
    }

    [Theory]
    [InlineData(long.MinValue, long.MaxValue)]
    [InlineData(0, long.MaxValue)]
    [InlineData(long.MinValue, 0)]
    [InlineData(-5, (3L << 61) - 5)]
    [InlineData(0, 3L << 30)]
    [InlineData(-3, 4)]
    public void IntegersOfAnyRangeAreUniform(long low, long high)
    {
        const int N = 7000;
        long[] drawn = Tensor.RandInt(low, high, [N], new Generator(9)).ToArray<long>();
        Assert.All(drawn, v => Assert.True(v >= low && v < high));
        double range = (double)((Int128)high - low);
        ChiSquare(
            [.. drawn.Select(v => (long)((double)((Int128)v - low) / range * 7))],
            [.. Enumerable.Repeat(1 / 7.0, 7)],
            40
        );
        if (range < 100)
            return;
        // The low bits are random too, and numbers are not drawn again and again.
        ChiSquare([.. drawn.Select(v => v & 7)], [.. Enumerable.Repeat(1 / 8.0, 8)], 42);
        Assert.True(drawn.Distinct().Count() > N - 20);
    }

    [Fact]
    public void TheShortFormStartsAtZero() =>
        Assert.Equal(
            Tensor.RandInt(0, 100, [50], new Generator(1)).ToArray<long>(),
            Tensor.RandInt(100, [50], new Generator(1)).ToArray<long>()
        );

    [Fact]
    public void Float64DrawsHaveAllTheirBits()
    {
        double[] u = Tensor.Rand([4000], new Generator(1), DType.Float64).ToArray<double>();
        float[] narrow = Tensor.Rand([4000], new Generator(1)).ToArray<float>();
        Assert.Contains(u, v => v * (1 << 24) % 1 != 0);
        Assert.Equal(0, u.Select(v => (long)(v * (1L << 53))).Aggregate((1L << 53) - 1, (all, v) => all & ~v));
        Assert.All(u.Zip(narrow), p => Assert.Equal(p.Second, Math.Floor(p.First * (1 << 24)) / (1 << 24)));
        ChiSquare([.. u.Select(v => (long)(v * 16))], [.. Enumerable.Repeat(1 / 16.0, 16)], 60);
        double[] z = Tensor.Randn([4000], new Generator(1), DType.Float64).ToArray<double>();
        Assert.Equal(4000, z.Distinct().Count());
        // Quartiles of the normal distribution.
        long[] quarters =
        [
            .. z.Select(v =>
                v < -0.6744897501960817 ? 0L
                : v < 0 ? 1
                : v < 0.6744897501960817 ? 2
                : 3
            ),
        ];
        ChiSquare(quarters, [0.25, 0.25, 0.25, 0.25], 32);
    }

    private static void ChiSquare(long[] drawn, double[] probabilities, double most)
    {
        double sum = 0;
        for (int i = 0; i < probabilities.Length; i++)
        {
            double expected = probabilities[i] * drawn.Length;
            long seen = drawn.LongCount(d => d == i);
            if (probabilities[i] == 0)
                Assert.Equal(0, seen);
            else
                sum += (seen - expected) * (seen - expected) / Math.Max(expected, 1e-3);
        }
        Assert.True(sum < most, $"chi-square is {sum}");
    }
}
