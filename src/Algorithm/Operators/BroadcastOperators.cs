using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Y = f(A, B) or f(A, B, C) with broadcasting: <c>add n=6400</c> for two vectors of the same length, <c>add a=32x200 b=200</c>
/// for shapes that broadcast (a shape of 1 is a scalar).
/// </summary>
internal static class BroadcastOperators
{
    private static readonly string[] Operands = ["A", "B", "C"];

    private static readonly string[] Precise = ["mul", "div"];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [.. ScalarFunctions.All.Where(f => f.Arity > 1 && !f.Types.IsDefault).Select(Define), Where];

    private static OperatorDefinition Where =>
        new(
            "where",
            "C ? A : B, element by element",
            [.. Elementwise.ShapeKeys("c", "a", "b"), OperatorKey.Types(DTypes.OfTensors)],
            BuildWhere
        )
        {
            Example = "where c=3x5 a=5 b=1",
            Operands = "C:bool[*], A[*], B[*] -> Y[*]",
            Check = s => Elementwise.CheckShapes(s, "c", "a", "b"),
        };

    private static OperatorDefinition Define(ScalarFunction function)
    {
        string[] operands = Operands[..function.Arity];
        string[] keys = Array.ConvertAll(operands, o => o.ToLowerInvariant());
        return new(
            function.Name,
            function.Description
                ?? $"{function.Name}({string.Join(", ", operands)}), element by element with broadcasting",
            [
                .. Elementwise.ShapeKeys(keys),
                .. Precise.Contains(function.Name) ? [Number] : (OperatorKey[])[],
                OperatorKey.Types(function.Types),
            ],
            spec => Build(spec, keys)
        )
        {
            Example = $"{function.Name} a=3x5 b=5" + (function.Arity == 3 ? " c=1" : ""),
            Operands =
                string.Join(", ", operands.Select(o => o + "[*]"))
                + (function.GivesBool ? " -> Y:bool[*]" : " -> Y[*]"),
            Check = s => Elementwise.CheckShapes(s, keys) ?? CheckNumber(s),
            Domain = (_, buffer) => function.Domains[Array.IndexOf(operands, buffer.Name)],
        };
    }

    // A number that a half type is multiplied with, or divided by, is as precise as what is computed, as in PyTorch.
    private static OperatorKey Number =>
        OperatorKey.Choice("number", "operand of one element in the type computed in, of half types", "none", "b");

    private static bool IsNumber(OperatorSpec spec, string operand) =>
        Precise.Contains(spec.Name) && spec.Choice("number") == operand;

    private static string? CheckNumber(OperatorSpec spec) =>
        !IsNumber(spec, "b") ? null
        : !spec.Type().IsStorage()
            ? $"number=b is for types that are computed in another, and dtype is {spec.Type().Name()}"
        : spec.Has("n") || spec.Shape("b") is not [1] ? "number=b needs the shape b=1"
        : null;

    private static Algorithm Build(OperatorSpec spec, string[] keys)
    {
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var shapes = Array.ConvertAll(keys, key => Elementwise.ShapeOf(spec, key));
        var g = spec.Builder();
        var axes = Elementwise.Axes(Elementwise.BroadcastExtents(shapes));
        var elements = new Expr[keys.Length];
        for (int i = 0; i < keys.Length; i++)
        {
            var operand = g.Input(Operands[i], IsNumber(spec, keys[i]) ? compute : type, [.. shapes[i]]);
            elements[i] = Op.Cast(compute, Elementwise.Element(operand, axes));
        }
        var value = Elementwise.Function(spec.Name, elements);
        return g.Build(g.Stage("Y", axes, value.Type == compute ? Op.Cast(type, value) : value));
    }

    private static Algorithm BuildWhere(OperatorSpec spec)
    {
        var (shapeC, shapeA, shapeB) = (
            Elementwise.ShapeOf(spec, "c"),
            Elementwise.ShapeOf(spec, "a"),
            Elementwise.ShapeOf(spec, "b")
        );
        var g = spec.Builder();
        var axes = Elementwise.Axes(Elementwise.BroadcastExtents(shapeC, shapeA, shapeB));
        var c = g.Input("C", DType.Bool, [.. shapeC]);
        var a = g.Input("A", spec.Type(), [.. shapeA]);
        var b = g.Input("B", spec.Type(), [.. shapeB]);
        var value = Op.Select(Elementwise.Element(c, axes), Elementwise.Element(a, axes), Elementwise.Element(b, axes));
        return g.Build(g.Stage("Y", axes, value));
    }
}
