using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Analysis;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class StorageAlignTests
{
    [Theory]
    [InlineData(8, 0, 16)]
    [InlineData(8, 1, 17)]
    [InlineData(16, 0, 16)]
    [InlineData(10, 0, 10)]
    [InlineData(32, 4, 36)]
    public void RowStrideIsOffsetModuloFactor(long factor, long offset, long stride)
    {
        var s = new Schedule(CopyThenMatmul(6, 5, 10));
        s.StorageAlign("A.c", 0, factor, offset);
        var buffer = s.Nest.Buffer("A.c");
        Assert.Equal([stride, 1], buffer.Strides.ToArray());
        Assert.Equal(stride * 5 + 10, buffer.ConstantSize());
        Assert.Equal("m * " + stride + " + k", buffer.Offset([new Var("m"), new Var("k")]).ToString());
        Agrees(s.Nest);
    }

    [Fact]
    public void DimensionsAlignFromTheInside()
    {
        var s = new Schedule(CopyThenMatmul(6, 5, 10));
        s.TransformLayout("A.c", "m,k->m/2,k,m%2");
        s.StorageAlign("A.c", 1, 4);
        s.StorageAlign("A.c", 0, 64);
        Assert.Equal([64, 4, 1], s.Nest.Buffer("A.c").Strides.ToArray());
        Refused(s, "storage_align A.c 1 8 0", "dimension 0 of A.c is aligned already", "inner dimensions first");
        Refused(s, "transform_layout A.c p,k,r->k,p,r", "has explicit strides", "then storage_align");
        Agrees(s.Nest);
    }

    [Fact]
    public void StridesOfAPieceFollowTheTrace()
    {
        var s = new Schedule(CopyThenMatmul(6, 5, 10));
        Assert.True(AlignedStrides.For(s.Nest, "A.c", [3, 4]).IsDefault);
        s.StorageAlign("A.c", 0, 8, 1);
        Assert.Equal([9, 1], AlignedStrides.For(s.Nest, "A.c", [3, 4]).ToArray());
        Assert.True(AlignedStrides.For(s.Nest, "A.c", [3, new Var("w")]).IsDefault);
    }

    [Fact]
    public void RefusalsSayWhy()
    {
        var s = new Schedule(CopyThenMatmul(6, 5, 10));
        Refused(s, "storage_align C 0 8 0", "C is an argument", "A.c");
        Refused(s, "storage_align A.c 1 8 0", "argument 2 is 1", "0 to 0");
        Refused(s, "storage_align A.c 0 8 8", "argument 4 is 8", "0 to 7");
        Refused(s, "storage_align A.c 0 0 0", "argument 3 is 0");
        Refused(s, "storage_align A.c 0 x 0", "'x' is not a whole number");

        var g = new AlgorithmBuilder("vector");
        var width = g.Parameter("W", 50);
        var a = g.Input("A", DType.Float32, 4, width);
        Axis Row() => new("r", 4);
        Axis Column() => new("c", width);
        var (r, c, r2, c2, i) = (Row(), Column(), Row(), Column(), Row());
        var t = g.Stage("T", [r, c], a[r, c] * 2f);
        var v = g.Stage("V", [i], t[i, 0]);
        var symbolic = new Schedule(g.Build(g.Stage("C", [r2, c2], t[r2, c2] * v[r2])));
        Refused(symbolic, "storage_align T 0 8 0", "extent W of T is not constant");
        Refused(symbolic, "storage_align V 0 8 0", "buffer V has 1 dimension", "two dimensions or more");
    }
}
