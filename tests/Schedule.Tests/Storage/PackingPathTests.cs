using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

/// <summary>The way of a packed matrix product from copies to plain loops, on extents that nothing divides.</summary>
public class PackingPathTests
{
    [Theory]
    [InlineData(31, 37, 23)]
    [InlineData(12, 32, 8)]
    [InlineData(7, 17, 2)]
    public void PackedPanelsHaveNoDivisionLeft(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (cm, cn, ck) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        var s = new Schedule(g.Build(g.Stage("C", [cm, cn], AlgorithmBuilder.Sum(ck, a[cm, ck] * b[ck, cn]))));
        foreach (
            string line in new[]
            {
                "A.p, A.copy = cache_read A C heap",
                "B.p, B.copy = cache_read B C heap",
                "transform_layout A.p m,k->m/6,k,m%6 pad=zero",
                "transform_layout B.p k,n->n/16,k,n%16 pad=zero",
                "split C.m 6 tail=peel",
                "split C.n 16 tail=peel",
                "reorder C.n.o C.m.o C.k C.m.i C.n.i",
                "compute_at B.copy C.n.o",
            }
        )
            s.Apply(Step.Parse(line));
        Agrees(s.Nest);
        var lowered = LowerBlocks.Run(StoragePlacement.Run(s.Nest));
        Agrees(lowered);
        string text = lowered.ToString();
        Assert.DoesNotContain("//", text, StringComparison.Ordinal);
        Assert.DoesNotContain("%", text, StringComparison.Ordinal);
        Assert.Equal("A.p[C.m.o, C.k, C.m.i] * B.p[C.n.o, C.k, C.n.i]", Lowered(s.Nest, "C").Values[0].ToString());
    }
}
