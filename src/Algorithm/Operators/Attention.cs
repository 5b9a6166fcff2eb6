using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Scaled dot-product attention, Y[b, h, i, :] = Σⱼ pᵢⱼ · V[b, h', j, :] with p the softmax along j of
/// Q[b, h, i, :] · K[b, h', j, :] · scale (1 / √d by default) plus a bias. Layouts are [b, h, t, d]; K and V have hk heads, each shared by h / hk
/// neighbouring heads of Q (h' = h // (h / hk): grouped-query attention). V may be of another width, [b, hk, tk, dv]. Causal masks are aligned at the last query
/// and key, as in FlashAttention: query i sees keys j ≤ i + tk − tq, so that tq = 1 sees all of a cache; with first, at the first
/// ones, as PyTorch's: j ≤ i. Masks of data broadcast over what their keys mb, mh, mq say: a bias is added to scores, and of seen the keys count where it is true. A query that
/// sees no key gives 0.
/// </summary>
/// <remarks>
/// Weights are exp(score − N), where N is the row's maximum, or 0 for a row of nothing but −∞, which keeps −∞ − (−∞)
/// out. The weights are rounded to the element type before they meet V, as tensor cores need them; their sum is not. With stats there are N and
/// the reciprocal sum of a row's exponentials (0 for a row that sees no key) as results, too, which attention_grad reads: from both, weights follow
/// as precisely as they were, where the logarithm of the sum would lose the digits that a large N has.
/// </remarks>
internal static class Attention
{
    private static readonly ImmutableArray<OperatorKey> Keys =
    [
        OperatorKey.Dimension("b", "sequences"),
        OperatorKey.Dimension("h", "heads of Q"),
        OperatorKey.Dimension("tq", "queries"),
        OperatorKey.Dimension("tk", "keys and values"),
        OperatorKey.Dimension("d", "elements of a head"),
        OperatorKey.Flag("causal", "query i sees only keys up to i + tk - tq"),
        OperatorKey.Flag("first", "with causal: query i sees only keys up to i"),
        OperatorKey.Flag("bias", "B is added to scores"),
        OperatorKey.Flag("seen", "only keys count where C is true"),
        Left("hk", "heads of K and V, a divisor of h (left out: h)"),
        Left("dv", "elements of a head of V and of the result (left out: d)"),
        Left("mb", "sequences of a mask, 1 for all (left out: b)"),
        Left("mh", "heads of a mask, 1 for all (left out: h)"),
        Left("mq", "queries of a mask, 1 for all (left out: tq)"),
        new OperatorKey("scale", KeyKind.Real, "factor of scores (left out: 1 / √d)") { Optional = true },
    ];

    private const string Masks = "B[mb=b, mh=h, mq=tq, tk]?bias, C:bool[mb=b, mh=h, mq=tq, tk]?seen";

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new(
            "attention",
            "softmax(Q Kᵀ / √d) V of each head, optionally causal (aligned at the last query and key)",
            [
                .. Keys,
                OperatorKey.Flag("stats", "maxima and reciprocal sums of rows, too"),
                OperatorKey.Types(DTypes.Floats),
            ],
            Build
        )
        {
            Example = "attention b=2 h=2 tq=5 tk=7 d=3",
            Operands =
                $"Q[b, h, tq, d], K[b, hk=h, tk, d], V[b, hk=h, tk, dv=d], {Masks} -> Y[b, h, tq, dv=d], X:compute[b, h, tq]?stats, Z:compute[b, h, tq]?stats",
            Check = Check,
            // Prompts are of any length, and one query at their end has keys that grow by one a token.
            Opens = (s, key) => key is "tk" || (key is "b" && !IsGiven(s, "mb")) || (key is "tq" && !IsGiven(s, "mq")),
            Domain = Domain,
        },
        new(
            "attention_grad",
            "gradients of Q, K and V of attention from the gradient G of its result Y, all in one pass over the scores",
            [.. Keys, OperatorKey.Types(DTypes.Floats)],
            Gradient
        )
        {
            Example = "attention_grad b=2 h=2 tq=5 tk=7 d=3",
            Operands =
                "Q[b, h, tq, d], K[b, hk=h, tk, d], V[b, hk=h, tk, dv=d], Y[b, h, tq, dv=d], G[b, h, tq, dv=d], X:compute[b, h, tq], Z:compute[b, h, tq], "
                + $"{Masks} -> DQ[b, h, tq, d], DK[b, hk=h, tk, d], DV[b, hk=h, tk, dv=d]",
            Check = Check,
            Domain = Domain,
        },
    ];

    // A size of a mask that would have to grow along.
    private static bool IsGiven(OperatorSpec spec, string mask) => spec.Has(mask) && spec.Dim(mask) != 1;

    private static OperatorKey Left(string name, string doc) => new(name, KeyKind.Dimension, doc) { Optional = true };

    // Scores grow with both; an unbounded one makes weights that say nothing but which key has the largest.
    private static InputDomain Domain(OperatorSpec spec, Buffer buffer) =>
        buffer.Name is "V" or "C" or "Y" or "G" ? InputDomain.Any : InputDomain.Unit;

    private static string? Check(OperatorSpec spec)
    {
        if (spec.Has("hk") && spec.Dim("h") % spec.Dim("hk") != 0)
            return $"hk={spec.Dim("hk")} does not divide h={spec.Dim("h")}; every head of K and V serves equally many of Q";
        if (spec.Flag("first") && !spec.Flag("causal"))
            return "first=1 says how a causal mask is aligned; it needs causal=1";
        foreach (var (mask, of) in new[] { ("mb", "b"), ("mh", "h"), ("mq", "tq") })
        {
            if (spec.Has(mask) && spec.Dim(mask) != 1 && spec.Dim(mask) != spec.Dim(of))
                return $"{mask}={spec.Dim(mask)} is neither 1 nor {of}={spec.Dim(of)}";
        }
        return null;
    }

    // Axes, operands and scores, which both operators have. Inputs are declared in the order of the signatures.
    private sealed class Parts
    {
        private readonly OperatorSpec _spec;
        private readonly AlgorithmBuilder _g;
        private Buffer? _bias;
        private Buffer? _seen;

        public Parts(OperatorSpec spec, AlgorithmBuilder g)
        {
            (_spec, _g) = (spec, g);
            Type = spec.Type();
            Compute = Elementwise.ComputeType(Type);
            (B, H) = (new Axis("b", spec.Extent("b")), new Axis("h", spec.Dim("h")));
            (I, J) = (new Axis("i", spec.Extent("tq")), new Axis("j", spec.Extent("tk")));
            (E, C) = (new Axis("e", spec.Dim("d")), new Axis("c", spec.Dim(spec.Has("dv") ? "dv" : "d")));
            Heads = spec.Has("hk") ? spec.Dim("hk") : spec.Dim("h");
            Group = spec.Dim("h") / Heads;
            Query = g.Input("Q", Type, B.Extent, H.Extent, I.Extent, E.Extent);
            Key = g.Input("K", Type, B.Extent, Heads, J.Extent, E.Extent);
            Value = g.Input("V", Type, B.Extent, Heads, J.Extent, C.Extent);
        }

        public DType Type { get; }

        public DType Compute { get; }

        public Axis B { get; }

        public Axis H { get; }

        public Axis I { get; }

        public Axis J { get; }

        public Axis E { get; }

        public Axis C { get; }

        public long Heads { get; }

        /// <summary>Heads of Q that share one of K and V.</summary>
        public long Group { get; }

        public Buffer Query { get; }

        public Buffer Key { get; }

        public Buffer Value { get; }

        public Expr Scale
        {
            get
            {
                double scale = _spec.Has("scale") ? _spec.Real("scale") : 1 / Math.Sqrt(_spec.Dim("d"));
                return Op.Const(Compute == DType.Float32 ? (float)scale : scale, Compute);
            }
        }

        public Expr Wide(Expr x) => Op.Cast(Compute, x);

        /// <summary>Declares the masks of data.</summary>
        public void Masks()
        {
            Expr Size(string key, Axis of) => _spec.Has(key) ? _spec.Dim(key) : of.Extent;
            Expr[] shape = [Size("mb", B), Size("mh", H), Size("mq", I), J.Extent];
            _bias = _spec.Flag("bias") ? _g.Input("B", Type, shape) : null;
            _seen = _spec.Flag("seen") ? _g.Input("C", DType.Bool, shape) : null;
        }

        /// <summary>A scaled dot product with its bias.</summary>
        public Expr Biased(Expr scaled) => _bias is null ? scaled : scaled + Wide(_bias[Place()]);

        /// <summary>x where the query sees the key.</summary>
        public Expr Seen(Expr x, Expr otherwise)
        {
            var seen = _seen is null ? x : Op.Select(_seen[Place()], x, otherwise);
            if (!_spec.Flag("causal"))
                return seen;
            var last = _spec.Flag("first") ? (Expr)I.Var : I.Var + (J.Extent - I.Extent);
            return Op.Select(J.Var <= last, seen, otherwise);
        }

        private Expr[] Place()
        {
            Expr One(string key, Axis axis) => _spec.Has(key) && _spec.Dim(key) == 1 ? 0 : axis.Var;
            return [One("mb", B), One("mh", H), One("mq", I), J.Var];
        }
    }

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = spec.Builder();
        var p = new Parts(spec, g);
        p.Masks();
        var (b, h, i, j, e, c) = (p.B, p.H, p.I, p.J, p.E, p.C);
        var compute = p.Compute;
        var shared = Op.FloorDiv(h.Var, p.Group);
        var lowest = Op.Const(double.NegativeInfinity, compute);
        var zero = Op.Const(0, compute);
        Expr product = p.Wide(p.Query[b, h, i, e]) * p.Wide(p.Key[b, shared, j, e]);
        var dot = g.Stage("D", [b, h, i, j], AlgorithmBuilder.Sum(e, product));
        var score = g.Stage("S", [b, h, i, j], p.Seen(p.Biased(dot[b, h, i, j] * p.Scale), lowest));
        var max = g.Stage("M", [b, h, i], AlgorithmBuilder.Max([j], score[b, h, i, j]), detached: true);
        var shift = g.Stage("N", [b, h, i], Op.Select(Op.Eq(max[b, h, i], lowest), zero, max[b, h, i]));
        var weight = g.Stage("E", [b, h, i, j], p.Seen(Op.Exp(score[b, h, i, j] - shift[b, h, i]), zero));
        var sum = g.Stage("L", [b, h, i], AlgorithmBuilder.Sum(j, weight[b, h, i, j]));
        var rounded = compute == p.Type ? weight : g.Stage("W", [b, h, i, j], Op.Cast(p.Type, weight[b, h, i, j]));
        Expr term = p.Wide(rounded[b, h, i, j]) * p.Wide(p.Value[b, shared, j, c]);
        var mixed = g.Stage("O", [b, h, i, c], AlgorithmBuilder.Sum(j, term));
        var part = g.Stage("R", [b, h, i], Op.Select(Op.Eq(sum[b, h, i], zero), zero, Op.Reciprocal(sum[b, h, i])));
        var result = g.Stage("Y", [b, h, i, c], Op.Cast(p.Type, mixed[b, h, i, c] * part[b, h, i]));
        return spec.Flag("stats")
            ? g.Build(result, g.Stage("X", [b, h, i], shift[b, h, i]), g.Stage("Z", [b, h, i], part[b, h, i]))
            : g.Build(result);
    }

    // With p = exp(score - X) · Z, which are the weights, and t = p · (G Vᵀ - Σ G Y) · scale: DQ = t K, DK = tᵀ Q, DV = pᵀ G, for each head of Q;
    // those that share one of K and V are added up.
    private static Algorithm Gradient(OperatorSpec spec)
    {
        var g = spec.Builder();
        var p = new Parts(spec, g);
        var (b, h, i, j, e, c) = (p.B, p.H, p.I, p.J, p.E, p.C);
        var compute = p.Compute;
        var shared = Op.FloorDiv(h.Var, p.Group);
        var y = g.Input("Y", p.Type, b.Extent, h.Extent, i.Extent, c.Extent);
        var grad = g.Input("G", p.Type, b.Extent, h.Extent, i.Extent, c.Extent);
        var shift = g.Input("X", compute, b.Extent, h.Extent, i.Extent);
        var part = g.Input("Z", compute, b.Extent, h.Extent, i.Extent);
        p.Masks();
        Expr both = p.Wide(y[b, h, i, c]) * p.Wide(grad[b, h, i, c]);
        var mean = g.Stage("A", [b, h, i], AlgorithmBuilder.Sum(c, both));
        Expr product = p.Wide(p.Query[b, h, i, e]) * p.Wide(p.Key[b, shared, j, e]);
        var dot = g.Stage("D", [b, h, i, j], AlgorithmBuilder.Sum(e, product));
        Expr change = p.Wide(grad[b, h, i, c]) * p.Wide(p.Value[b, shared, j, c]);
        var slope = g.Stage("S", [b, h, i, j], AlgorithmBuilder.Sum(c, change));
        var lowest = Op.Const(double.NegativeInfinity, compute);
        // Rounded as the forward's, so that the differences from the maxima are its.
        var score = g.Stage("E", [b, h, i, j], p.Seen(p.Biased(dot[b, h, i, j] * p.Scale), lowest));
        var weight = g.Stage("P", [b, h, i, j], Op.Exp(score[b, h, i, j] - shift[b, h, i]) * part[b, h, i]);
        var t = g.Stage("T", [b, h, i, j], weight[b, h, i, j] * (slope[b, h, i, j] - mean[b, h, i]) * p.Scale);
        Expr ofQuery = t[b, h, i, j] * p.Wide(p.Key[b, shared, j, e]);
        Expr ofKey = t[b, h, i, j] * p.Wide(p.Query[b, h, i, e]);
        Expr ofValue = weight[b, h, i, j] * p.Wide(grad[b, h, i, c]);
        var (plain, all) = (compute == p.Type, p.Group == 1);
        var dq = g.Stage(plain ? "DQ" : "WQ", [b, h, i, e], AlgorithmBuilder.Sum(j, ofQuery));
        var dk = g.Stage(plain && all ? "DK" : "HK", [b, h, j, e], AlgorithmBuilder.Sum(i, ofKey));
        var dv = g.Stage(plain && all ? "DV" : "HV", [b, h, j, c], AlgorithmBuilder.Sum(i, ofValue));
        if (!all)
        {
            var (k, r) = (new Axis("k", p.Heads), new Axis("r", p.Group));
            Expr Head(Buffer x, Axis last) => x[b, k.Var * p.Group + r.Var, j, last];
            dk = g.Stage(plain ? "DK" : "WK", [b, k, j, e], AlgorithmBuilder.Sum(r, Head(dk, e)));
            dv = g.Stage(plain ? "DV" : "WV", [b, k, j, c], AlgorithmBuilder.Sum(r, Head(dv, c)));
            h = k;
        }
        if (!plain)
        {
            dq = g.Stage("DQ", [b, p.H, i, e], Op.Cast(p.Type, dq[b, p.H, i, e]));
            dk = g.Stage("DK", [b, h, j, e], Op.Cast(p.Type, dk[b, h, j, e]));
            dv = g.Stage("DV", [b, h, j, c], Op.Cast(p.Type, dv[b, h, j, c]));
        }
        return g.Build(dq, dk, dv);
    }
}
