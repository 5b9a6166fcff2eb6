using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Y = f(A, B) with broadcasting: <c>add n=6400</c> for two vectors of the same length, <c>add a=32x200 b=200</c> for
/// shapes that broadcast (a shape of 1 is a scalar).
/// </summary>
internal static class BinaryOperators
{
    private static readonly string[] Arithmetic = ["add", "sub", "mul", "maximum", "minimum"];
    private static readonly string[] FloatOnly = ["div", "pow"];
    private static readonly string[] Comparisons = ["eq", "ne", "lt", "le", "gt", "ge"];
    private static readonly string[] Logical = ["logical_and", "logical_or", "logical_xor"];
    private static readonly string[] Bits = ["bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift"];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        .. Arithmetic.Select(f =>
            Define(f, [DType.Float32, DType.Float64, DType.Float16, DType.BFloat16, DType.Int32, DType.Int64])
        ),
        .. FloatOnly.Select(f => Define(f, [DType.Float32, DType.Float64, DType.Float16, DType.BFloat16])),
        .. Comparisons.Select(f =>
            Define(f, [DType.Float32, DType.Float64, DType.Int32, DType.Int64, DType.UInt8, DType.Bool])
        ),
        .. Logical.Select(f => Define(f, [DType.Bool])),
        .. Bits.Select(f => Define(f, [DType.Int32, DType.Int64])),
        Where,
    ];

    private static OperatorDefinition Where =>
        new(
            "where",
            "C ? A : B, element by element",
            [
                new OperatorKey("n", KeyKind.Dimension, "elements of all three") { Optional = true },
                new OperatorKey("c", KeyKind.Shape, "shape of the condition") { Optional = true },
                new OperatorKey("a", KeyKind.Shape, "shape of A") { Optional = true },
                new OperatorKey("b", KeyKind.Shape, "shape of B") { Optional = true },
                OperatorKey.Types(DType.Float32, DType.Float64, DType.Int32, DType.Int64, DType.Bool),
            ],
            BuildWhere
        )
        {
            Example = "where c=3x5 a=5 b=1",
            Check = s => CheckShapes(s, "c", "a", "b"),
        };

    private static OperatorDefinition Define(string function, ReadOnlySpan<DType> types) =>
        new(
            function,
            $"{function}(A, B), element by element with broadcasting",
            [
                new OperatorKey("n", KeyKind.Dimension, "elements of both operands") { Optional = true },
                new OperatorKey("a", KeyKind.Shape, "shape of A") { Optional = true },
                new OperatorKey("b", KeyKind.Shape, "shape of B") { Optional = true },
                OperatorKey.Types(types),
            ],
            Build
        )
        {
            Example = $"{function} a=3x5 b=5",
            Check = s => CheckShapes(s, "a", "b"),
            Domain = (_, buffer) => function == "div" && buffer.Name == "B" ? InputDomain.NonZero : InputDomain.Any,
        };

    private static string? CheckShapes(OperatorSpec spec, params ReadOnlySpan<string> operands)
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
        return Elementwise.Broadcast(shapes) is null
            ? $"the shapes {string.Join(", ", shapes.Select(s => string.Join('x', s)))} do not broadcast"
            : null;
    }

    private static ImmutableArray<Expr> ShapeOf(OperatorSpec spec, string operand) =>
        spec.Has("n") ? [spec.Extent("n")] : spec.Extents(operand);

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var (shapeA, shapeB) = (ShapeOf(spec, "a"), ShapeOf(spec, "b"));
        var g = spec.Builder();
        var axes = Elementwise.Axes(Elementwise.BroadcastExtents(shapeA, shapeB));
        var a = g.Input("A", type, [.. shapeA]);
        var b = g.Input("B", type, [.. shapeB]);
        var value = Elementwise.Function(
            spec.Name,
            Op.Cast(compute, Elementwise.Element(a, axes)),
            Op.Cast(compute, Elementwise.Element(b, axes))
        );
        return g.Build(g.Stage("Y", axes, value.Type == compute ? Op.Cast(type, value) : value));
    }

    private static Algorithm BuildWhere(OperatorSpec spec)
    {
        var (shapeC, shapeA, shapeB) = (ShapeOf(spec, "c"), ShapeOf(spec, "a"), ShapeOf(spec, "b"));
        var g = spec.Builder();
        var axes = Elementwise.Axes(Elementwise.BroadcastExtents(shapeC, shapeA, shapeB));
        var c = g.Input("C", DType.Bool, [.. shapeC]);
        var a = g.Input("A", spec.Type(), [.. shapeA]);
        var b = g.Input("B", spec.Type(), [.. shapeB]);
        var value = Op.Select(Elementwise.Element(c, axes), Elementwise.Element(a, axes), Elementwise.Element(b, axes));
        return g.Build(g.Stage("Y", axes, value));
    }
}
