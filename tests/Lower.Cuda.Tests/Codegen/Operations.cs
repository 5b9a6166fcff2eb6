using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;

namespace Picograd.Tests.Codegen;

/// <summary>Algorithms that apply each operation of expressions to elements of a type.</summary>
internal static class Operations
{
    /// <summary>One algorithm for operations of one operand, one for those of two, one for conversions to every type.</summary>
    public static IEnumerable<Algorithm> Of(DType type, long n)
    {
        var unary = Unary(type).ToList();
        if (unary.Count > 0)
            yield return Build("unary", type, n, (x, _) => [.. unary.Select(op => op(x))]);
        yield return Build("binary", type, n, (x, y) => [.. Binary(type).Select(op => op(x, y))]);
        yield return Build(
            "casts",
            type,
            n,
            (x, _) => [.. Enum.GetValues<DType>().Where(t => t != type).Select(t => Op.Cast(t, x))]
        );
    }

    private static Algorithm Build(string name, DType type, long n, Func<Expr, Expr, ImmutableArray<Expr>> values)
    {
        var g = new AlgorithmBuilder($"{name}_{type.Name()}");
        var x = g.Input("x", type, n);
        var y = g.Input("y", type, n);
        var outputs = new List<Algorithms.Buffer>();
        foreach (var value in values(x[0], y[0]))
        {
            var i = new Axis("i", n);
            var at = value.Map(e => e is Load l ? l.Buffer[i] : null);
            // Boolean results are stored as they are.
            outputs.Add(g.Stage($"r{outputs.Count}", [i], at));
        }
        return g.Build([.. outputs]);
    }

    private static IEnumerable<Func<Expr, Expr>> Unary(DType type)
    {
        if (type == DType.Bool)
            return [Op.Not];
        if (!type.IsFloat())
            return [Op.Neg, Op.Abs];
        return
        [
            Op.Neg,
            .. Enum.GetValues<UnaryOp>()
                .Where(k => k is not (UnaryOp.Neg or UnaryOp.Not))
                .Select(k => (Func<Expr, Expr>)(x => Op.Call(k, x))),
            .. ScalarFunctions
                .All.Where(f => f is { Arity: 1, UnaryNode: null } && f.Types.Contains(type))
                // Its constants are no 16-bit numbers; operators compute it in float32.
                .Where(f => f != ScalarFunctions.Selu || !type.IsStorage())
                .Select(f => (Func<Expr, Expr>)(x => Op.Call(f, x))),
        ];
    }

    private static IEnumerable<Func<Expr, Expr, Expr>> Binary(DType type)
    {
        List<Func<Expr, Expr, Expr>> operations = [Op.Eq, Op.Ne, Op.Lt, Op.Le, Op.Min, Op.Max];
        if (type == DType.Bool)
            return [.. operations, Op.And, Op.Or, (x, y) => Op.Select(x, y, Op.Not(y))];
        operations.AddRange([Op.Add, Op.Sub, Op.Mul, (x, y) => Op.Select(Op.Lt(x, y), x, y)]);
        if (type.IsFloat())
        {
            // The evaluator rounds the product of a float64 Fma: its value is the less exact one.
            operations.AddRange([Op.Div, (x, y) => Op.Abs(x) * y + x]);
            return type == DType.Float64 ? operations : [.. operations, (x, y) => Op.Fma(x, y, x)];
        }
        // Divisors are positive, shifts within the width.
        var seven = new IntImm(7, type);
        return
        [
            .. operations,
            (x, y) => Op.FloorDiv(x, Op.Max(y, new IntImm(1, type))),
            (x, y) => Op.Mod(x, Op.Max(y, new IntImm(1, type))),
            (x, _) => Op.FloorDiv(x, 8),
            (x, _) => Op.Mod(x, 8),
            (x, _) => Op.Mod(x, 5),
            (x, y) => x & y,
            (x, y) => x | y,
            (x, y) => x ^ y,
            (x, y) => x << (y & seven),
            (x, y) => x >> (y & seven),
        ];
    }
}
