using Picograd.Algorithms;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class PadEinsumTests
{
    private static Algorithm Matmul(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (cm, cn, ck) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [cm, cn], AlgorithmBuilder.Sum(ck, a[cm, ck] * b[ck, cn])));
    }

    [Fact]
    public void OperandsArePaddedAndTheOutputCropped()
    {
        var s = new Schedule(Matmul(5, 8, 7));
        Assert.Equal(["A.pad", "B.pad", "C.crop"], s.PadEinsum("C", 4, 4, 2));
        Shows(
            s.Nest,
            """
            buffer A.pad: f32[8, 8] heap
            buffer B.pad: f32[8, 8] heap
            buffer C.pad: f32[8, 8] heap
            for A.pad.m in 0..8:
              for A.pad.k in 0..8:
                block A.pad(m = A.pad.m, k = A.pad.k):
                  A.pad[m, k] = select(m < 5 && k < 7, A[m, k], 0.0)
            for B.pad.k in 0..8:
              for B.pad.n in 0..8:
                block B.pad(k = B.pad.k, n = B.pad.n):
                  B.pad[k, n] = select(k < 7, B[k, n], 0.0)
            for C.m in 0..8:
              for C.n in 0..8:
                for C.k in 0..8:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C.pad[m, n] sum= A.pad[m, k] * B.pad[k, n]
            for C.crop.m in 0..5:
              for C.crop.n in 0..8:
                block C.crop(m = C.crop.m, n = C.crop.n):
                  C[m, n] = C.pad[m, n]
            """
        );
        Agrees(s.Nest);
    }

    [Fact]
    public void TilesOfThePaddedNestAreWhole()
    {
        var s = new Schedule(Matmul(13, 11, 7));
        s.PadEinsum("C", 4, 8, 1);
        s.Split("C.m", 4);
        s.Split("C.n", 8);
        Assert.True(s.Nest.Block("C").Predicate.IsTrue());
        Agrees(s.Nest);
    }

    [Fact]
    public void OnlyReduceAxisLeavesTheOutputAlone()
    {
        var s = new Schedule(Matmul(3, 5, 7));
        Assert.Equal(["A.pad", "B.pad"], s.PadEinsum("C", 1, 1, 4));
        Assert.Equal("C", s.Nest.Block("C").Output.Name);
        Agrees(s.Nest);
    }

    [Fact]
    public void SameTraceFitsAShapeThatDivides()
    {
        var odd = new Schedule(Matmul(5, 8, 7));
        odd.PadEinsum("C", 4, 4, 1);
        var even = new Schedule(Matmul(8, 8, 7));
        foreach (var step in odd.Nest.Trace)
            even.Apply(Step.Parse(step.ToString()));
        Assert.Equal(odd.Nest.Trace[0].ToString(), even.Nest.Trace[0].ToString());
        Assert.Equal("A[m, k]", even.Nest.Block("A.pad").Values[0].ToString());
        Agrees(even.Nest);
    }

    [Fact]
    public void InputPaddingInlinesAndPacks()
    {
        var s = new Schedule(Matmul(5, 6, 7));
        s.PadEinsum("C", 4, 4, 1);
        s.ComputeInline("B.pad");
        s.TransformLayout("A.pad", "m,k->m/4,k,m%4");
        s.Split("C.m", 4);
        Assert.Equal(
            "A.pad[C.m.o, C.k, C.m.i] * select(C.n < 6, B[C.k, C.n], 0.0)",
            Lowered(s.Nest, "C").Values[0].ToString()
        );
        Agrees(s.Nest);
    }

    [Fact]
    public void SquareOfOneOperandGetsOneCopyAnIndex()
    {
        var g = new AlgorithmBuilder("gram");
        var a = g.Input("A", DType.Float32, 5, 7);
        var (i, j, k) = (new Axis("i", 5), new Axis("j", 5), new Axis("k", 7));
        var s = new Schedule(g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(k, a[i, k] * a[j, k]))));
        Assert.Equal(["A.pad", "A.pad1", "C.crop"], s.PadEinsum("C", 2, 4, 1));
        Agrees(s.Nest);
    }

    [Fact]
    public void SymbolicExtentIsRoundedUp()
    {
        var g = new AlgorithmBuilder("symbolic");
        var rows = g.Parameter("M", 100);
        var a = g.Input("A", DType.Float32, rows, 6);
        var b = g.Input("B", DType.Float32, 6, 4);
        var (m, n, k) = (new Axis("m", rows), new Axis("n", 4), new Axis("k", 6));
        var s = new Schedule(g.Build(g.Stage("C", [m, n], AlgorithmBuilder.Sum(k, a[m, k] * b[k, n]))));
        s.PadEinsum("C", 4, 1, 1);
        Assert.Equal("(M + 3) // 4 * 4, 6", string.Join(", ", s.Nest.Buffer("A.pad").Shape));
        foreach (long size in new long[] { 1, 5, 8 })
            Agrees(s.Nest, new Dictionary<string, long> { ["M"] = size });
    }

    [Fact]
    public void RefusalsSayWhy()
    {
        var s = new Schedule(Matmul(5, 8, 7));
        Refused(s, "pad_einsum C 4,4", "2 factors given for the 3 axes of block C", "m, n, k");
        Refused(s, "pad_einsum C 1,1,1", "all factors are 1", "above 1");
        Refused(s, "pad_einsum C 4,0,1", "factor '0' is not a positive whole number", "pad_einsum");
        s.Split("C.m", 5);
        Refused(s, "pad_einsum C 4,4,1", "does not run over its initial loops", "then split");

        var tanh = new Schedule(MatmulBiasTanh(5, 8, 7));
        Refused(tanh, "pad_einsum C 4,4", "block C is not a sum (a map)", "sums of products");

        Refused(
            Of((a, _, m, n, k) => a[m, k] * a[m, k] + a[m, n]),
            "pad_einsum C 2,2,2",
            "is not a load",
            "product of loads"
        );
        Refused(
            Of((a, v, m, n, k) => a[m, k] * v[n]),
            "pad_einsum C 1,1,2",
            "v[n] does not depend on the padded reduce axis k",
            "factor 1 for k"
        );
        Refused(
            Of((a, _, m, n, k) => a[m, k] * a[n.Var + 1, k]),
            "pad_einsum C 2,2,1",
            "A[n + 1, k] in block C is not at axes"
        );

        static Schedule Of(Func<Buffer, Buffer, Axis, Axis, Axis, Expr> value)
        {
            var g = new AlgorithmBuilder("refused");
            var a = g.Input("A", DType.Float32, 6, 6);
            var v = g.Input("v", DType.Float32, 5);
            var (m, n, k) = (new Axis("m", 5), new Axis("n", 5), new Axis("k", 5));
            return new Schedule(g.Build(g.Stage("C", [m, n], AlgorithmBuilder.Sum(k, value(a, v, m, n, k)))));
        }
    }
}
