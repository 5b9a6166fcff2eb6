using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Masks, steps, the ellipsis, assignments through index tensors, and the gradients of all of them.</summary>
public class IndexingTests
{
    [Fact]
    public void AViewCostsNoMoreMemoryThanItIs()
    {
        var x = Tensor.Zeros(4, 5, 6);
        Tensor Made() => x[1, .., 2..4];
        Made();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            Made();
        long each = (GC.GetAllocatedBytesForCurrentThread() - before) / 100;
        // The tensor, its layout, sizes and strides: 208 bytes.
        Assert.InRange(each, 1, 240);
    }

    private static Tensor Counting(params long[] shape) => Tensor.Arange(0, Layout.CountOf(shape)).Reshape(shape);

    private static Tensor Floats(params long[] shape) => Counting(shape).To(DType.Float64);

    [Fact]
    public void DotsAreOneDimensionAndTheEllipsisTheRest()
    {
        var x = Tensor.Zeros(2, 3, 4);
        for (int i = 0; i < 2; i++)
            Assert.Equal([2 - i, 4], x[i.., 0].Shape.ToArray());
        Assert.Equal([2, 4], x[.., 0].Shape.ToArray());
        Assert.Equal([2, 3], x[Tensor.Ellipsis, 0].Shape.ToArray());
        Assert.Equal([2, 3], x[.., .., 0].Shape.ToArray());
        Assert.Equal([4], x[0, 0, Tensor.Ellipsis].Shape.ToArray());
        Assert.Equal([2, 3, 4], x[Tensor.Ellipsis].Shape.ToArray());
        Assert.Throws<ArgumentException>(() => x[.., .., .., ..]);
        var error = Assert.Throws<ArgumentException>(() => x[Tensor.Ellipsis, Tensor.Ellipsis]);
        Assert.Contains("only one Tensor.Ellipsis", error.Message);
        Assert.Contains("^0 is out of range", Assert.Throws<IndexOutOfRangeException>(() => x[^0]).Message);
    }

    [Fact]
    public void StepsAreViews()
    {
        var x = Counting(7);
        Assert.Equal([0L, 2, 4, 6], x[new Slice(step: 2)].ToArray<long>());
        Assert.Equal([1L, 4], x[new Slice(1, 6, 3)].ToArray<long>());
        Assert.Equal([2L, 5], x[new Slice(-5, -1, 3)].ToArray<long>());
        Assert.Equal([3L], x[new Slice(3, null, 100)].ToArray<long>());
        Assert.Empty(x[new Slice(5, 2, 2)].ToArray<long>());
        var odd = x[new Slice(1, null, 2)];
        Assert.True(odd.IsView);
        odd += 10;
        Assert.Equal([0L, 11, 2, 13, 4, 15, 6], x.ToArray<long>());
        x[new Slice(step: 3)] = Tensor.From([-1L, -2, -3]);
        Assert.Equal([-1L, 11, 2, -2, 4, 15, -3], x.ToArray<long>());
    }

