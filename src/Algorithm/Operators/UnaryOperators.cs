using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>Y[i] = f(X[i]).</summary>
internal static class UnaryOperators
{
    private static readonly string[] FloatOnly =
    [
        "tanh",
        "exp",
        "log",
        "sigmoid",
        "sqrt",
        "rsqrt",
        "reciprocal",
        "erf",
        "sin",
        "cos",
        "floor",
        "ceil",
        "round",
        "silu",
        "gelu",
    ];

    private static readonly string[] Arithmetic = ["neg", "abs", "relu", "square"];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        .. FloatOnly.Select(f => Define(f, DTypes.Floats)),
        .. Arithmetic.Select(f => Define(f, DTypes.Numbers)),
        LogicalNot,
        Cast,
        Fill,
    ];

    private static OperatorDefinition LogicalNot =>
        new("logical_not", "not X, element by element", [OperatorKey.Dimension("n", "elements")], BuildNot)
        {
            Example = "logical_not n=13",
            Operands = "X:bool[n..] -> Y:bool[n..]",
        };

    private static OperatorDefinition Cast
    {
        get
        {
            string[] types = [.. DTypes.All.Select(t => t.Name())];
            return new(
                "cast",
                "conversion of the element type",
                [
                    OperatorKey.Dimension("n", "elements"),
                    OperatorKey.Choice("from", "type of X", types) with
                    {
                        Default = null,
                    },
                    OperatorKey.Choice("to", "type of Y", types) with
                    {
                        Default = null,
                    },
                ],
                BuildCast
            )
            {
                Example = "cast n=13 from=i64 to=f32",
                Operands = "X:from[n..] -> Y:to[n..]",
            };
        }
    }

    private static OperatorDefinition Fill =>
        new(
            "fill",
            "every element is the scalar V",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DTypes.All)],
            BuildFill
        )
        {
            Example = "fill n=13",
            Operands = "V[] -> Y[n..]",
        };

    private static OperatorDefinition Define(string function, ImmutableArray<DType> types) =>
        new(
            function,
            $"{function}(X), element by element",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(types)],
            Build
        )
        {
            Example = $"{function} n=13",
            Operands = "X[n..] -> Y[n..]",
            Domain = (_, _) =>
                function is "log" or "sqrt" or "rsqrt" ? InputDomain.Positive
                : function == "reciprocal" ? InputDomain.NonZero
                : InputDomain.Any,
        };

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var x = g.Input("X", type, i.Extent);
        var value = Elementwise.Function(spec.Name, Op.Cast(Elementwise.ComputeType(type), x[i]));
        return g.Build(g.Stage("Y", [i], Op.Cast(type, value)));
    }

    private static Algorithm BuildNot(OperatorSpec spec)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var x = g.Input("X", DType.Bool, i.Extent);
        return g.Build(g.Stage("Y", [i], Op.Not(x[i])));
    }

    private static Algorithm BuildCast(OperatorSpec spec)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var x = g.Input("X", spec.Type("from"), i.Extent);
        return g.Build(g.Stage("Y", [i], Op.Cast(spec.Type("to"), x[i])));
    }

    private static Algorithm BuildFill(OperatorSpec spec)
    {
        var g = spec.Builder();
        var v = g.Input("V", spec.Type());
        return g.Build(g.Stage("Y", [new Axis("i", spec.Extent("n"))], v[[]]));
    }
}
