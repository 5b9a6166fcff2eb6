using Picograd.Baselines;
using Xunit;

namespace Picograd.Tests;

public unsafe class MatmulTests
{
    private static readonly (int M, int N, int K)[] Shapes =
    [
        (1, 1, 1),
        (1, 33, 7),
        (37, 1, 5),
        (4, 65, 300),
        (6, 8, 300),
        (12, 32, 256),
        (13, 31, 257),
        (32, 27, 200),
        (32, 200, 30),
        (53, 67, 71),
        (97, 101, 521),
        (241, 65, 19),
        (250, 130, 515),
    ];

    public static TheoryData<int, int, int> ShapeData
    {
        get
        {
            var data = new TheoryData<int, int, int>();
            foreach ((int m, int n, int k) in Shapes)
            {
                data.Add(m, n, k);
            }
            return data;
        }
    }

    private delegate void Product(float* a, float* b, float* c, bool ta, bool tb);

    [Theory]
    [MemberData(nameof(ShapeData))]
    public void Hand_matmul_equals_the_definition(int m, int n, int k)
    {
        foreach (int bits in Widths.All)
        {
            foreach (int threads in new[] { 1, 2 })
            {
                Check(
                    m,
                    n,
                    k,
                    1,
                    (a, b, c, ta, tb) => HandMatmul.Run(a, b, c, m, n, k, ta, tb, 1, threads, bits),
                    $"{bits} bits, {threads} threads"
                );
            }
        }
    }

    [Theory]
    [InlineData(3, 5, 7, 11)]
    [InlineData(4, 65, 33, 40)]
    [InlineData(2, 130, 70, 300)]
    public void Hand_matmul_runs_batches(int batch, int m, int n, int k)
    {
        foreach (int threads in new[] { 1, 2 })
        {
            Check(
                m,
                n,
                k,
                batch,
                (a, b, c, ta, tb) => HandMatmul.Run(a, b, c, m, n, k, ta, tb, batch, threads),
                $"batch {batch}, {threads} threads"
            );
        }
    }

    [Fact]
    public void Hand_matmul_crosses_its_column_blocks()
    {
        const int m = 50;
        const int n = 3100;
        const int k = 9;
        Check(m, n, k, 1, (a, b, c, ta, tb) => HandMatmul.Run(a, b, c, m, n, k, ta, tb, 1, 2), "wide");
    }

    [Fact]
    public void An_empty_sum_is_zero()
    {
        using Memory c = Memory.Random(6, 1);
        HandMatmul.Run(c.Pointer, c.Pointer, c.Pointer, 2, 3, 0, false, false, 1, 1);
        Assert.Equal(new float[6], c.Span.ToArray());
    }

    [SkippableTheory]
    [MemberData(nameof(ShapeData))]
    public void OpenBlas_matmul_equals_the_definition(int m, int n, int k)
    {
        Skip.IfNot(OpenBlas.IsAvailable, OpenBlas.Missing);
        foreach (int threads in new[] { 1, 2 })
        {
            Check(
                m,
                n,
                k,
                1,
                (a, b, c, ta, tb) => OpenBlas.Matmul(a, b, c, m, n, k, ta, tb, 1, threads),
                $"OpenBLAS, {threads} threads"
            );
        }
    }

    [SkippableFact]
    public void OpenBlas_runs_batches_and_describes_itself()
    {
        Skip.IfNot(OpenBlas.IsAvailable, OpenBlas.Missing);
        Assert.Contains("OpenBLAS", OpenBlas.Description);
        Assert.Equal("", OpenBlas.Missing);
        Check(5, 7, 9, 3, (a, b, c, ta, tb) => OpenBlas.Matmul(a, b, c, 5, 7, 9, ta, tb, 3, 1), "OpenBLAS batch");
    }

    private static void Check(int m, int n, int k, int batch, Product product, string what)
    {
        foreach (bool ta in new[] { false, true })
        {
            foreach (bool tb in new[] { false, true })
            {
                using Memory a = Memory.Random(batch * m * k, 1);
                using Memory b = Memory.Random(batch * k * n, 2);
                using Memory c = Memory.Random(batch * m * n, 3);
                product(a.Pointer, b.Pointer, c.Pointer, ta, tb);
                for (int s = 0; s < batch; s++)
                {
                    for (int i = 0; i < m; i++)
                    {
                        for (int j = 0; j < n; j++)
                        {
                            double sum = 0;
                            double magnitude = 0;
                            for (int p = 0; p < k; p++)
                            {
                                double x = a.Span[s * m * k + (ta ? p * m + i : i * k + p)];
                                double y = b.Span[s * k * n + (tb ? j * k + p : p * n + j)];
                                sum += x * y;
                                magnitude += Math.Abs(x * y);
                            }
                            // The textbook bound of a dot product of length k in single precision.
                            double bound = (k + 2) * 6e-8 * magnitude + 1e-30;
                            double got = c.Span[s * m * n + i * n + j];
                            Assert.True(
                                Math.Abs(got - sum) <= bound,
                                $"{what}, ta={ta} tb={tb}: C[{s},{i},{j}] is {got}, not {sum}"
                            );
                        }
                    }
                }
                Assert.True(c.GuardsIntact, $"{what}, ta={ta} tb={tb}: wrote outside C");
            }
        }
    }
}
