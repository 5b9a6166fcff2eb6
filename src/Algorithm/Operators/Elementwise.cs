using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>What element-wise operators share: functions, broadcasting, types.</summary>
internal static class Elementwise
{
    private static readonly string[] AxisNames = ["i", "j", "k", "l", "p", "q"];

    /// <summary>Half-precision types are for storage: they are computed in float32.</summary>
    public static DType ComputeType(DType type) => type.Compute();

    /// <summary>Axes i, j, k, … over a shape.</summary>
    public static Axis[] Axes(ImmutableArray<Expr> shape) =>
        [.. shape.Select((extent, d) => new Axis(AxisNames[d], extent))];

    /// <summary>A number of elements as a number to calculate with.</summary>
    public static Expr Count(Expr extent, DType type) =>
        extent is IntImm known ? Op.Const(known.Value, type) : Op.Cast(type, extent);

    /// <summary>A function of one value by its operator's name.</summary>
    public static Expr Function(string name, Expr x) =>
        name switch
        {
            "tanh" => Op.Tanh(x),
            "exp" => Op.Exp(x),
            "log" => Op.Log(x),
            "sigmoid" => Op.Sigmoid(x),
            "relu" => Op.Max(x, Op.Const(0, x.Type)),
            "neg" => Op.Neg(x),
            "sqrt" => Op.Sqrt(x),
            "rsqrt" => Op.Rsqrt(x),
            "reciprocal" => Op.Reciprocal(x),
            "erf" => Op.Erf(x),
            "sin" => Op.Sin(x),
            "cos" => Op.Cos(x),
            "abs" => Op.Abs(x),
            "floor" => Op.Floor(x),
            "ceil" => Op.Ceil(x),
            "round" => Op.Round(x),
            "square" => x * x,
            "silu" => Silu(x),
            // x · Φ(x) with the normal distribution function Φ(x) = (1 + erf(x / √2)) / 2
            "gelu" => x * (Op.Const(0.5, x.Type) * (1 + Op.Erf(x * Op.Const(0.70710678118654752, x.Type)))),
            _ => throw new ArgumentException($"no element-wise function is called {name}"),
        };

    /// <summary>A function of two values by its operator's name; comparisons give bool.</summary>
    public static Expr Function(string name, Expr a, Expr b) =>
        name switch
        {
            "add" => a + b,
            "sub" => a - b,
            "mul" => a * b,
            "div" => a / b,
            "maximum" => Op.Max(a, b),
            "minimum" => Op.Min(a, b),
            "pow" => Op.Pow(a, b),
            "eq" => Op.Eq(a, b),
            "ne" => Op.Ne(a, b),
            "lt" => Op.Lt(a, b),
            "le" => Op.Le(a, b),
            "gt" => Op.Lt(b, a),
            "ge" => Op.Le(b, a),
            "logical_and" => Op.And(a, b),
            "logical_or" => Op.Or(a, b),
            "logical_xor" => Op.Ne(a, b),
            "bitwise_and" => a & b,
            "bitwise_or" => a | b,
            "bitwise_xor" => a ^ b,
            "left_shift" => Op.Select(InWidth(b), a << Amount(b), Op.Const(0, a.Type)),
            "right_shift" => a >> Op.Select(InWidth(b), Amount(b), Op.Const(Width(b) - 1, b.Type)),
            _ => throw new ArgumentException($"no element-wise function of two values is called {name}"),
        };

    /// <summary>
    /// Shape of the result of broadcasting as NumPy and PyTorch do: aligned at the last dimension, 1 stretches; null if
    /// the shapes do not fit.
    /// </summary>
    public static ImmutableArray<long>? Broadcast(params ReadOnlySpan<ImmutableArray<long>> shapes)
    {
        int rank = 0;
        foreach (var shape in shapes)
            rank = Math.Max(rank, shape.Length);
        var result = new long[rank];
        Array.Fill(result, 1);
        foreach (var shape in shapes)
        {
            int offset = rank - shape.Length;
            for (int d = 0; d < shape.Length; d++)
            {
                if (shape[d] == 1)
                    continue;
                if (result[offset + d] != 1 && result[offset + d] != shape[d])
                    return null;
                result[offset + d] = shape[d];
            }
        }
        return [.. result];
    }

    /// <summary><see cref="Broadcast"/> of shapes that fit, of which extents may be symbolic.</summary>
    public static ImmutableArray<Expr> BroadcastExtents(params ReadOnlySpan<ImmutableArray<Expr>> shapes)
    {
        int rank = 0;
        foreach (var shape in shapes)
            rank = Math.Max(rank, shape.Length);
        var result = new Expr[rank];
        Array.Fill(result, 1);
        foreach (var shape in shapes)
        {
            for (int d = 0; d < shape.Length; d++)
            {
                if (!shape[d].IsConst(1))
                    result[rank - shape.Length + d] = shape[d];
            }
        }
        return [.. result];
    }

    /// <summary>The element of an operand that broadcasts to the axes.</summary>
    public static Expr Element(Buffer operand, Axis[] axes)
    {
        int offset = axes.Length - operand.Rank;
        return operand.At([.. operand.Shape.Select((e, d) => e.IsConst(1) ? 0 : (Expr)axes[offset + d].Var)]);
    }

    // A shift by a negative number, or by the width and more, shifts every bit out, as in PyTorch: 0, or the sign.
    private static Expr InWidth(Expr amount) =>
        Op.And(Op.Le(Op.Const(0, amount.Type), amount), Op.Lt(amount, Op.Const(Width(amount), amount.Type)));

    // What shifts mean is stated for amounts below the width, also in the branch that is not taken.
    private static Expr Amount(Expr amount) => amount & Op.Const(Width(amount) - 1, amount.Type);

    private static int Width(Expr value) => 8 * value.Type.Size();

    // x·σ(x). In Float64 below 0, x·e^(x/2)·e^(x/2)/(1 + e^x): where σ(x) is denormal, x·σ(x) need not be.
    private static Expr Silu(Expr x)
    {
        if (x.Type != DType.Float64)
            return x * Op.Sigmoid(x);
        var half = Op.Exp(Op.Abs(x) * Op.Const(-0.5, x.Type));
        var sum = half * half + 1;
        return Op.Select(Op.Lt(x, Op.Const(0, x.Type)), x / sum * half * half, x / sum);
    }
}
