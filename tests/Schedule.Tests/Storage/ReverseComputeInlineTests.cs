using Picograd.Algorithms;
using Picograd.Schedules;
using Xunit;
using static Picograd.Tests.Storage.StorageFixtures;

namespace Picograd.Tests.Storage;

public class ReverseComputeInlineTests
{
    /// <summary>T = A · 2 transposed on read into C = T' + bias, where bias is a stage itself when asked for.</summary>
    private static Algorithm ScaleThenBias(long m, long n, bool computedBias = false)
    {
        var g = new AlgorithmBuilder("scale_bias");
        var a = g.Input("A", DType.Float32, m, n);
        var bias = g.Input("bias", DType.Float32, n);
        var (tm, tn) = (new Axis("m", m), new Axis("n", n));
        var t = g.Stage("T", [tm, tn], a[tm, tn] * 2f);
        if (computedBias)
        {
            var bn = new Axis("n", n);
            bias = g.Stage("B", [bn], bias[bn] * bias[bn]);
        }
        var (cn, cm) = (new Axis("cn", n), new Axis("cm", m));
        return g.Build(g.Stage("C", [cn, cm], t[cm, cn] + bias[cn]));
    }

    [Fact]
    public void ConsumerRunsInTheProducersLoops()
    {
        var s = new Schedule(ScaleThenBias(5, 3));
        s.ReverseComputeInline("C");
        Shows(
            s.Nest,
            """
            for T.m in 0..5:
              for T.n in 0..3:
                block T(m = T.m, n = T.n):
                  C[n, m] = A[m, n] * 2.0 + bias[n]
            """
        );
        Agrees(s.Nest);
    }

    [Fact]
    public void ProducerMayBeSplit()
    {
        var s = new Schedule(ScaleThenBias(5, 3));
        s.Split("T.m", 2);
        s.ReverseComputeInline("C");
        Assert.Equal("T.m.o * 2 + T.m.i < 5", s.Nest.Block("T").Predicate.ToString());
        Agrees(s.Nest);
    }

    [Fact]
    public void OtherInputsMustBeReady()
    {
        var s = new Schedule(ScaleThenBias(5, 3, computedBias: true));
        Refused(s, "reverse_compute_inline C T", "also reads B, which block B has not completed when block T runs");
        Refused(s, "reverse_compute_inline C B", "is not each element once");
        Refused(s, "reverse_compute_inline C", "several blocks, of which 0 could take it in", "T, B");
        s.ComputeInline("B");
        s.ReverseComputeInline("C");
        Assert.Equal("A[m, n] * 2.0 + bias[n] * bias[n]", s.Nest.Block("T").Values[0].ToString());
        Agrees(s.Nest);
    }

    [Fact]
    public void RefusalsSayWhy()
    {
        var s = new Schedule(MatmulBiasTanh(5, 3, 4));
        Refused(s, "reverse_compute_inline C", "block S, the producer, is not a map", "reverse_compute_at");
        Refused(s, "reverse_compute_inline S", "block S is not a map with one output", "compute_inline");
        Refused(s, "reverse_compute_inline C C", "writes C, which is an output");

        var shift = new Schedule(ScaleShiftSum(5, 7));
        Refused(shift, "reverse_compute_inline T", "reads S[m - 1, n], which is not each element once");
        Refused(shift, "reverse_compute_inline S", "reads no intermediate");

        var split = new Schedule(ScaleThenBias(5, 3));
        split.Split("C.cm", 2);
        Refused(split, "reverse_compute_inline C", "only where a predicate holds", "before its loops are split");

        var g = new AlgorithmBuilder("two_readers");
        var a = g.Input("A", DType.Float32, 6);
        Axis Fresh() => new("i", 6);
        var (i, j, k) = (Fresh(), Fresh(), Fresh());
        var t = g.Stage("T", [i], a[i] * 2f);
        var u = g.Stage("U", [j], t[j] + 1f);
        var two = new Schedule(g.Build(g.Stage("C", [k], t[k] * u[k])));
        Refused(two, "reverse_compute_inline U", "T is read by several blocks: U, C");
    }
}
