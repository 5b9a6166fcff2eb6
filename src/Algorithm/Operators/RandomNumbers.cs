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
        new(
            "random_uniform",
            "uniform in [0, 1), multiples of 2^-24 (float64: 2^-53, float16: 2^-11, bfloat16: 2^-8); inputs seed[], offset[]",
            FloatKeys,
            Uniform
        )
        {
            Example = "random_uniform n=13",
            Operands = "seed:i64[], offset:i64[] -> Y[n..]",
        },
        new("random_normal", "normal with mean 0 and deviation 1; inputs seed[], offset[]", FloatKeys, Normal)
        {
            Example = "random_normal n=13",
            Operands = "seed:i64[], offset:i64[] -> Y[n..]",
        },
        new(
            "random_integer",
            "int64 uniform in [0, limit), limit an unsigned 64-bit number; inputs seed[], offset[], limit[]",
            [OperatorKey.Dimension("n", "elements")],
            Integer
        )
        {
            Example = "random_integer n=13",
            Operands = "seed:i64[], offset:i64[], limit:i64[] -> Y:i64[n..]",
            Domain = (_, b) => b.Name == "limit" ? InputDomain.Positive : InputDomain.Any,
        },
    ];

    private static ImmutableArray<OperatorKey> FloatKeys =>
        [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DTypes.Floats)];

    private static (AlgorithmBuilder Builder, Axis Axis, ImmutableArray<Expr> Words) Draw(OperatorSpec spec)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var seed = Philox.Words(g.Input("seed", DType.Int64)[[]]);
        var block = Philox.Words(g.Input("offset", DType.Int64)[[]] + i);
        Expr zero = new IntImm(0, DType.UInt32);
        return (g, i, Philox.Block([block.Low, block.High, zero, zero], [seed.Low, seed.High]));
    }

    private static Algorithm Uniform(OperatorSpec spec)
    {
        var (g, i, words) = Draw(spec);
        var type = spec.Type();
        // Of the half types as many digits as they have, so that nothing is rounded up to 1.
        Expr unit = Philox.ToUnit(words[0], words[1], type.Compute(), type.Info().Significand);
        return g.Build(g.Stage("Y", [i], Op.Cast(type, unit)));
    }

    // Box and Muller 1958: √(−2 ln u) · cos 2πv, with u in (0, 1].
    private static Algorithm Normal(OperatorSpec spec)
    {
        var (g, i, words) = Draw(spec);
        var type = spec.Type().Compute();
        bool wide = type == DType.Float64;
        Expr u = Philox.ToUnit(words[0], words[2], type) + Op.Const(wide ? 1.0 / (1L << 53) : 1.0 / (1 << 24), type);
        Expr angle = Op.Const(2 * Math.PI, type) * Philox.ToUnit(words[1], words[3], type);
        Expr normal = Op.Sqrt(Op.Const(-2, type) * Op.Log(u)) * Op.Cos(angle);
        return g.Build(g.Stage("Y", [i], Op.Cast(spec.Type(), normal)));
    }

    // The whole part of limit · u, with u the 128 bits of a block as a fraction: a number's probability is off by less than
    // 2^-128, whatever the limit. A product of six 32-bit columns by hand, of which the upper two are kept.
    private static Algorithm Integer(OperatorSpec spec)
    {
        var (g, i, words) = Draw(spec);
        var limit = Philox.Words(g.Input("limit", DType.Int64)[[]]);
        Expr sum = Op.Const(0, DType.Int64);
        var columns = new Expr[words.Length + 2];
        for (int column = 0; column < columns.Length; column++)
        {
            // Of the fraction's words the first counts most.
            for (int w = Math.Max(0, column - 2); w <= Math.Min(column, words.Length - 1); w++)
            {
                var word = words[words.Length - 1 - w];
                if (column - w <= 1)
                    sum += Low(Product(word, column - w == 0 ? limit.Low : limit.High));
                if (column - w >= 1)
                    sum += High(Product(word, column - w == 1 ? limit.Low : limit.High));
            }
            columns[column] = sum;
            sum = High(sum);
        }
        return g.Build(g.Stage("Y", [i], Low(columns[^2]) | (columns[^1] << 32)));
    }

    // Of two 32-bit words, all 64 bits; that they reach into the sign does not matter to its halves.
    private static Expr Product(Expr a, Expr b) => Op.Cast(DType.Int64, a) * Op.Cast(DType.Int64, b);

    private static Expr Low(Expr value) => Op.Cast(DType.Int64, Philox.Words(value).Low);

    private static Expr High(Expr value) => Op.Cast(DType.Int64, Philox.Words(value).High);
}
