using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Adjoints;

/// <summary>Derivatives of functions of numbers, from the table: of the arguments x and the result y = f(x).</summary>
internal static class ScalarSlopes
{
    /// <summary>∂f/∂x[argument] as an expression of x and y; a constant 0 where f only changes in steps.</summary>
    public static Expr Of(ScalarFunction? function, ImmutableArray<Expr> x, Expr y, int argument)
    {
        if (function is null || function.Derivatives.IsDefault)
            throw new AdjointException($"{function?.Name ?? "this operation"} has no derivative");
        return DerivativeRules.Of(function, x, y, argument, Op.Const(1, x[0].Type)) ?? Op.Const(0, x[0].Type);
    }
}