    [Fact]
    public void MasksSelect()
    {
        var x = Counting(2, 3, 4);
        Assert.Equal([20L, 21, 22, 23], x[x > 19].ToArray<long>());
        // A mask of the first dimensions, of one in the middle, of the last two.
        var rows = Tensor.From([true, false, true]);
        Assert.Equal([1, 3, 4], x[Tensor.From([false, true])].Shape.ToArray());
        Assert.Equal([0L, 1, 2, 3, 8, 9, 10, 11], x[0, rows].ToArray<long>());
        Assert.Equal([2, 2, 4], x[.., rows].Shape.ToArray());
        var two = Tensor.From([true, false, false, true, false, true], [2, 3]);
        Assert.Equal([0L, 1, 2, 3, 12, 13, 14, 15, 20, 21, 22, 23], x[two].ToArray<long>());
        Assert.Equal([0L, 12, 20], x[two, 0].ToArray<long>());
        Assert.Equal([2, 3], Counting(4, 2, 3)[Counting(4) > 1, 0].Shape.ToArray());
        // With integers beside: they broadcast together.
        Assert.Equal([1L, 13, 21], x[two, Tensor.From([1L])].ToArray<long>());
        Assert.Equal([3L, 14, 21], x[two, Tensor.From([3, 2, 1])].ToArray<long>());
        // Apart, they go to the front.
        Assert.Equal([2, 3], x[Tensor.From([true, true]), .., Tensor.From([0L, 3])].Shape.ToArray());
        Assert.Equal([0L, 4, 8, 15, 19, 23], x[Tensor.From([true, true]), .., Tensor.From([0L, 3])].ToArray<long>());
        Assert.Equal([1, 2, 3, 4], x[Tensor.From(true)].Shape.ToArray());
        Assert.Equal([0, 2, 3, 4], x[Tensor.From(false)].Shape.ToArray());
        Assert.Equal(DType.Bool, (x > 3)[x > 9].DType);
        Assert.Equal([1L, 4, 1, 4], Counting(2, 3).T[Counting(3).Eq(1)].Expand(2, 2).ToArray<long>());
        var error = Assert.Throws<IndexOutOfRangeException>(() => x[rows]);
        Assert.Contains("a mask of shape [3] does not fit dimension 0", error.Message);
        error = Assert.Throws<IndexOutOfRangeException>(() => x[Tensor.From([true, false, true])] = Tensor.From(0L));
        Assert.Contains("a mask of shape [3] does not fit dimension 0", error.Message);
        var deep = x.Unsqueeze(-1).Unsqueeze(-1).Ne(0);
        Assert.Contains(
            "dimensions are indexed",
            Assert.Throws<ArgumentException>(() => x[deep] = Tensor.From(0L)).Message
        );
        Assert.Throws<ArgumentException>(() => x[Tensor.From([true, true]), Tensor.From([0L, 1, 2])]);
        Assert.Throws<ArgumentException>(() => x[Tensor.Zeros(2)]);
    }

    [Fact]
    public void MaskedFunctions()
    {
        var x = Counting(2, 3);
        Assert.Equal([3L, 5], x.MaskedSelect(x > 2 & x.Ne(4)).ToArray<long>());
        Assert.Equal([0L, 1, 2], x.MaskedSelect(Tensor.From([true, false], [2, 1])).ToArray<long>());
        Assert.Equal([0L, 7, 2, 3, 7, 5], x.MaskedFill(Tensor.From([false, true, false]), 7).ToArray<long>());
        Assert.Same(x, x.MaskedFill_(x > 3, -1));
        Assert.Equal([0L, 1, 2, 3, -1, -1], x.ToArray<long>());
        new Plain([2, 2], [0, 1, 1, 0]).Same(Tensor.From([0, 2, 3, 0], [2, 2]).NonZero());
        Assert.Equal([1, 0], Tensor.From(3).NonZero().Shape.ToArray());
        Assert.Equal([0, 2], Tensor.Zeros(2, 3).NonZero().Shape.ToArray());
        Assert.Throws<ArgumentException>(() => x.MaskedFill(x, 1));
        Assert.Throws<ArgumentException>(() => x.MaskedFill_(Tensor.From([true], [1, 1, 1]).Expand(4, 2, 3), 1));
    }

    [Fact]
    public void MasksAssign()
    {
        var x = Counting(2, 3);
        x[x > 3] = 9;
        Assert.Equal([0L, 1, 2, 3, 9, 9], x.ToArray<long>());
        x[x.Eq(9)] = Tensor.From([4L, 5]);
        Assert.Equal([0L, 1, 2, 3, 4, 5], x.ToArray<long>());
        x[Tensor.From([false, true])] = Tensor.From([7L, 8, 9]);
        Assert.Equal([0L, 1, 2, 7, 8, 9], x.ToArray<long>());
        x[.., Tensor.From([true, false, true])] = Tensor.From([1L, 2, 3, 4], [2, 2]);
        Assert.Equal([1L, 1, 2, 3, 8, 4], x.ToArray<long>());
        x[Tensor.From([true, true]), 1] = Tensor.From(0.5f);
        Assert.Equal([1L, 0, 2, 3, 0, 4], x.ToArray<long>());
        x.T[Tensor.From([true, false, false])] = Tensor.From([6L, 6]);
        Assert.Equal([6L, 0, 2, 6, 0, 4], x.ToArray<long>());
        x[x < 0] = Tensor.From([1L]);
        Assert.Equal([6L, 0, 2, 6, 0, 4], x.ToArray<long>());
        Assert.Throws<ArgumentException>(() => x[x > 3] = Tensor.From([1L, 2]));
        // Dimensions of size 1 in front of the values, as in PyTorch.
        x[0] = Tensor.From([1L, 2, 3], [1, 3]);
        x[1, Tensor.From([0L, 2])] = Tensor.From([4L, 5], [1, 1, 2]);
        Assert.Equal([1L, 2, 3, 4, 0, 5], x.ToArray<long>());
    }

