using System.Collections.Frozen;
using Picograd.Algorithms;

namespace Picograd.Schedules;

// The expansions are branch-free trees of operations that every vector unit has, so they vectorise with the code
// around them. How they are written, and why:
// - x - n·c with n = round(x/c) takes n from the low bits of x/c + 1.5·2^23: one addition rounds, one subtraction
//   gives n as a float, and the bits of the sum shifted left give the power of two. No rounding and no conversion
//   instruction. (1.5·2^23 + 127 makes the shifted bits the float 2^n itself.)
// - Bounds are Min and Max against a constant that is neither NaN nor zero, because these name x once, and because
//   there a single machine instruction with the constant as its first operand lets NaN through.
// - Subexpressions that are used several times are one object. Walkers that do not see this pay for a tree: 270 to 860
//   nodes a function over a leaf, with 23 (exp) to 113 (erf) copies of the argument. So expand late, after all passes that
//   walk expressions as trees, or expand over a leaf (Expand with a kind) and bind the leaf to a value.
// - Coefficients are minimax fits of the relative error (exchange or reweighted least squares in 45 digits), rounded
//   to float one after the other, from the leading one, with the others refitted.

/// <summary>
/// Rewrites exp, log, tanh, sigmoid, erf, sin, cos, rsqrt and reciprocal into arithmetic: all of Float32, and of
/// Float64 sigmoid, erf, rsqrt and reciprocal (exp, log, tanh, sin and cos of Float64 stay as they are, for the back
/// end to call). The result uses + - * Div, Fma, Min, Max, Sqrt, Abs, Neg, Select, comparisons, Bitcast and Cast
/// between Float32 and Int32, and + Shl Shr BitAnd BitOr on Int32.
/// </summary>
/// <remarks>
/// NaN gives NaN. Infinities, overflow to infinity, results that are denormal and denormal arguments are right; tanh,
/// erf and sin keep the sign of zero and, except for sin, are odd to the last bit.
/// </remarks>
public static partial class ExpandMath
{
    /// <summary>
    /// Maximum error over all Float32 arguments, in units of the last place of the exact result.
    /// </summary>
    public static FrozenDictionary<UnaryOp, double> MaxUlp { get; } =
        new Dictionary<UnaryOp, double>
        {
            [UnaryOp.Exp] = 1.75,
            [UnaryOp.Log] = 1.25,
            [UnaryOp.Tanh] = 2.75,
            [UnaryOp.Sigmoid] = 3,
            [UnaryOp.Erf] = 3.75,
            [UnaryOp.Sin] = 2.5,
            [UnaryOp.Cos] = 2.5,
            [UnaryOp.Rsqrt] = 1.5,
            [UnaryOp.Reciprocal] = 0.5,
        }.ToFrozenDictionary();

    /// <summary>The same for Float64, for the functions that are expanded there.</summary>
    public static FrozenDictionary<UnaryOp, double> MaxUlpFloat64 { get; } =
        new Dictionary<UnaryOp, double>
        {
            [UnaryOp.Sigmoid] = 3,
            [UnaryOp.Erf] = 4,
            [UnaryOp.Rsqrt] = 1.5,
            [UnaryOp.Reciprocal] = 0.5,
        }.ToFrozenDictionary();

    /// <summary>
    /// Largest |x| for which sin and cos of Float32 are computed in Float32; beyond it, by the functions of Float64.
    /// </summary>
    public const double SinCosRange = 1e5;

    /// <summary>
    /// Expands all expressions of a nest. Reducers of blocks are left alone: run it on nests whose blocks have been
    /// lowered to stores if reducers of your own call these functions.
    /// </summary>
    public static LoopNest Run(LoopNest nest)
    {
        bool found = false;
        var body = nest.Body.MapExprs(e => Expand(e, ref found));
        return found ? nest with { Body = body } : nest;
    }

    /// <summary>Expands every call in an expression; objects that occur several times stay shared.</summary>
    public static Expr Expand(Expr e)
    {
        bool found = false;
        return Expand(e, ref found);
    }

    /// <summary>One function of an expression, expanded; null for functions and types that stay as they are.</summary>
    public static Expr? Expand(UnaryOp kind, Expr x) =>
        (x.Type, kind) switch
        {
            (DType.Float32, UnaryOp.Exp) => Exp(x),
            (DType.Float32, UnaryOp.Log) => Log(x),
            (DType.Float32, UnaryOp.Tanh) => Tanh(x),
            (DType.Float32, UnaryOp.Sigmoid) => Sigmoid(x),
            (DType.Float32, UnaryOp.Erf) => Erf(x),
            (DType.Float32, UnaryOp.Sin) => Sin(x),
            (DType.Float32, UnaryOp.Cos) => Cos(x),
            (DType.Float64, UnaryOp.Sigmoid) => SigmoidFloat64(x),
            (DType.Float64, UnaryOp.Erf) => ErfFloat64(x),
            (DType.Float32 or DType.Float64, UnaryOp.Rsqrt) => Op.Div(Op.Const(1, x.Type), Op.Sqrt(x)),
            (DType.Float32 or DType.Float64, UnaryOp.Reciprocal) => Op.Div(Op.Const(1, x.Type), x),
            _ => null,
        };

    private static Expr Expand(Expr e, ref bool found)
    {
        var done = new Dictionary<Expr, Expr>(ReferenceEqualityComparer.Instance);
        bool any = false;
        var result = Visit(e);
        found |= any;
        return any ? result : e;

        Expr Visit(Expr node)
        {
            if (done.TryGetValue(node, out var known))
                return known;
            // x·σ(x), for which σ(x) should not be rounded to a denormal number first.
            if (
                node is Binary { Kind: BinaryOp.Mul, Type: DType.Float32, B: Unary { Kind: UnaryOp.Sigmoid } s } product
                && product.A == s.A
            )
            {
                any = true;
                var silu = Silu(Visit(product.A));
                done.Add(node, silu);
                return silu;
            }
            var rebuilt = node.WithChildren(Visit);
            if (rebuilt is Unary u && Expand(u.Kind, u.A) is { } expanded)
            {
                any = true;
                rebuilt = expanded;
            }
            done.Add(node, rebuilt);
            return rebuilt;
        }
    }

    /// <summary>c[0]·x^(n-1) + … + c[n-1], by Horner's rule.</summary>
    private static Expr Polynomial(Expr x, DType type, params ReadOnlySpan<double> coefficients)
    {
        var sum = Op.Const(coefficients[0], type);
        foreach (double c in coefficients[1..])
            sum = Op.Fma(sum, x, Op.Const(c, type));
        return sum;
    }
}
