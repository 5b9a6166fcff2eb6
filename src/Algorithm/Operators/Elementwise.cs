using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

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

    /// <summary>A function of the table by its operator's name; comparisons give bool.</summary>
    public static Expr Function(string name, params ReadOnlySpan<Expr> x) =>
        Op.Call(
            ScalarFunctions.Find(name) ?? throw new ArgumentException($"no element-wise function is called {name}"),
            x
        );

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

    /// <summary>The keys of operands that broadcast: n where all have as many elements and lie alike, else a shape each.</summary>
    public static IEnumerable<OperatorKey> ShapeKeys(params IEnumerable<string> operands) =>
        operands
            .Select(o => new OperatorKey(o, KeyKind.Shape, $"shape of {o.ToUpperInvariant()}") { Optional = true })
            .Prepend(new OperatorKey("n", KeyKind.Dimension, "elements of each operand") { Optional = true });

    /// <summary>Checks these keys: null, or what is wrong.</summary>
    public static string? CheckShapes(OperatorSpec spec, params ReadOnlySpan<string> operands)
    {
        int given = 0;
        foreach (string operand in operands)
            given += spec.Has(operand) ? 1 : 0;
        if (spec.Has("n"))
            return given == 0 ? null : $"give either n or the shapes {string.Join(", ", operands)}, not both";
        if (given < operands.Length)
            return $"give n, or the shapes {string.Join(", ", operands)}";
        var shapes = new ImmutableArray<long>[operands.Length];
        for (int i = 0; i < shapes.Length; i++)
            shapes[i] = spec.Shape(operands[i]);
        return Broadcast(shapes) is null
            ? $"the shapes {string.Join(", ", shapes.Select(s => string.Join('x', s)))} do not broadcast"
            : null;
    }

    /// <summary>The shape of an operand that broadcasts.</summary>
    public static ImmutableArray<Expr> ShapeOf(OperatorSpec spec, string operand) =>
        spec.Has("n") ? [spec.Extent("n")] : spec.Extents(operand);

    /// <summary>The element of an operand that broadcasts to the axes.</summary>
    public static Expr Element(Buffer operand, Axis[] axes)
    {
        int offset = axes.Length - operand.Rank;
        return operand.At([.. operand.Shape.Select((e, d) => e.IsConst(1) ? 0 : (Expr)axes[offset + d].Var)]);
    }
}
