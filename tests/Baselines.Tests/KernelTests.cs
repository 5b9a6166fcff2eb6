using Picograd.Baselines;
using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests;

public unsafe class KernelTests
{
    public static TheoryData<int, int> Matrices =>
        new()
        {
            { 1, 1 },
            { 1, 17 },
            { 7, 1 },
            { 3, 16 },
            { 13, 31 },
            { 32, 27 },
            { 9, 129 },
            { 67, 1009 },
            { 1031, 5 },
            { 130, 4100 },
        };

    public static TheoryData<int> Lengths => new(1, 2, 15, 16, 17, 63, 64, 65, 1009, 8192, 12_289);

    private static readonly double TanhUlps = CpuTarget.Detect().HasFma ? 5 : 7;

    private static IEnumerable<(int Bits, int Threads)> Ways =>
        from bits in Widths.All
        from threads in new[] { 1, 2 }
        select (bits, threads);

    private static void Close(double expected, float got, double tolerance, string what) =>
        Assert.True(Math.Abs(expected - got) <= tolerance, $"{what}: is {got}, not {expected}");

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Softmax_and_log_softmax_equal_the_definition(int rows, int cols)
    {
        using Memory x = Memory.Random(rows * cols, 5, -30, 30);
        foreach ((int bits, int threads) in Ways)
        {
            using var y = new Memory(rows * cols);
            using var z = new Memory(rows * cols);
            HandSoftmax.Softmax(x.Pointer, y.Pointer, rows, cols, threads, bits);
            HandSoftmax.LogSoftmax(x.Pointer, z.Pointer, rows, cols, threads, bits);
            for (int i = 0; i < rows; i++)
            {
                double logSum = LogSumExp(x.Span.Slice(i * cols, cols));
                for (int j = 0; j < cols; j++)
                {
                    double log = x.Span[i * cols + j] - logSum;
                    string what = $"{bits} bits, {threads} threads, [{i},{j}]";
                    Close(Math.Exp(log), y.Span[i * cols + j], 2e-6 * Math.Exp(log) + 1e-12, "softmax " + what);
                    Close(log, z.Span[i * cols + j], 1e-5, "log-softmax " + what);
                }
            }
            Assert.True(y.GuardsIntact && z.GuardsIntact);
        }
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Sums_equal_the_definition(int rows, int cols)
    {
        using Memory x = Memory.Random(rows * cols, 6);
        foreach ((int bits, int threads) in Ways)
        {
            using var columns = new Memory(cols);
            using var lines = new Memory(rows);
            HandSum.Run(x.Pointer, columns.Pointer, rows, cols, 0, threads, bits);
            HandSum.Run(x.Pointer, lines.Pointer, rows, cols, 1, threads, bits);
            for (int j = 0; j < cols; j++)
            {
                double sum = 0;
                for (int i = 0; i < rows; i++)
                {
                    sum += x.Span[i * cols + j];
                }
                Close(sum, columns.Span[j], 6e-8 * rows * (rows + 1), $"{bits} bits, {threads} threads, column {j}");
            }
            for (int i = 0; i < rows; i++)
            {
                double sum = 0;
                foreach (float v in x.Span.Slice(i * cols, cols))
                {
                    sum += v;
                }
                Close(sum, lines.Span[i], 1e-6 * cols, $"{bits} bits, {threads} threads, row {i}");
            }
            Assert.True(columns.GuardsIntact && lines.GuardsIntact);
        }
    }

    [Fact]
    public void A_third_axis_is_refused()
    {
        var refusal = Assert.Throws<ArgumentOutOfRangeException>(() => HandSum.Run(null, null, 1, 1, 2, 1));
        Assert.Contains("axis is 2, but a matrix has axes 0 and 1", refusal.Message);
    }

    [Theory]
    [MemberData(nameof(Lengths))]
    public void Elementwise_functions_equal_the_definition(int n)
    {
        using Memory x = Memory.Random(n, 7, -12, 12);
        using Memory y = Memory.Random(n, 8);
        foreach ((int bits, int threads) in Ways)
        {
            using var tanh = new Memory(n);
            using var exp = new Memory(n);
            using var sum = new Memory(n);
            HandElementwise.Tanh(x.Pointer, tanh.Pointer, n, threads, bits);
            HandElementwise.Exp(x.Pointer, exp.Pointer, n, threads, bits);
            HandElementwise.Add(x.Pointer, y.Pointer, sum.Pointer, n, threads, bits);
            for (int i = 0; i < n; i++)
            {
                string what = $"{bits} bits, {threads} threads, x={x.Span[i]}";
                Close(Math.Tanh(x.Span[i]), tanh.Span[i], Ulps(Math.Tanh(x.Span[i]), TanhUlps), "tanh " + what);
                Close(Math.Exp(x.Span[i]), exp.Span[i], Ulps(Math.Exp(x.Span[i]), 2), "exp " + what);
                Assert.Equal(x.Span[i] + y.Span[i], sum.Span[i]);
            }
            Assert.True(tanh.GuardsIntact && exp.GuardsIntact && sum.GuardsIntact);
        }
    }

    [Fact]
    public void Exp_and_tanh_keep_their_error_bound_over_their_whole_range()
    {
        const int n = 200_003;
        using var x = new Memory(n);
        using var exp = new Memory(n);
        using var tanh = new Memory(n);
        for (int i = 0; i < n; i++)
        {
            x.Span[i] = -88f + 176.5f * i / n;
        }
        foreach (int bits in Widths.All)
        {
            HandElementwise.Exp(x.Pointer, exp.Pointer, n, 1, bits);
            HandElementwise.Tanh(x.Pointer, tanh.Pointer, n, 1, bits);
            for (int i = 0; i < n; i++)
            {
                double e = Math.Exp(x.Span[i]);
                double t = Math.Tanh(x.Span[i]);
                Close(e, exp.Span[i], Ulps(e, 2), $"exp {x.Span[i]}");
                Close(t, tanh.Span[i], Ulps(t, TanhUlps), $"tanh {x.Span[i]}");
            }
        }
    }

    [Fact]
    public void Exp_and_tanh_of_special_values()
    {
        float[] special = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, 89, 1000, -104.5f, -1000, -90];
        using var x = new Memory(special.Length);
        using var y = new Memory(special.Length);
        special.CopyTo(x.Span);
        foreach (int bits in Widths.All)
        {
            HandElementwise.Exp(x.Pointer, y.Pointer, special.Length, 1, bits);
            float inf = float.PositiveInfinity;
            Assert.Equal([float.NaN, inf, 0, 1, inf, inf, 0, 0], y.Span[..8].ToArray());
            Close(Math.Exp(-90), y.Span[8], 1e-44, "a subnormal result");
            HandElementwise.Tanh(x.Pointer, y.Pointer, special.Length, 1, bits);
            Assert.Equal(float.NaN, y.Span[0]);
            Assert.Equal([1, -1, 0, 1, 1, -1, -1, -1], y.Span[1..].ToArray().Select(v => MathF.Round(v, 6)));
        }
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Cross_entropy_and_its_gradient_equal_the_definition(int rows, int classes)
    {
        using Memory logits = Memory.Random(rows * classes, 9, -5, 5);
        var random = new Random(10);
        long[] targets = [.. Enumerable.Range(0, rows).Select(_ => random.NextInt64(classes))];
        int[] narrow = [.. targets.Select(t => (int)t)];
        double expected = 0;
        for (int i = 0; i < rows; i++)
        {
            expected += LogSumExp(logits.Span.Slice(i * classes, classes)) - logits.Span[i * classes + (int)targets[i]];
        }
        expected /= rows;
        foreach ((int bits, int threads) in Ways)
        {
            using var loss = new Memory(1);
            using var only = new Memory(1);
            using var gradient = new Memory(rows * classes);
            fixed (long* t64 = targets)
            fixed (int* t32 = narrow)
            {
                HandCrossEntropy.Run(
                    logits.Pointer,
                    t64,
                    64,
                    loss.Pointer,
                    gradient.Pointer,
                    rows,
                    classes,
                    threads,
                    bits
                );
                HandCrossEntropy.Run(logits.Pointer, t32, 32, only.Pointer, null, rows, classes, threads, bits);
            }
            Close(expected, loss.Span[0], 3e-6 * (1 + expected), "loss");
            Close(expected, only.Span[0], 3e-6 * (1 + expected), "loss without gradient");
            for (int i = 0; i < rows; i++)
            {
                double logSum = LogSumExp(logits.Span.Slice(i * classes, classes));
                for (int j = 0; j < classes; j++)
                {
                    double p = Math.Exp(logits.Span[i * classes + j] - logSum) - (j == targets[i] ? 1 : 0);
                    Close(p / rows, gradient.Span[i * classes + j], 2e-6 / rows, $"gradient [{i},{j}]");
                }
            }
            Assert.True(loss.GuardsIntact && only.GuardsIntact && gradient.GuardsIntact);
        }
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Embedding_gathers_rows(int rows, int dim)
    {
        const int vocab = 23;
        using Memory table = Memory.Random(vocab * dim, 11);
        var random = new Random(12);
        long[] wide = [.. Enumerable.Range(0, rows).Select(_ => random.NextInt64(vocab))];
        int[] narrow = [.. wide.Select(i => (int)i)];
        foreach (int threads in new[] { 1, 2 })
        {
            using var a = new Memory(rows * dim);
            using var b = new Memory(rows * dim);
            fixed (long* i64 = wide)
            fixed (int* i32 = narrow)
            {
                HandMovement.Embedding(table.Pointer, i64, 64, a.Pointer, dim, rows, threads);
                HandMovement.Embedding(table.Pointer, i32, 32, b.Pointer, dim, rows, threads);
            }
            for (int i = 0; i < rows; i++)
            {
                Span<float> row = table.Span.Slice((int)wide[i] * dim, dim);
                Assert.True(row.SequenceEqual(a.Span.Slice(i * dim, dim)), $"row {i}, 64-bit indices");
                Assert.True(row.SequenceEqual(b.Span.Slice(i * dim, dim)), $"row {i}, 32-bit indices");
            }
            Assert.True(a.GuardsIntact && b.GuardsIntact);
        }
    }

    [Theory]
    [MemberData(nameof(Matrices))]
    public void Transpose_transposes(int rows, int cols)
    {
        using Memory x = Memory.Random(rows * cols, 13);
        foreach (int threads in new[] { 1, 2 })
        {
            using var y = new Memory(rows * cols);
            HandMovement.Transpose(x.Pointer, y.Pointer, rows, cols, threads);
            for (int i = 0; i < rows; i++)
            {
                for (int j = 0; j < cols; j++)
                {
                    Assert.True(x.Span[i * cols + j] == y.Span[j * rows + i], $"[{i},{j}]");
                }
            }
            Assert.True(y.GuardsIntact);
        }
    }

    private static double LogSumExp(Span<float> x)
    {
        double max = double.NegativeInfinity;
        foreach (float v in x)
        {
            max = Math.Max(max, v);
        }
        double sum = 0;
        foreach (float v in x)
        {
            sum += Math.Exp(v - max);
        }
        return max + Math.Log(sum);
    }

    /// <summary>So many units in the last place of the float nearest to a value.</summary>
    private static double Ulps(double value, double count)
    {
        float near = MathF.Max(MathF.Abs((float)value), 1.17549435e-38f);
        return count * (MathF.BitIncrement(near) - (double)near);
    }
}
