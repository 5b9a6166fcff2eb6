using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Rewrites elementary functions into arithmetic, as their entries in <see cref="ScalarFunctions"/> say (see <see cref="Expansion"/> for what
/// that is made of); those without an expansion for a type (exp, log, tanh, sin and cos of Float64, for example) stay, for the back end to call.
/// </summary>
/// <remarks>
/// NaN gives NaN. Infinities, overflow to infinity, results that are denormal and denormal arguments are right; odd functions keep the
/// sign of zero.
/// </remarks>
public static class ExpandMath
{
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
            // Where a combiner of your own calls one; others are gone since the initial nest.
            if (node is Apply { Meaning: { } meaning })
            {
                any = true;
                var made = Visit(meaning);
                done.Add(node, made);
                return made;
            }
            // x·σ(x), for which σ(x) should not be rounded to a denormal number first.
            if (
                node is Binary { Kind: BinaryOp.Mul, Type: DType.Float32, B: Apply s } product
                && s.Function == ScalarFunctions.Sigmoid
                && product.A == s.A
            )
            {
                any = true;
                var silu = ScalarFunctions.SiluFloat32(Visit(product.A));
                done.Add(node, silu);
                return silu;
            }
            var rebuilt = node.WithChildren(Visit);
            if (rebuilt is Apply call && call.Function.Expand(call.Arguments) is { } expanded)
            {
                any = true;
                rebuilt = expanded;
            }
            done.Add(node, rebuilt);
            return rebuilt;
        }
    }
}