    [Fact]
    public void IndexTensorsAssignAnywhere()
    {
        var x = Tensor.Zeros([2, 3, 4], DType.Int64);
        x[.., Tensor.From([2L, 0])] = Counting(2, 2, 4) + 1;
        Assert.Equal(
            [5L, 6, 7, 8, 0, 0, 0, 0, 1, 2, 3, 4, 13, 14, 15, 16, 0, 0, 0, 0, 9, 10, 11, 12],
            x.ToArray<long>()
        );
        // Apart: what is picked is in front.
        x[Tensor.From([0L, 1]), .., Tensor.From([3L, -4])] = Tensor.From([-1L, -2, -3, -4, -5, -6], [2, 3]);
        Assert.Equal(
            [5L, 6, 7, -1, 0, 0, 0, -2, 1, 2, 3, -3, -4, 14, 15, 16, -5, 0, 0, 0, -6, 10, 11, 12],
            x.ToArray<long>()
        );
        // Of equal indices the last assigns; others are added up.
        var y = Tensor.Zeros(3);
        y[Tensor.From([1L, 1, 0])] = Tensor.From([5f, 6, 7]);
        new Plain([3], [7, 6, 0]).Same(y);
        Assert.Same(y, y.IndexPut_([Tensor.From([1L, 1, 2])], Tensor.From([1f, 2, 3]), accumulate: true));
        new Plain([3], [7, 9, 3]).Same(y);
        y.IndexPut_([Tensor.From([true, false, true])], Tensor.From(0.5f));
        new Plain([3], [0.5, 9, 0.5]).Same(y);
        var z = Tensor.Zeros(2, 3);
        z.IndexPut_([null, Tensor.From([0L, 0, 1])], Tensor.Ones(1), accumulate: true);
        new Plain([2, 3], [2, 1, 0, 2, 1, 0]).Same(z);
        // From the same memory.
        var w = Counting(4);
        w[Tensor.From([1L, 2, 3])] = w[..3];
        Assert.Equal([0L, 0, 1, 2], w.ToArray<long>());
        Assert.Throws<IndexOutOfRangeException>(() => w[Tensor.From([4L])] = w[0]);
        Assert.Throws<ArgumentException>(() => w.IndexPut_([null], w));
        Assert.Throws<ArgumentException>(() => (w > 0).IndexPut_([Tensor.From([0L])], w[0], accumulate: true));
    }

    [Fact]
    public void GatherTakesSmallerIndicesAndAnyDtype()
    {
        var x = Counting(3, 4);
        Assert.Equal([3L, 0, 5, 5], x.Gather(1, Tensor.From([3L, 0, 1, 1], [2, 2])).ToArray<long>());
        Assert.Equal([8L, 1], x.Gather(0, Tensor.From([2L, 0], [1, 2])).ToArray<long>());
        var index = Tensor.From([1L, 0, 1], [1, 3]);
        foreach (var type in new[] { DType.Bool, DType.UInt8, DType.Int32, DType.Int64, DType.Float32, DType.Float64 })
        {
            var picked = Tensor.From([1, 0, 1, 1], [2, 2]).To(type).Gather(1, index);
            Assert.Equal(type, picked.DType);
            Assert.Equal([0.0, 1, 0], picked.ToDoubles());
        }
        Assert.True(x.Gather(0, Tensor.Zeros([2, 3], DType.Int64)).IsContiguous);
        var error = Assert.Throws<ArgumentException>(() => x.Gather(1, Tensor.Zeros([4, 2], DType.Int64)));
        Assert.Contains("an index of shape [4, 2] does not fit", error.Message);
        Assert.Throws<IndexOutOfRangeException>(() => x.Gather(1, Tensor.From([-1L], [1, 1])));
    }

