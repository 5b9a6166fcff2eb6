using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class ReductionTests
{
    private static readonly (
        string Name,
        Func<Tensor, int[], bool, Tensor> Run,
        Func<IEnumerable<double>, double> Expect
    )[] Reductions =
    [
        ("sum", (t, dims, keep) => t.Sum(dims, keep), v => v.Sum()),
        ("mean", (t, dims, keep) => t.Mean(dims, keep), v => v.Average()),
        ("amax", (t, dims, keep) => t.Amax(dims, keep), v => v.Max()),
        ("amin", (t, dims, keep) => t.Amin(dims, keep), v => v.Min()),
        ("var", (t, dims, keep) => t.Var(dims, 0, keep), v => v.Average(x => Math.Pow(x - v.Average(), 2))),
    ];

    public static TheoryData<long[], int[]> Cases =>
        new()
        {
            { [], [] },
            { [1], [0] },
            { [7], [] },
            { [13], [-1] },
            { [3, 5], [0] },
            { [3, 5], [1] },
            { [3, 5], [0, 1] },
            { [2, 3, 5], [1] },
            { [2, 3, 5], [0, 2] },
            { [2, 3, 5], [-1, -2] },
            { [1, 5, 1], [0, 2] },
            { [2, 1, 3, 2, 1, 2, 3], [0, 3, 5] },
            { [2, 2, 2, 2, 2, 2, 2, 2], [0, 2, 4, 6] },
        };

    [Theory]
    [MemberData(nameof(Cases))]
    public void OverAnyDimensions(long[] shape, int[] dims)
    {
        var x = Make.Values(shape);
        foreach (var t in new[] { x, Make.Ragged(x) })
        {
            foreach (var (_, run, expect) in Reductions)
            {
                Expected(x, dims, false, expect).Same(run(t, dims, false));
                Expected(x, dims, true, expect).Same(run(t, dims, true));
            }
        }
    }

    [Fact]
    public void ProductsAnyAndAll()
    {
        var x = Make.Values([3, 4], DType.Float64);
        Expected(x, [1], false, v => v.Aggregate(1.0, (a, b) => a * b)).Same(x.Prod(1), 1e-12);
        Expected(x, [], false, v => v.Aggregate(1.0, (a, b) => a * b)).Same(x.Prod(), 1e-12);
        var b = Tensor.From(
            new[,]
            {
                { true, false, true },
                { false, false, true },
            }
        );
        Assert.Equal([true, false, true], b.Any([0]).ToArray<bool>());
        Assert.Equal([false, false, true], b.All([0]).ToArray<bool>());
        Assert.Equal([false, true], (x.Ne(0).All([1]) & Tensor.From([false, true, true]))[..2].ToArray<bool>());
    }

    [Fact]
    public void IntegersAndBools()
    {
        var i = Tensor.From(
            new[,]
            {
                { 3, -7 },
                { 5, 2 },
            }
        );
        Assert.Equal([8L, -5], i.Sum(0).ToArray<long>());
        Assert.Equal([5, 2], i.Amax([0]).ToArray<int>());
        Assert.Equal(
            [7, 250],
            Tensor
                .From(
                    new byte[,]
                    {
                        { 7, 3 },
                        { 1, 250 },
                    }
                )
                .Amax([1])
                .To(DType.Int32)
                .ToArray<int>()
        );
        Assert.True(Tensor.From([false, true]).Max().Item() == 1);
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    [InlineData(-1, false)]
    public void PlacesOfExtremesAreTheFirst(int dim, bool keepdim)
    {
        var x = Tensor.From(
            new[,]
            {
                { 1f, 5, 5 },
                { 7, 2, 5 },
                { 7, 5, 0 },
            }
        );
        var (values, indices) = x.Max(dim, keepdim);
        int d = dim < 0 ? dim + 2 : dim;
        var (largest, smallest) = (new double[3], new double[3]);
        for (int i = 0; i < 3; i++)
        {
            double Element(int j) => d == 0 ? x[j, i].Item() : x[i, j].Item();
            for (int j = 1; j < 3; j++)
            {
                largest[i] = Element(j) > Element((int)largest[i]) ? j : largest[i];
                smallest[i] = Element(j) < Element((int)smallest[i]) ? j : smallest[i];
            }
        }
        long[] shape =
            !keepdim ? [3]
            : d == 0 ? [1, 3]
            : [3, 1];
        Assert.Equal(DType.Int64, indices.DType);
        new Plain(shape, largest).Same(indices);
        new Plain(shape, smallest).Same(x.ArgMin(dim, keepdim));
        new Plain(shape, Plain.Of(x.Amax([dim])).Values).Same(values);
        Assert.Equal(3, x.ArgMax().Item());
        Assert.Equal(8, x.ArgMin().Item());
    }

    [Fact]
    public void OverNothing()
    {
        var empty = Tensor.Zeros(0, 3);
        new Plain([3], [0, 0, 0]).Same(empty.Sum(0));
        new Plain([3], [1, 1, 1]).Same(empty.Prod(0));
        Assert.True(double.IsNaN(empty.Mean().Item()));
        Assert.Equal(0, empty.Sum(1).NumElements);
        Assert.Equal([true, true, true], empty.All([0]).ToArray<bool>());
        Assert.Contains("[0, 3]", Assert.Throws<ArgumentException>(() => empty.Amax([0])).Message);
        Assert.Contains("argmax", Assert.Throws<ArgumentException>(() => empty.Max(0)).Message);
        Assert.Equal(0, empty.Max(1).Indices.NumElements);
    }

    [Fact]
    public void RunningSums()
    {
        var x = Make.Values([3, 4, 2]);
        for (int dim = 0; dim < 3; dim++)
        {
            Plain
                .Of(
                    [3, 4, 2],
                    i =>
                    {
                        double sum = 0;
                        long[] at = [.. i];
                        for (at[dim] = 0; at[dim] <= i[dim]; at[dim]++)
                            sum += Plain.Of(x).At(at);
                        return sum;
                    }
                )
                .Same(x.Cumsum(dim));
        }
    }

    [Fact]
    public void SoftmaxAndItsLogarithm()
    {
        var x = Make.Values([3, 5, 2], DType.Float64) * 30;
        for (int dim = -3; dim < 3; dim++)
        {
            int d = dim < 0 ? dim + 3 : dim;
            var p = Plain.Of(x);
            var expected = Plain.Of(
                [3, 5, 2],
                i =>
                {
                    double sum = 0;
                    for (long j = 0; j < p.Shape[d]; j++)
                    {
                        long[] at = [.. i];
                        at[d] = j;
                        sum += Math.Exp(p.At(at) - p.At(i));
                    }
                    return 1 / sum;
                }
            );
            expected.Same(x.Softmax(dim), 1e-12);
            new Plain(expected.Shape, [.. expected.Values.Select(v => Math.Log(v))]).Same(x.LogSoftmax(dim), 1e-9);
        }
        Assert.Equal(0, Tensor.Zeros(0, 4).Softmax(1).NumElements);
        Assert.Equal(1, Tensor.From(3f).Softmax(0).Item());
    }

    private static Plain Expected(Tensor x, int[] dims, bool keepdim, Func<IEnumerable<double>, double> f)
    {
        var p = Plain.Of(x);
        int rank = p.Shape.Length;
        bool[] over =
        [
            .. Enumerable.Range(0, rank).Select(d => dims.Length == 0 || dims.Any(e => (e + rank) % rank == d)),
        ];
        long[] ones = [.. p.Shape.Select((s, d) => over[d] ? 1 : s)];
        var groups = new List<double>[ones.Aggregate(1L, (a, b) => a * b)];
        for (int i = 0; i < p.Values.Length; i++)
        {
            long[] at = Plain.Index(p.Shape, i);
            long place = 0;
            for (int d = 0; d < rank; d++)
                place = place * ones[d] + (over[d] ? 0 : at[d]);
            (groups[place] ??= []).Add(p.Values[i]);
        }
        long[] shape = keepdim ? ones : [.. ones.Where((_, d) => !over[d])];
        return new Plain(shape, Array.ConvertAll(groups, group => f(group)));
    }
}
