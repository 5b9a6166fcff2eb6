using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Scaled dot-product attention, Y[b, h, i, :] = Σⱼ pᵢⱼ · V[b, h', j, :] with p the softmax along j of
/// Q[b, h, i, :] · K[b, h', j, :] / √d. Layouts are [b, h, t, d]; K and V have hk heads, each shared by h / hk
/// neighbouring heads of Q (h' = h // (h / hk): grouped-query attention). V may be of another width, [b, hk, tk, dv]. Causal masks are aligned at the last query
/// and key, as in FlashAttention: query i sees keys j ≤ i + tk − tq, so that tq = 1 sees all of a cache. A query that
/// sees no key gives 0.
/// </summary>
/// <remarks>
/// Weights are exp(score − N), where N is the row's maximum, or 0 for a row of nothing but −∞, which keeps −∞ − (−∞)
/// out. The weights are rounded to the element type before they meet V, as tensor cores need them; their sum is not.
/// </remarks>
internal static class Attention
{
    public static OperatorDefinition Definition { get; } =
        new(
            "attention",
            "softmax(Q Kᵀ / √d) V of each head, optionally causal (aligned at the last query and key)",
            [
                OperatorKey.Dimension("b", "sequences"),
                OperatorKey.Dimension("h", "heads of Q"),
                OperatorKey.Dimension("tq", "queries"),
                OperatorKey.Dimension("tk", "keys and values"),
                OperatorKey.Dimension("d", "elements of a head"),
                OperatorKey.Flag("causal", "query i sees only keys up to i + tk - tq"),
                new OperatorKey("hk", KeyKind.Dimension, "heads of K and V, a divisor of h (left out: h)")
                {
                    Optional = true,
                },
                new OperatorKey("dv", KeyKind.Dimension, "elements of a head of V and of the result (left out: d)")
                {
                    Optional = true,
                },
                OperatorKey.Types(DTypes.Floats),
            ],
            Build
        )
        {
            Example = "attention b=2 h=2 tq=5 tk=7 d=3",
            Operands = "Q[b, h, tq, d], K[b, hk=h, tk, d], V[b, hk=h, tk, dv=d] -> Y[b, h, tq, dv=d]",
            Check = Check,
            // Prompts are of any length, and one query at their end has keys that grow by one a token.
            Opens = (_, key) => key is "b" or "tq" or "tk",
            // Scores grow with both; an unbounded one makes weights that say nothing but which key has the largest.
            Domain = (_, b) => b.Name == "V" ? InputDomain.Any : InputDomain.Unit,
        };

    private static string? Check(OperatorSpec spec) =>
        spec.Has("hk") && spec.Dim("h") % spec.Dim("hk") != 0
            ? $"hk={spec.Dim("hk")} does not divide h={spec.Dim("h")}; every head of K and V serves equally many of Q"
            : null;

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var (tq, tk) = (spec.Extent("tq"), spec.Extent("tk"));
        var (b, h) = (new Axis("b", spec.Extent("b")), new Axis("h", spec.Dim("h")));
        var (i, j) = (new Axis("i", tq), new Axis("j", tk));
        var (e, c) = (new Axis("e", spec.Dim("d")), new Axis("c", spec.Dim(spec.Has("dv") ? "dv" : "d")));
        long heads = spec.Has("hk") ? spec.Dim("hk") : spec.Dim("h");
        long group = spec.Dim("h") / heads;

        var g = spec.Builder();
        var q = g.Input("Q", type, b.Extent, h.Extent, i.Extent, e.Extent);
        var k = g.Input("K", type, b.Extent, heads, j.Extent, e.Extent);
        var v = g.Input("V", type, b.Extent, heads, j.Extent, c.Extent);
        var shared = Op.FloorDiv(h.Var, group);

        Expr Wide(Expr x) => Op.Cast(compute, x);
        Expr Seen(Expr x, Expr otherwise) =>
            spec.Flag("causal") ? Op.Select(j.Var <= i.Var + (tk - tq), x, otherwise) : x;

        var dot = g.Stage("D", [b, h, i, j], AlgorithmBuilder.Sum(e, Wide(q[b, h, i, e]) * Wide(k[b, shared, j, e])));
        var lowest = Op.Const(double.NegativeInfinity, compute);
        var zero = Op.Const(0, compute);
        double root = 1 / Math.Sqrt(spec.Dim("d"));
        var scale = Op.Const(compute == DType.Float32 ? (float)root : root, compute);
        var score = g.Stage("S", [b, h, i, j], Seen(dot[b, h, i, j] * scale, lowest));
        var max = g.Stage("M", [b, h, i], AlgorithmBuilder.Max([j], score[b, h, i, j]), detached: true);
        var shift = g.Stage("N", [b, h, i], Op.Select(Op.Eq(max[b, h, i], lowest), zero, max[b, h, i]));
        var weight = g.Stage("E", [b, h, i, j], Seen(Op.Exp(score[b, h, i, j] - shift[b, h, i]), zero));
        var sum = g.Stage("L", [b, h, i], AlgorithmBuilder.Sum(j, weight[b, h, i, j]));
        var rounded = compute == type ? weight : g.Stage("W", [b, h, i, j], Op.Cast(type, weight[b, h, i, j]));
        var mixed = g.Stage(
            "O",
            [b, h, i, c],
            AlgorithmBuilder.Sum(j, Wide(rounded[b, h, i, j]) * Wide(v[b, shared, j, c]))
        );
        var part = g.Stage("R", [b, h, i], Op.Select(Op.Eq(sum[b, h, i], zero), zero, Op.Reciprocal(sum[b, h, i])));
        return g.Build(g.Stage("Y", [b, h, i, c], Op.Cast(type, mixed[b, h, i, c] * part[b, h, i])));
    }
}
