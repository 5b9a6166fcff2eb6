using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Operators;

public class RandomNumberTests
{
    // Known answers published with Random123 (kat_vectors, "philox4x32 10").
    [Theory]
    [InlineData("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8")]
    [InlineData("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd")]
    [InlineData("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1")]
    public void Philox_gives_the_published_answers(string counter, string key, string expected)
    {
        static long[] Parse(string words) => [.. words.Split(' ').Select(w => Convert.ToInt64(w, 16))];
        var g = new AlgorithmBuilder("philox");
        var c = g.Input("C", DType.UInt32, 4);
        var k = g.Input("K", DType.UInt32, 2);
        var words = Philox.Block([c[0], c[1], c[2], c[3]], [k[0], k[1]]);
        var outputs = words.Select((w, i) => g.Stage($"W{i}", [], w)).ToArray();
        var algorithm = g.Build(outputs);
        var got = Evaluator.Run(
            algorithm,
            new Dictionary<Picograd.Algorithms.Buffer, NDArray>
            {
                [c] = NDArray.Of(DType.UInt32, [4], Parse(counter)),
                [k] = NDArray.Of(DType.UInt32, [2], Parse(key)),
            }
        );
        Assert.Equal(Parse(expected), outputs.Select(o => got[o].Longs[0]));
    }

    [Fact]
    public void Uniform_numbers_are_the_first_words_of_consecutive_blocks()
    {
        const long seed = unchecked((long)0x9876543210abcdefUL);
        const long offset = (1L << 32) - 3;
        var spec = OperatorSpec.Parse("random_uniform n=7");
        var y = Draw(spec, ("seed", seed), ("offset", offset));
        for (int i = 0; i < 7; i++)
        {
            ulong block = (ulong)(offset + i);
            uint word = PlainPhilox(
                [(uint)block, (uint)(block >> 32), 0, 0],
                [unchecked((uint)seed), unchecked((uint)(seed >> 32))]
            )[0];
            Assert.Equal((word >> 8) / 16777216.0, y.At(i));
        }
    }

    [Fact]
    public void Float64_numbers_have_53_random_bits_of_which_the_first_24_are_those_of_float32()
    {
        const int n = 2000;
        var narrow = Draw(OperatorSpec.Parse($"random_uniform n={n}"), ("seed", 5), ("offset", 9)).Doubles;
        var wide = Draw(OperatorSpec.Parse($"random_uniform n={n} dtype=f64"), ("seed", 5), ("offset", 9)).Doubles;
        long seen = 0;
        for (int i = 0; i < n; i++)
        {
            long bits = (long)(wide[i] * (1L << 53));
            Assert.Equal(wide[i], bits / (double)(1L << 53));
            Assert.Equal(narrow[i], Math.Floor(wide[i] * (1 << 24)) / (1 << 24));
            seen |= bits;
        }
        Assert.Equal((1L << 53) - 1, seen);
        var normal = Draw(OperatorSpec.Parse($"random_normal n={n} dtype=f64"), ("seed", 5), ("offset", 9)).Doubles;
        var rough = Draw(OperatorSpec.Parse($"random_normal n={n}"), ("seed", 5), ("offset", 9)).Doubles;
        for (int i = 0; i < n; i++)
        {
            Assert.InRange(normal[i] - rough[i], -1e-3, 1e-3);
            Assert.NotEqual(rough[i], normal[i]);
        }
    }

    // The product of the limit and the block's 128 bits, in arithmetic of any length.
    [Theory]
    [InlineData(1L)]
    [InlineData(6L)]
    [InlineData((1L << 31) - 1)]
    [InlineData((1L << 31) + 1)]
    [InlineData(3L << 61)]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    [InlineData(-1L)]
    public void Integers_are_the_limit_times_the_block_as_a_fraction(long limit)
    {
        const long seed = -77;
        var spec = OperatorSpec.Parse("random_integer n=200");
        var got = Draw(spec, ("seed", seed), ("offset", 3), ("limit", limit)).Longs;
        for (int i = 0; i < got.Length; i++)
        {
            var words = PlainPhilox([(uint)(3 + i), 0, 0, 0], [unchecked((uint)seed), uint.MaxValue]);
            var fraction = words.Aggregate(System.Numerics.BigInteger.Zero, (all, w) => (all << 32) + w);
            Assert.Equal((ulong)((fraction * (ulong)limit) >> 128), (ulong)got[i]);
        }
    }

    [Fact]
    public void Moments_are_those_of_the_distributions()
    {
        const int n = 20000;
        var uniform = Draw(OperatorSpec.Parse($"random_uniform n={n}"), ("seed", 42), ("offset", 0)).Doubles;
        Assert.All(uniform, u => Assert.InRange(u, 0, 1 - 1.0 / (1 << 24)));
        Assert.InRange(uniform.Average(), 0.49, 0.51);
        Assert.InRange(uniform.Average(u => (u - 0.5) * (u - 0.5)), 0.081, 0.086);
        var normal = Draw(OperatorSpec.Parse($"random_normal n={n}"), ("seed", 42), ("offset", 0)).Doubles;
        Assert.InRange(normal.Average(), -0.03, 0.03);
        Assert.InRange(normal.Average(z => z * z), 0.96, 1.04);
        Assert.InRange(normal.Average(z => z * z * z * z), 2.8, 3.2);
        var spec = OperatorSpec.Parse($"random_integer n={n}");
        var integers = Draw(spec, ("seed", 42), ("offset", 0), ("limit", 6)).Longs;
        for (int face = 0; face < 6; face++)
            Assert.InRange(integers.Count(v => v == face), n / 6 - 200, n / 6 + 200);
        Assert.All(integers, v => Assert.InRange(v, 0, 5));
    }

    private static NDArray Draw(OperatorSpec spec, params (string Name, long Value)[] scalars)
    {
        var algorithm = spec.Build();
        var inputs = algorithm.Inputs.ToDictionary(
            b => b,
            b => NDArray.Of(b.Type, [], [scalars.Single(s => s.Name == b.Name).Value])
        );
        return Evaluator.Run(algorithm, inputs)[algorithm.Outputs[0]];
    }

    // The reference implementation, in 64-bit unsigned arithmetic.
    private static uint[] PlainPhilox(uint[] c, uint[] k)
    {
        var (k0, k1) = (k[0], k[1]);
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = 0xD2511F53UL * c[0];
            ulong p1 = 0xCD9E8D57UL * c[2];
            c = [(uint)(p1 >> 32) ^ c[1] ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c[3] ^ k1, (uint)p0];
            k0 = unchecked(k0 + 0x9E3779B9);
            k1 = unchecked(k1 + 0xBB67AE85);
        }
        return c;
    }
}
