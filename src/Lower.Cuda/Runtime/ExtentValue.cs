using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>Values of extents (grid sizes, shapes of workspace) once the symbolic ones are known.</summary>
internal static unsafe class ExtentValue
{
    /// <summary>The value of an integer expression over a program's parameters.</summary>
    /// <exception cref="InvalidOperationException">It holds something that no extent holds.</exception>
    public static long Of(Expr expr, ImmutableArray<Var> parameters, long* values) =>
        expr switch
        {
            IntImm number => number.Value,
            Var variable when parameters.IndexOf(variable) is >= 0 and var i && values != null => values[i],
            Cast { A: var inner } => Of(inner, parameters, values),
            Select select => Of(select.Cond, parameters, values) != 0
                ? Of(select.Then, parameters, values)
                : Of(select.Else, parameters, values),
            Binary { Kind: var kind, A: var left, B: var right } => Of(
                kind,
                Of(left, parameters, values),
                Of(right, parameters, values)
            ),
            _ => throw new InvalidOperationException($"the extent {expr} has no value when a kernel is launched"),
        };

    private static long Of(BinaryOp kind, long a, long b) =>
        kind switch
        {
            BinaryOp.Add => a + b,
            BinaryOp.Sub => a - b,
            BinaryOp.Mul => a * b,
            BinaryOp.FloorDiv => a >= 0 ? a / b : -((b - 1 - a) / b),
            BinaryOp.Mod => (a % b + b) % b,
            BinaryOp.Min => Math.Min(a, b),
            BinaryOp.Max => Math.Max(a, b),
            BinaryOp.Lt => a < b ? 1 : 0,
            BinaryOp.Le => a <= b ? 1 : 0,
            BinaryOp.Eq => a == b ? 1 : 0,
            BinaryOp.Ne => a != b ? 1 : 0,
            BinaryOp.And => a & b,
            BinaryOp.Or => a | b,
            _ => throw new InvalidOperationException($"{kind} is no operation of extents"),
        };
}
