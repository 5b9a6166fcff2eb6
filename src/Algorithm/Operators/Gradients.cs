using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// dX[i] = f′ · dY[i] for functions of one value, from the table's derivatives. Some are written with the function's result Y, the
/// others with its argument X: the first input is called after which it is.
/// </summary>
internal static class Gradients
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [.. ScalarFunctions.All.Where(f => f.Arity == 1 && !f.Types.IsDefault && f.HasGradientOperator).Select(Define)];

    private static OperatorDefinition Define(ScalarFunction function)
    {
        bool ofResult = function.DerivativeUsesResult(0, DType.Float32);
        var domain = function.GradientDomain ?? (ofResult ? InputDomain.Any : function.Domains[0]);
        return new(
            $"{function.Name}_grad",
            $"dX from {(ofResult ? $"Y = {function.Name}(X)" : "X")} and dY",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DTypes.Floats)],
            spec => Build(spec, function, ofResult)
        )
        {
            Example = $"{function.Name}_grad n=13",
            Operands = $"{(ofResult ? "Y" : "X")}[n..], dY[n..] -> dX[n..]",
            Domain = (_, b) => b.Name == "dY" ? InputDomain.Any : domain,
        };
    }

    private static Algorithm Build(OperatorSpec spec, ScalarFunction function, bool ofResult)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var type = spec.Type();
        var x = g.Input(ofResult ? "Y" : "X", type, i.Extent);
        var dy = g.Input("dY", type, i.Extent);
        var (of, sent) = (Op.Cast(type.Compute(), x[i]), Op.Cast(type.Compute(), dy[i]));
        return g.Build(g.Stage("dX", [i], Op.Cast(type, DerivativeRules.Of(function, [of], of, 0, sent)!)));
    }
}
