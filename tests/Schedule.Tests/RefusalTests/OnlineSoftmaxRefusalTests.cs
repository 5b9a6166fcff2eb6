using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests.RefusalTests;

/// <summary>What online_softmax does not take, and why.</summary>
public class OnlineSoftmaxRefusalTests
{
    private static readonly string[] Ready = ["split M.j 4", "reorder M.j.o M.i M.j.i"];

    [Fact]
    public void Blocks_that_are_no_maximum_and_no_sum()
    {
        Refusals.Of("mixture", "block L is not a maximum of floats over one axis", "online_softmax L L.j O");
        Refusals.Of("mixture", "block N is not a maximum", "online_softmax N N.i O");
        Refusals.Of("mixture", "block Y is not a sum of floats", [.. Ready, "online_softmax M M.j.o Y"]);
        Refusals.Of("mixture", "a block is named twice", [.. Ready, "online_softmax M M.j.o L L"]);
        Refusals.Of("mixture", "2 arguments given", [.. Ready, "online_softmax M M.j.o"]);
    }

    [Fact]
    public void Loops_that_do_not_take_keys_block_by_block()
    {
        Refusals.Of("mixture", "loop M.i is not the outermost loop of the keys of block M", "online_softmax M M.i L O");
        Refusals.Of("mixture", "loop M.j.i is not the outermost loop", [.. Ready, "online_softmax M M.j.i L O"]);
        Refusals.Of("mixture", "takes keys", "split M.j 5", "reorder M.j.i M.i M.j.o", "online_softmax M M.j.i L O");
        Refusals.Of("mixture", "drives rows and keys", "mf = fuse M.i M.j", "online_softmax M mf L O");
        Refusals.Of(
            "mixture",
            "loop M.j.o is unrolled, but its iterations go on from each other",
            [.. Ready, "unroll M.j.o", "online_softmax M M.j.o L O"]
        );
    }

    [Fact]
    public void Sums_in_other_places()
    {
        Refusals.Of("mixture", "block E is not below the loops around M.j", "online_softmax M M.j L O");
        Refusals.Of(
            "mixture",
            "is vector and would be lost",
            [.. Ready, "vectorize O.c", "online_softmax M M.j.o L O"]
        );
        Refusals.Of(
            "mixture",
            "block L does not initialise its output (any more)",
            [.. Ready, "decompose_reduction L L.j", "online_softmax M M.j.o L O"]
        );
        Refusals.Of(
            "mixture",
            "block M does not initialise its output (any more)",
            [.. Ready, "decompose_reduction M M.j.o", "online_softmax M M.j.o L O"]
        );
        Refusals.Of(
            "mixture",
            "block O reads E too, whose weights would be relative to the maximum so far",
            [.. Ready, "online_softmax M M.j.o L"]
        );
    }

    [Fact]
    public void Skipping_without_a_mask()
    {
        Refusals.Of("mixture", "skip is '2'", [.. Ready, "online_softmax M M.j.o L O skip=2"]);
        Refusals.Of(
            "mixture",
            "no mask of the scores of block M says up to which key",
            [.. Ready, "online_softmax M M.j.o L O skip=1"]
        );
    }

    [Fact]
    public void Weights_without_a_guard_would_be_NaN() =>
        Refusals.Of(
            Mixture((s, m) => Op.Exp(s - m)),
            "subtracts M[i] itself, which gives NaN while all scores so far are -Infinity",
            [.. Ready, "online_softmax M M.j.o L"]
        );

    [Fact]
    public void Weights_that_do_not_scale()
    {
        static Expr Guarded(Expr m) => Op.Select(Op.Eq(m, float.NegativeInfinity), 0f, m);
        void Refused(string reason, Func<Expr, Expr, Expr> weight) =>
            Refusals.Of(Mixture(weight), reason, [.. Ready, "online_softmax M M.j.o L"]);

        Refused("does not scale with exp(-M)", (s, m) => Op.Exp(Op.Max(s - Guarded(m), -10f)));
        Refused("is not the score A[i, j] that M is the maximum of", (s, m) => Op.Exp(s * 2f - Guarded(m)));
        Refused("mixes a weight with what is none", (s, m) => Op.Exp(s - Guarded(m)) + 1f);
        Refused("is a product of two weights", (s, m) => Op.Exp(s - Guarded(m)) * Op.Exp(s - Guarded(m)));
        Refused("does not scale with exp(-M)", (s, m) => Op.Select(m < 3f, Op.Exp(s - Guarded(m)), 0f));
        Refused(
            "does not scale with exp(-M)",
            (s, m) => Op.Exp(s - Op.Select(Op.Eq(m, float.PositiveInfinity), 0f, m))
        );
        Refused("does not add weights exp(s - N)", (s, _) => Op.Exp(s));
    }

    // L[i] = Σ weight(A[i, j], M[i]), M the maximum of each row.
    private static Algorithm Mixture(Func<Expr, Expr, Expr> weight)
    {
        var g = new AlgorithmBuilder("mixture");
        var a = g.Input("A", DType.Float32, 4, 10);
        var (i, j) = (new Axis("i", 4), new Axis("j", 10));
        var max = g.Stage("M", [i], AlgorithmBuilder.Max([j], a[i, j]));
        return g.Build(g.Stage("L", [i], AlgorithmBuilder.Sum(j, weight(a[i, j], max[i]))), max);
    }
}
