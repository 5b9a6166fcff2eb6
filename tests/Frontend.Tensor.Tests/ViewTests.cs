using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public class ViewTests
{
    private static Tensor Counting(params long[] shape) =>
        Tensor.Arange(0, shape.Aggregate(1L, (a, b) => a * b)).Reshape(shape);

    [Fact]
    public void ViewsShareMemory()
    {
        var t = Counting(3, 4);
        var views = new[]
        {
            t.View(2, 6),
            t.T,
            t.Permute(1, 0),
            t[1..],
            t[.., 2],
            t.Unsqueeze(1),
            t.Flatten(),
            t.Narrow(1, 1, 2),
            t.Detach(),
        };
        t += 100;
        foreach (var view in views)
        {
            Assert.True(view.IsView);
            Assert.True(view.ToDoubles().Min() >= 100);
            Assert.Equal(1, view.Version);
        }
        views[1].Fill_(0);
        Assert.Equal(0, t.Sum().Item());
        Assert.Equal(2, views[3].Version);
    }

    [Fact]
    public void ReshapeKeepsRowMajorOrder()
    {
        var t = Counting(4, 6);
        Assert.Equal(t.ToArray<long>(), t.Reshape(2, -1, 3).ToArray<long>());
        Assert.Equal([2, 4, 3], t.Reshape(2, -1, 3).Shape.ToArray());
        Assert.Equal([0L, 6, 12, 18, 1], t.T.Reshape(24)[..5].ToArray<long>());
        Assert.False(t.T.Reshape(24).IsView);
        Assert.True(t[.., 1..3].Unsqueeze(0).View(4, 2, 1).IsView);
        Assert.Equal([0, 3], Tensor.Zeros(3, 0).Reshape(0, 3).Shape.ToArray());
        Assert.Equal([], Tensor.Zeros(1, 1).Reshape().Shape.ToArray());
        // A slice whose outer dimensions still lie without gaps can be viewed, one whose do not cannot.
        var slice = Counting(2, 3, 4)[.., .., 1..3];
        Assert.Equal(slice.ToArray<long>(), slice.View(6, 2).ToArray<long>());
        Assert.Throws<ArgumentException>(() => slice.View(2, 6));
        Assert.Equal(slice.ToArray<long>(), slice.Reshape(2, 6).ToArray<long>());
    }

    [Fact]
    public void ShapesOfViews()
    {
        var t = Tensor.Zeros(2, 1, 3);
        Assert.Equal([2, 3], t.Squeeze().Shape.ToArray());
        Assert.Equal([2, 3], t.Squeeze(1).Shape.ToArray());
        Assert.Equal([2, 1, 3], t.Squeeze(0).Shape.ToArray());
        Assert.Equal([2, 1, 3, 1], t.Unsqueeze(-1).Shape.ToArray());
        Assert.Equal([1, 2, 1, 3], t.Unsqueeze(0).Shape.ToArray());
        Assert.Equal([6], t.Flatten().Shape.ToArray());
        Assert.Equal([2, 3], t.Flatten(1).Shape.ToArray());
        Assert.Equal([5, 2, 4, 3], t.Expand(5, 2, 4, -1).Shape.ToArray());
        Assert.Equal([3, 2, 1], t.Permute(2, 0, 1).Shape.ToArray());
        Assert.Equal([1], Tensor.From(1f).Flatten().Shape.ToArray());
        Assert.Equal(
            [
                [2, 2],
                [1, 2],
            ],
            Tensor.Zeros(3, 2).Split(2).Select(p => p.Shape.ToArray())
        );
    }

    [Fact]
    public void ExpandRepeatsWithoutMemory()
    {
        var t = Counting(3, 1).Expand(3, 1000);
        Assert.Equal(0, t.Strides[1]);
        Assert.Equal([0.0, 1, 2], t[.., 999].ToDoubles());
        Assert.Equal(3000, t.Sum().Item());
        Assert.Throws<InvalidOperationException>(() => t.Mul_(2));
        Assert.Equal(3000, t.Fill_(1).Sum().Item());
    }

    public static TheoryData<TensorIndex[], Func<long[], long[]>, long[]> Indices =>
        new()
        {
            { [0], i => [0, i[0], i[1]], [3, 4] },
            { [-1], i => [1, i[0], i[1]], [3, 4] },
            { [^1, 0], i => [1, 0, i[0]], [4] },
            { [1..2], i => [1, i[1], i[2]], [1, 3, 4] },
            { [Range.All, 1..3], i => [i[0], i[1] + 1, i[2]], [2, 2, 4] },
            { [Tensor.Ellipsis, 1..3], i => [i[0], i[1], i[2] + 1], [2, 3, 2] },
            { [Range.All, Range.All, 1..3], i => [i[0], i[1], i[2] + 1], [2, 3, 2] },
            { [Range.All, 1..3, Range.All], i => [i[0], i[1] + 1, i[2]], [2, 2, 4] },
            { [Range.All, ^1], i => [i[0], 2, i[1]], [2, 4] },
            { [Tensor.Ellipsis, ^1], i => [i[0], i[1], 3], [2, 3] },
            { [1.., 0], i => [1, 0, i[1]], [1, 4] },
            { [0.., 0], i => [i[0], 0, i[1]], [2, 4] },
            { [0, Tensor.Ellipsis], i => [0, i[0], i[1]], [3, 4] },
            { [1, Tensor.Ellipsis, 2], i => [1, i[0], 2], [3] },
            { [0, 1, 2, Tensor.Ellipsis], _ => [0, 1, 2], [] },
            { [1, Range.All, 2], i => [1, i[0], 2], [3] },
            { [Tensor.Ellipsis, ^3..^1], i => [i[0], i[1], i[2] + 1], [2, 3, 2] },
            { [0, 1, 2], _ => [0, 1, 2], [] },
            { [TensorIndex.NewAxis, 1], i => [1, i[1], i[2]], [1, 3, 4] },
            { [Tensor.Ellipsis, TensorIndex.NewAxis], i => [i[0], i[1], i[2]], [2, 3, 4, 1] },
            { [Range.All, TensorIndex.NewAxis], i => [i[0], i[2], i[3]], [2, 1, 3, 4] },
            { [5..9], i => i, [0, 3, 4] },
            { [Tensor.Ellipsis, 2..99], i => [i[0], i[1], i[2] + 2], [2, 3, 2] },
            { [Tensor.Ellipsis, new Slice(step: 2)], i => [i[0], i[1], i[2] * 2], [2, 3, 2] },
            { [Range.All, new Slice(1, null, 5), new Slice(-3, -1)], i => [i[0], 1, i[2] + 1], [2, 1, 2] },
            { [Tensor.Ellipsis, new Slice(null, -1, 3)], i => [i[0], i[1], 0], [2, 3, 1] },
        };

    [Theory]
    [MemberData(nameof(Indices))]
    public void BasicIndices(TensorIndex[] indices, Func<long[], long[]> source, long[] shape)
    {
        var t = Counting(2, 3, 4);
        var plain = Plain.Of(t);
        var expected = Plain.Of(shape, i => plain.At(source(i)));
        expected.Same(t[indices]);
        expected.Same(Make.Ragged(t)[indices]);
        // Assigning changes just these elements.
        var copy = t.Clone();
        copy[indices] = Tensor.From(-1L);
        double touched = expected.Values.Length;
        Assert.Equal(touched, copy.Eq(-1).Sum().Item());
        Assert.Equal(t.Sum().Item() - expected.Values.Sum() - touched, copy.Sum().Item());
        Assert.All(copy[indices].ToDoubles(), v => Assert.Equal(-1, v));
    }

    [Fact]
    public void IntegerTensorsPick()
    {
        var t = Counting(4, 3, 5);
        var p = Plain.Of(t);
        var rows = Tensor.From([3L, 0, -1]);
        long[] at = [3, 0, 3];
        long[] atLast = [3, 0, 4];
        Plain.Of([3, 3, 5], i => p.At(at[i[0]], i[1], i[2])).Same(t[rows]);
        Plain.Of([4, 3, 3], i => p.At(i[0], i[1], atLast[i[2]])).Same(t[Tensor.Ellipsis, rows]);
        Plain
            .Of([4, 3, 2, 5], i => p.At(i[0], new long[] { 2, 0, 1, 1, 0, 2 }[i[1] * 2 + i[2]], i[3]))
            .Same(t[0.., Tensor.From([2, 0, 1, 1, 0, 2], [3, 2]), 0..]);
        // Two side by side go together, and stay where they are.
        Plain
            .Of([4, 3], i => p.At(i[0], new[] { 0, 2, 1 }[i[1]], atLast[i[1]]))
            .Same(t[.., Tensor.From([0, 2, 1]), rows]);
        // Apart from each other, what is picked goes to the front.
        Plain
            .Of([3, 3], i => p.At(at[i[0]], i[1], new[] { 1, 4, 0 }[i[0]]))
            .Same(t[rows, 0.., Tensor.From([1, 4, 0])]);
        // They broadcast.
        Plain
            .Of([2, 3, 5], i => p.At(i[0] + 1, at[i[1]] % 3, i[2]))
            .Same(t[Tensor.From([1L, 2], [2, 1]), Tensor.From([0L, 0, 0])]);
        // With an integer and a new dimension besides.
        Plain.Of([1, 3, 5], i => p.At(at[i[1]], 2, i[2])).Same(t[null, rows, 2]);
        Assert.Equal([0, 3, 5], t[Tensor.Zeros([0], DType.Int64)].Shape.ToArray());
        Assert.Equal([true, false], Tensor.From([false, true])[Tensor.From([1, 0])].ToArray<bool>());
    }

    [Fact]
    public void AssigningByIntegerTensors()
    {
        var t = Tensor.Zeros(4, 3);
        t[Tensor.From([2L, -4])] = Tensor.From([1f, 2, 3, 4, 5, 6], [2, 3]);
        new Plain([4, 3], [4, 5, 6, 0, 0, 0, 1, 2, 3, 0, 0, 0]).Same(t);
        t[Tensor.From([0L, 3]), Tensor.From([1L, 2])] = Tensor.From(9f);
        new Plain([4, 3], [4, 9, 6, 0, 0, 0, 1, 2, 3, 0, 0, 9]).Same(t);
    }

    [Fact]
    public void GatherAndIndexSelect()
    {
        var t = Counting(3, 4);
        var p = Plain.Of(t);
        var index = Tensor.From([0L, 3, 1, 1, 2, 2], [3, 2]);
        var q = Plain.Of(index);
        Plain.Of([3, 2], i => p.At(i[0], (long)q.At(i))).Same(t.Gather(1, index));
        var down = Tensor.From([2L, 0, 1, 1], [1, 4]);
        Plain.Of([1, 4], i => p.At((long)Plain.Of(down).At(i), i[1])).Same(t.Gather(0, down));
        Plain.Of([3, 2], i => p.At(i[0], 3 - i[1])).Same(t.IndexSelect(1, Tensor.From([3L, 2])));
    }

    [Fact]
    public void CatAndStack()
    {
        var a = Counting(2, 3);
        var b = Counting(4, 3) + 10;
        var c = Tensor.Zeros([0, 3], DType.Int64);
        Assert.Equal([.. a.ToArray<long>(), .. b.ToArray<long>()], Tensor.Cat([a, c, b]).ToArray<long>());
        Assert.Equal([0L, 1, 2, 0, 3, 4, 5, 3], Tensor.Cat([a, a.T.Contiguous().T[.., ..1]], 1).ToArray<long>());
        Assert.Equal([2, 2, 3], Tensor.Stack([a, a]).Shape.ToArray());
        Assert.Equal([0L, 0, 1, 1, 2, 2], Tensor.Stack([a, a], -1)[0].ToArray<long>());
        Assert.Equal(DType.Float32, Tensor.Cat([a, Tensor.Ones(1, 3)]).DType);
    }
}