    [Fact]
    public void OneHotInfersOnlyForMinusOne()
    {
        Assert.Equal([2, 4], F.OneHot(Tensor.From([0L, 3]), -1).Shape.ToArray());
        Assert.Equal([2, 4], F.OneHot(Tensor.From([0L, 3])).Shape.ToArray());
        Assert.Equal([2, 5], F.OneHot(Tensor.From([0L, 3]), 5).Shape.ToArray());
        Assert.Equal([4], F.OneHot(Tensor.From(3L), -1).Shape.ToArray());
        foreach (long classes in new[] { 0, -2, long.MinValue })
        {
            Assert.Throws<ArgumentException>(() => F.OneHot(Tensor.From([0L]), classes));
            Assert.Throws<ArgumentException>(() => F.OneHot(Tensor.Zeros([0], DType.Int64), classes));
        }
        Assert.Throws<ArgumentException>(() => F.OneHot(Tensor.Zeros([0], DType.Int64), -1));
        Assert.Throws<IndexOutOfRangeException>(() => F.OneHot(Tensor.From([3L]), 3));
    }

    [Fact]
    public void Numbers_are_assigned_exactly()
    {
        var x = Tensor.Zeros([4], DType.Float64);
        x[0] = 0.1;
        x[1] = 16777217.0;
        x[2..] = 1e300;
        Assert.Equal([0.1, 16777217.0, 1e300, 1e300], x.ToArray<double>());
        x[x > 1] = -0.3;
        Assert.Equal([0.1, -0.3, -0.3, -0.3], x.ToArray<double>());
        var n = Tensor.Zeros([2], DType.Int64);
        n[0] = long.MaxValue;
        n[1] = true;
        Assert.Equal([long.MaxValue, 1], n.ToArray<long>());
        var f = Tensor.Zeros([2]);
        f[1] = 0.1;
        Assert.Equal([0, 0.1f], f.ToArray<float>());
    }

    [Fact]
    public void RowFunctionsAlongAnyDimensionAreContiguous()
    {
        var x = Floats(3, 4, 2);
        foreach (
            var result in new[]
            {
                x.Softmax(0),
                x.LogSoftmax(1),
                x.Cumsum(0),
                x.Cumsum(1),
                x.Transpose(0, 2).Softmax(0),
            }
        )
        {
            Assert.True(result.IsContiguous);
            Assert.Equal([24], result.View(24).Shape.ToArray());
        }
    }

    private static readonly Tensor Picks = Tensor.From([2L, 0, 2]).Keep();
    private static readonly Tensor Mask = Tensor.From([true, false, true, false, false, true], [2, 3]).Keep();

