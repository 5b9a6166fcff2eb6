using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Random tensors from <see cref="Philox"/>: element i is drawn from block offset + i under the key seed, both int64
/// scalars, so that n elements use up n blocks and streams that advance the offset by n never overlap.
/// </summary>
internal static class RandomNumbers
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("random_uniform", "uniform in [0, 1), multiples of 2^-24; inputs seed[], offset[]", FloatKeys, Uniform)
        {
            Example = "random_uniform n=13",
        },
        new("random_normal", "normal with mean 0 and deviation 1; inputs seed[], offset[]", FloatKeys, Normal)
        {
            Example = "random_normal n=13",
        },
        new(
            "random_integer",
            "int64 uniform in [0, limit), limit below 2^31; inputs seed[], offset[], limit[]",
            [OperatorKey.Dimension("n", "elements")],
            Integer
        )
        {
            Example = "random_integer n=13",
            Domain = (_, b) => b.Name == "limit" ? InputDomain.Positive : InputDomain.Any,
        },
    ];

    private static ImmutableArray<OperatorKey> FloatKeys =>
        [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DType.Float32, DType.Float64)];

    private static (AlgorithmBuilder Builder, Axis Axis, ImmutableArray<Expr> Words) Draw(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var i = new Axis("i", spec.Dim("n"));
        var seed = Philox.Words(g.Input("seed", DType.Int64)[[]]);
        var block = Philox.Words(g.Input("offset", DType.Int64)[[]] + i);
        Expr zero = new IntImm(0, DType.UInt32);
        return (g, i, Philox.Block([block.Low, block.High, zero, zero], [seed.Low, seed.High]));
    }

    private static Algorithm Uniform(OperatorSpec spec)
    {
        var (g, i, words) = Draw(spec);
        return g.Build(g.Stage("Y", [i], Philox.ToUnit(words[0], spec.Type())));
    }

    // Box and Muller 1958: √(−2 ln u) · cos 2πv, with u in (0, 1].
    private static Algorithm Normal(OperatorSpec spec)
    {
        var (g, i, words) = Draw(spec);
        var type = spec.Type();
        Expr u = Philox.ToUnit(words[0], type) + Op.Const(1.0 / (1 << 24), type);
        Expr angle = Op.Const(2 * Math.PI, type) * Philox.ToUnit(words[1], type);
        return g.Build(g.Stage("Y", [i], Op.Sqrt(Op.Const(-2, type) * Op.Log(u)) * Op.Cos(angle)));
    }

    // limit · word / 2^32: biased by less than limit / 2^32.
    private static Algorithm Integer(OperatorSpec spec)
    {
        var (g, i, words) = Draw(spec);
        var limit = g.Input("limit", DType.Int64);
        return g.Build(g.Stage("Y", [i], (Op.Cast(DType.Int64, words[0]) * limit[[]]) >> 32));
    }
}
