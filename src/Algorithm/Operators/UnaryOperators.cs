using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>Y[i] = f(X[i]).</summary>
internal static class UnaryOperators
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [.. ScalarFunctions.All.Where(f => f.Arity == 1 && !f.Types.IsDefault).Select(Define), LogicalNot, Cast, Fill];

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

    private static OperatorDefinition Define(ScalarFunction function) =>
        new(
            function.Name,
            function.Description ?? $"{function.Name}(X), element by element",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(function.Types)],
            Build
        )
        {
            Example = $"{function.Name} n=13",
            Operands = function.GivesBool ? "X[n..] -> Y:bool[n..]" : "X[n..] -> Y[n..]",
            Domain = (_, _) => function.Domains[0],
        };

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var x = g.Input("X", type, i.Extent);
        var value = Elementwise.Function(spec.Name, Op.Cast(Elementwise.ComputeType(type), x[i]));
        return g.Build(g.Stage("Y", [i], value.Type == DType.Bool ? value : Op.Cast(type, value)));
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
