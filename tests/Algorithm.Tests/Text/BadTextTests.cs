using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Text;

public class BadTextTests
{
    private const string Head = "algorithm bad\n  input X: f32[5, 7]\n  input T: i64[5]\n";

    [Theory]
    [InlineData("", 1, 1, "a text of an algorithm begins with 'algorithm NAME'")]
    [InlineData("algorithm a\n  input X: f31[5]\n", 2, 12, "'f31' is no dtype")]
    [InlineData("algorithm a\n  input X: f32[-5]\n", 2, 16, "the extent -5 may be negative")]
    [InlineData("algorithm a\n  parameter N in 7..3\n", 2, 18, "bounds satisfy 0 <= smallest <= largest")]
    [InlineData("algorithm a\n  input X: f32[5] postive\n", 2, 19, "did you mean positive?")]
    [InlineData("algorithm a\n  input X: f32[5] below 9\n", 2, 19, "indices are whole numbers, not f32")]
    [InlineData("algorithm a\n  input X: f32[999999999999]\n", 2, 9, "the most that a tensor may have")]
    [InlineData(Head + "  Y[i] = X[i, 0 over i<5\n  output Y\n", 4, 11, "'[' is not closed")]
    [InlineData(
        Head + "  Y[i] = X[i, 0) over i<5\n  output Y\n",
        4,
        16,
        "')' does not close the '[' of line 4, column 11"
    )]
    [InlineData(Head + "  Y[i] = X[i] over i<5\n  output Y\n", 4, 10, "X has 2 dimensions and was indexed with 1")]
    [InlineData(Head + "  Y[i] = W[i] over i<5\n  output Y\n", 4, 10, "there is no buffer 'W' before this")]
    [InlineData(Head + "  Y[i] = X[i, T[j]] over i<5\n  output Y\n", 4, 17, "'j' is not known here; known are i")]
    [InlineData(
        Head + "  Y[i] = X[i, 0] + T[i] over i<5\n  output Y\n",
        4,
        18,
        "needs operands of one type, not f32 and i64"
    )]
    [InlineData(Head + "  Y[i] = X[X[i, 0], 0] over i<5\n  output Y\n", 4, 12, "an index is an i64, but this is a f32")]
    [InlineData(
        Head + "  Y[i] = exq(X[i, 0]) over i<5\n  output Y\n",
        4,
        10,
        "there is no function 'exq' (did you mean exp?)"
    )]
    [InlineData(Head + "  Y[i] = T[i] // 0 over i<5\n  output Y\n", 4, 15, "the divisor is 0, but must be positive")]
    [InlineData(Head + "  Y[i] = T[i] / 2 over i<5\n  output Y\n", 4, 15, "'//' divides whole numbers")]
    [InlineData(Head + "  Y[i] = reduce.sun(X[i, j]) over i<5, j<7 reduce\n  output Y\n", 4, 10, "did you mean sum?")]
    [InlineData(
        Head + "  Y[i] = reduce.sum(X[i, j]) over i<5, j<7\n  output Y\n",
        4,
        3,
        "the output is indexed by the axes, in order: [i, j]"
    )]
    [InlineData(
        Head + "  Y[i] = reduce.argmax(X[i, j]) over i<5, j<7 reduce\n  output Y\n",
        4,
        10,
        "argmax takes 2 values, not 1"
    )]
    [InlineData(
        Head + "  Y[T[i]] = scatter.sum(X[i, 0]) over i<5 reduce\n  output Y\n",
        4,
        3,
        "the output of a scatter says its shape"
    )]
    [InlineData(Head + "  Y[i] = X[i, 0] over i<5\n  Z[i] = X[i, 1] over i<5\n  output Z\n", 4, 3, "nothing needs Y")]
    [InlineData(Head + "  Y[i] = X[i, 0] over i<5\n", 5, 1, "the line 'output NAME' is missing")]
    [InlineData(Head + "  X[i] = 1.0 over i<5\n  output X\n", 4, 3, "the name 'X' is taken")]
    [InlineData(Head + "  Y[i] = 5i31 over i<5\n  output Y\n", 4, 10, "5i31 is no whole number that i64 holds")]
    [InlineData(Head + "  Y[i] = 300u8 over i<5\n  output Y\n", 4, 10, "300u8 is no whole number that u8 holds")]
    [InlineData(Head + "  Y[i] = X[i, 0] ? 1 over i<5\n  output Y\n", 4, 18, "'?' has no meaning here")]
    [InlineData(Head + "  Y[i] = X[i, 0] over i<5 # fine\n  output Y, Z\n", 5, 13, "no stage computes 'Z'")]
    public void What_is_wrong_is_told_with_its_place(string text, int line, int column, string problem)
    {
        var e = Assert.Throws<AlgorithmTextException>(() => AlgorithmText.Parse(text));
        Assert.Contains(problem, e.Message, StringComparison.Ordinal);
        Assert.Equal((line, column), (e.Line, e.Column));
        Assert.StartsWith($"line {line}, column {column}: ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void People_may_write_comments_line_breaks_and_numbers_without_types()
    {
        var algorithm = AlgorithmText.Parse(
            """
            # A gated activation.
            algorithm gated
              input X: f64[5, 7] positive   # domains are not part of the algorithm

              Y[i, j] = select(X[i, j] > 1,
                               0.1 * X[i, j],
                               2) over i<5, j<7
              output Y
            """
        );
        Assert.Equal(
            "Y[i, j] = select(1.0f64 < X[i, j], 0.1f64 * X[i, j], 2.0f64) over i<5, j<7",
            algorithm.ToString().Split('\n')[2].Trim()
        );
    }

    [Fact]
    public void Texts_may_not_ask_for_too_much()
    {
        Refused("algorithm a\n" + new string(' ', 2 << 20), "characters");
        Refused(
            Head + $"  Y[i] = {new string('(', 5000)}X[i, 0]{new string(')', 5000)} over i<5\n",
            "within one another"
        );
        Refused(Head + $"  Y[i] = {string.Concat(Enumerable.Repeat("- ", 5000))}X[i, 0] over i<5\n", "nests too deep");
        Refused(
            Head + $"  Y[i] = X[i, 0]{string.Concat(Enumerable.Repeat(" + X[i, 0]", 2000))} over i<5\n",
            "above one another"
        );
        // Each line doubles what is written out.
        var doubled = new System.Text.StringBuilder(Head + "  Y[i] = t59 over i<5\n    where t0 = X[i, 0]\n");
        for (int n = 1; n < 60; n++)
            doubled.Append($"    where t{n} = t{n - 1} * t{n - 1}\n");
        Refused(doubled + "  output Y\n", "written out");
        var many = new System.Text.StringBuilder("algorithm a\n");
        for (int n = 0; n < 1100; n++)
            many.Append($"  input X{n}: f32[1]\n");
        Refused(many.ToString(), "more than 1000");
        Refused($"algorithm a\n  input X: f32[{string.Join(", ", Enumerable.Repeat("1", 100))}]\n", "dimensions");

        static void Refused(string text, string why) =>
            Assert.Contains(
                why,
                Assert.Throws<AlgorithmTextException>(() => AlgorithmText.Parse(text)).Message,
                StringComparison.Ordinal
            );
    }

    [Fact]
    public void Changed_texts_are_refused_or_read_and_nothing_else()
    {
        string[] texts =
        [
            .. OperatorLibrary
                .All.Select(o => OperatorSpec.Parse(o.Example).Build().ToString())
                .Where(t => t.Length < 5000),
            .. Enumerable.Range(0, 100).Select(s => new RandomAlgorithm(s).Build().ToString()),
        ];
        var random = new Random(1);
        int read = 0;
        int count = int.TryParse(Environment.GetEnvironmentVariable("PICOGRAD_TEXT_MUTANTS"), out int asked)
            ? asked
            : 20_000;
        for (int n = 0; n < count; n++)
        {
            string text = Mutated(texts[random.Next(texts.Length)], texts, random);
            try
            {
                var algorithm = AlgorithmText.Parse(text);
                // What is read is as good as any other.
                Assert.Equal(algorithm.ToString(), AlgorithmText.Parse(algorithm.ToString()).ToString());
                read++;
            }
            catch (AlgorithmTextException e)
            {
                Assert.True(e is { Line: > 0, Column: > 0 });
            }
        }
        Assert.InRange(read, count / 50, count * 9 / 10);
    }

    private static string Mutated(string text, string[] others, Random random)
    {
        for (int times = random.Next(1, 4); times > 0; times--)
        {
            int at = random.Next(text.Length);
            int length = Math.Min(random.Next(1, 12), text.Length - at);
            text = random.Next(6) switch
            {
                0 => text.Remove(at, length),
                1 => text.Insert(at, text.Substring(at, length)),
                2 => text.Insert(at, ((char)random.Next(32, 127)).ToString()),
                3 => text[..at] + (char)random.Next(random.Next(2) == 0 ? 128 : 65536) + text[(at + 1)..],
                4 => Spliced(text, others[random.Next(others.Length)], at, random),
                _ => Digit(text, at, random),
            };
            if (text.Length == 0)
                return text;
        }
        return text;
    }

    private static string Spliced(string text, string other, int at, Random random)
    {
        int from = random.Next(other.Length);
        return text.Insert(at, other.Substring(from, Math.Min(random.Next(1, 40), other.Length - from)));
    }

    private static string Digit(string text, int at, Random random)
    {
        int digit = text.IndexOfAny([.. "0123456789"], at);
        return digit < 0
            ? text
            : text[..digit] + random.NextInt64(-3, long.MaxValue >> random.Next(63)) + text[(digit + 1)..];
    }
}