    public static TheoryData<string, Func<Tensor, Tensor, Tensor>, long[], long[]> Derivatives =>
        new()
        {
            { "step", (x, _) => x[new Slice(1, null, 2), new Slice(step: 3)] * 2, [5, 7], [1] },
            { "column slice", (x, _) => x[.., 1..2] * x[.., 0..1], [5, 7], [1] },
            { "mask", (x, _) => x[Mask].Square(), [2, 3, 2], [1] },
            { "mask behind", (x, _) => x[.., Mask].Square(), [2, 2, 3], [1] },
            { "masked_select", (x, _) => x.MaskedSelect(Mask).Square(), [2, 2, 3], [1] },
            { "masked_fill", (x, _) => x.MaskedFill(Mask, 3).Square(), [2, 3], [1] },
            { "pick of a column", (x, _) => x.T[.., Picks].Square(), [3, 4], [1] },
            { "picks apart", (x, _) => x[Picks, .., Picks].Square(), [3, 2, 3], [1] },
            { "picks of a slice", (x, _) => x[1.., new Slice(step: 2), Picks].Square(), [3, 4, 3], [1] },
            { "index_select", (x, _) => x.IndexSelect(1, Picks).Square(), [2, 3], [1] },
            { "gather smaller", (x, _) => x.Gather(1, Tensor.From([2L, 0], [1, 2])).Square(), [3, 4], [1] },
            { "gather down smaller", (x, _) => x.Gather(0, Tensor.From([2L, 0], [2, 1])).Square(), [3, 4], [1] },
            { "set step", (x, v) => Changed(x, y => y[new Slice(step: 2)] = v), [5, 3], [3] },
            { "set column", (x, v) => Changed(x, y => y[.., 1..2] = v), [4, 3], [4, 1] },
            { "set pick", (x, v) => Changed(x, y => y[Tensor.From([2L, 0])] = v), [3, 2], [2, 2] },
            { "set pick behind", (x, v) => Changed(x, y => y[1.., Tensor.From([2L, 0])] = v), [3, 3], [2] },
            {
                "set picks apart",
                (x, v) => Changed(x, y => y[Tensor.From([2L, 0]), .., Tensor.From([1L, 1])] = v),
                [3, 2, 2],
                [2, 1]
            },
            { "set mask", (x, v) => Changed(x, y => y[Mask] = v), [2, 3, 2], [3, 2] },
            { "set mask to one", (x, v) => Changed(x, y => y[Mask] = v), [2, 3], [] },
            { "masked_fill_", (x, _) => Changed(x, y => y.MaskedFill_(Mask, 5)), [2, 3], [1] },
            {
                "index_put_ adding",
                (x, v) => Changed(x, y => y.IndexPut_([Picks], v, accumulate: true)),
                [3, 2],
                [3, 1]
            },
            {
                "cat with nothing",
                (x, v) => Tensor.Cat([Tensor.Zeros([0], DType.Float64), x, v], 1).Square(),
                [2, 3],
                [2, 1]
            },
            { "stack behind", (x, v) => Tensor.Stack([x, v], -1).Square(), [2, 3], [2, 3] },
            { "softmax down", (x, _) => x.Softmax(0), [3, 2], [1] },
        };

    private static Tensor Changed(Tensor x, Action<Tensor> change)
    {
        var y = x * 2;
        change(y);
        return y.Square();
    }

    [Theory]
    [MemberData(nameof(Derivatives))]
    public void GradientsEqualDifferences(
        string name,
        Func<Tensor, Tensor, Tensor> run,
        long[] shape,
        long[] valueShape
    )
    {
        Assert.NotEmpty(name);
        Tensor[] inputs =
        [
            Make.Values(shape, DType.Float64, 3).RequiresGrad_(),
            Make.Values(valueShape, DType.Float64, 4).RequiresGrad_(),
        ];
        var weights = Make.Values(run(inputs[0], inputs[1]).Shape.ToArray(), DType.Float64, 5);
        Tensor Loss(Tensor[] x) => (run(x[0], x[1]) * weights).Sum();
        Loss(inputs).Backward();
        GradientCase.Compare(
            inputs,
            [.. inputs.Select(i => i.Grad?.ToDoubles() ?? new double[i.NumElements])],
            x => Loss(x).Item(),
            1e-6
        );
        // The gradient's own gradient: of its squares.
        Tensor GradientOf(Tensor[] x)
        {
            foreach (var input in x)
                input.Grad = null;
            Loss(x).Backward(createGraph: true);
            return x[0].Grad!.Square().Sum() + (x[1].Grad?.Square().Sum() ?? Tensor.Zeros([], DType.Float64));
        }
        Tensor[] again = [.. inputs.Select(i => i.Detach().Clone().RequiresGrad_())];
        var second = GradientOf(again);
        foreach (var input in again)
            input.Grad = null;
        if (!second.RequiresGrad)
            return;
        second.Backward();
        GradientCase.Compare(
            again,
            [.. again.Select(i => i.Grad?.ToDoubles() ?? new double[i.NumElements])],
            x => GradientOf(x).Item(),
            1e-5
        );
    }
}
