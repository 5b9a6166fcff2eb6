using Picograd.Algorithms;
using Picograd.Schedules;
using Xunit;

namespace Picograd.Tests.Storage;

/// <summary>Small algorithms with intermediates, and the checks that the storage tests share.</summary>
internal static class StorageFixtures
{
    /// <summary>A.c = A (a copy to pack), then C = A.c · B.</summary>
    public static Algorithm CopyThenMatmul(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("copy_matmul");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var (am, ak) = (new Axis("m", m), new Axis("k", k));
        var copy = g.Stage("A.c", [am, ak], a[am, ak]);
        var (cm, cn, ck) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        return g.Build(g.Stage("C", [cm, cn], AlgorithmBuilder.Sum(ck, copy[cm, ck] * b[ck, cn])));
    }

    /// <summary>S = A · B, then C = tanh(S + bias).</summary>
    public static Algorithm MatmulBiasTanh(long m, long n, long k)
    {
        var g = new AlgorithmBuilder("matmul_bias_tanh");
        var a = g.Input("A", DType.Float32, m, k);
        var b = g.Input("B", DType.Float32, k, n);
        var bias = g.Input("bias", DType.Float32, n);
        var (sm, sn, sk) = (new Axis("m", m), new Axis("n", n), new Axis("k", k));
        var s = g.Stage("S", [sm, sn], AlgorithmBuilder.Sum(sk, a[sm, sk] * b[sk, sn]));
        var (cm, cn) = (new Axis("m", m), new Axis("n", n));
        return g.Build(g.Stage("C", [cm, cn], Op.Tanh(s[cm, cn] + bias[cn])));
    }

    /// <summary>S = A · 2, T = exp(S) with rows shifted by one (zero before the first), C = column sums of T.</summary>
    public static Algorithm ScaleShiftSum(long m, long n)
    {
        var g = new AlgorithmBuilder("scale_shift_sum");
        var a = g.Input("A", DType.Float32, m, n);
        var (sm, sn) = (new Axis("m", m), new Axis("n", n));
        var s = g.Stage("S", [sm, sn], a[sm, sn] * 2f);
        var (tm, tn) = (new Axis("m", m), new Axis("n", n));
        var t = g.Stage("T", [tm, tn], Op.Select(Op.Le(1, tm), Op.Exp(s[tm.Var - 1, tn]), 0f));
        var (cn, cm) = (new Axis("n", n), new Axis("m", m));
        return g.Build(g.Stage("C", [cn], AlgorithmBuilder.Sum(cm, t[cm, cn])));
    }

    /// <summary>The nest as text with plain line ends, to compare with a raw string.</summary>
    public static string Text(LoopNest nest) => nest.ToString().ReplaceLineEndings("\n").TrimEnd();

    public static void Shows(LoopNest nest, string expected) =>
        Assert.Equal(expected.ReplaceLineEndings("\n").TrimEnd(), Text(nest));

    /// <summary>Applies a step that must be refused; checks the reason and what is said to be legal.</summary>
    public static ScheduleException Refused(Schedule schedule, string step, string reason, string? legal = null)
    {
        var before = schedule.Nest;
        var refusal = Assert.Throws<ScheduleException>(() => schedule.Apply(Step.Parse(step)));
        Assert.Contains(reason, refusal.Reason, StringComparison.Ordinal);
        if (legal is not null)
            Assert.Contains(legal, refusal.Legal, StringComparison.Ordinal);
        Assert.Same(before, schedule.Nest);
        return refusal;
    }

    /// <summary>
    /// What lowering does to a block: bindings in the place of axes, simplified with the ranges of the loops around.
    /// </summary>
    public static Block Lowered(LoopNest nest, string name)
    {
        var block = nest.Block(name);
        var simplifier = new Simplifier(nest.Ranges(nest.LoopsAround(block)));
        return block with
        {
            Indices = [.. block.Indices.Select(i => simplifier.Visit(i.Substitute(block.Bindings)))],
            Values = [.. block.Values.Select(v => simplifier.Visit(v.Substitute(block.Bindings)))],
        };
    }
}
