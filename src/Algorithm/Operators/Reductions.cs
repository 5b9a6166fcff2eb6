using System.Collections.Immutable;
using Picograd.Algorithms.Adjoints;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Reductions of X over some axes: <c>sum rows=4096 cols=4096 axis=0</c> or <c>sum shape=4x5x6 axes=0,2</c>. The result
/// has the other axes, in order. argmax and argmin give the extreme values and their indices (int64) along one axis.
/// </summary>
internal static class Reductions
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [.. ReductionFunctions.Table.Select(Define)];

    private static OperatorDefinition Define(ReductionFunction function) =>
        new(
            function.Name,
            $"{function.Name} over some axes",
            [
                new OperatorKey("rows", KeyKind.Dimension, "rows of a matrix") { Optional = true },
                new OperatorKey("cols", KeyKind.Dimension, "columns of a matrix") { Optional = true },
                new OperatorKey("axis", KeyKind.Choice, "axis of the matrix that is reduced")
                {
                    Choices = ["0", "1"],
                    Optional = true,
                },
                new OperatorKey("shape", KeyKind.Shape, "shape of X") { Optional = true },
                new OperatorKey("axes", KeyKind.List, "axes of the shape that are reduced") { Optional = true },
                OperatorKey.Types(function.Types),
            ],
            spec => Build(spec, function)
        )
        {
            Example = $"{function.Name} rows=5 cols=7 axis=1",
            Operands = function.Pair is null
                ? "X[shape] -> Y[shape-axes]"
                : "X[shape] -> Y.0[shape-axes], Y.1:i64[shape-axes]",
            // Few columns are a vector or a few, over all rows: 64 x 27 takes 40 ns, tested row by row for columns 260 to 1,600.
            Opens = (s, key) => key != "cols" || s.Choice("axis") != "0" || s.Dim("cols") >= 64,
            Check = spec => Check(spec, function),
            Domain = (_, _) => function.Domain,
            Adjoint = function.Slope is null ? null : (spec, of) => Sloped(spec, of, function),
        };

    private static string? Check(OperatorSpec spec, ReductionFunction function)
    {
        bool matrix = spec.Has("rows") || spec.Has("cols") || spec.Has("axis");
        bool general = spec.Has("shape") || spec.Has("axes");
        if (matrix && general)
            return "give either rows, cols and axis, or shape and axes, not both";
        if (matrix)
        {
            string[] missing = [.. new[] { "rows", "cols", "axis" }.Where(k => !spec.Has(k))];
            return missing.Length == 0 ? null : $"{string.Join(", ", missing)} missing beside rows, cols, axis";
        }
        if (!spec.Has("shape") || !spec.Has("axes"))
            return "give rows, cols and axis, or shape and axes";
        var (shape, axes) = (spec.Shape("shape"), spec.List("axes"));
        foreach (long axis in axes)
        {
            if (axis >= shape.Length)
                return $"axes={axis} is not an axis of a shape of {shape.Length} dimensions";
        }
        if (axes.Distinct().Count() != axes.Length)
            return "axes names an axis twice";
        return axes.Length > 1 && function.Pair is not null ? "the index is along one axis; give one" : null;
    }

    // All axes, those of the result, those that are reduced.
    private static (Axis[] All, Axis[] Kept, Axis[] Over) Axes(OperatorSpec spec, ImmutableArray<Expr> shape)
    {
        ImmutableArray<long> reduced = spec.Has("rows") ? [spec.Dim("axis")] : spec.List("axes");
        var axes = Elementwise.Axes(shape);
        return (axes, [.. axes.Where((_, d) => !reduced.Contains(d))], [.. axes.Where((_, d) => reduced.Contains(d))]);
    }

    // The gradient that the table gives.
    private static DerivedAlgorithm Sloped(OperatorSpec spec, Algorithm of, ReductionFunction function)
    {
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var (x, y) = (of.Inputs[0], of.Outputs[0]);
        var dy = y.With(name: "dY");
        var (axes, kept, over) = Axes(spec, x.Shape);
        var g = new AlgorithmBuilder(of.Name + AdjointOperators.Suffix);
        foreach (var parameter in of.Parameters)
            g.Add(parameter);
        foreach (var input in new[] { x, y, dy })
            g.Input(input);
        Expr At(Buffer b, Axis[] at) => Op.Cast(compute, b[[.. at.Select(a => (Expr)a.Var)]]);
        var stages = new ReductionStages(g, kept, over, compute);
        var slope = function.Slope!(stages, At(x, axes), At(y, kept), At(dy, kept));
        var algorithm = g.Build(g.Stage("dX", axes, Op.Cast(type, slope)));
        return new(
            algorithm,
            [new(x, DerivedRole.Input, x), new(y, DerivedRole.Output, y), new(dy, DerivedRole.Gradient, y)],
            [x]
        );
    }

    private static Algorithm Build(OperatorSpec spec, ReductionFunction function)
    {
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        var (axes, kept, over) = Axes(
            spec,
            spec.Has("rows") ? [spec.Extent("rows"), spec.Extent("cols")] : spec.Extents("shape")
        );
        var g = spec.Builder();
        var x = g.Input("X", type, [.. axes.Select(a => a.Extent)]);
        var value = Op.Cast(compute, x[[.. axes.Select(a => (Expr)a.Var)]]);
        if (function.Pair is { } pair)
        {
            if (compute == type)
                return g.Build([.. g.TupleStage("Y", kept, pair(over[0], value))]);
            var parts = g.TupleStage("P", kept, pair(over[0], value));
            Expr extreme = parts[0][[.. kept.Select(a => (Expr)a.Var)]];
            return g.Build(g.Stage("Y.0", kept, Op.Cast(type, extreme)), parts[1]);
        }
        var stages = new ReductionStages(g, kept, over, compute);
        var result = function.Result!(stages, value);
        if (result.Type != compute)
            throw new ArgumentException(
                $"{function.Name}: it gives {result.Type.Name()}, but must give {compute.Name()}; use Op.Cast"
            );
        // A reduction and nothing else is one stage.
        return compute == type && stages.Made == 1 && result is Load { Buffer: var only } && only == stages.Last
            ? Called(g.Build(only), "Y")
            : g.Build(g.Stage("Y", kept, Op.Cast(type, result)));
    }

    private static Algorithm Called(Algorithm algorithm, string name) =>
        AlgorithmRenamer.Rename(
            algorithm,
            [.. algorithm.Parameters.Select(p => p.Name)],
            [.. algorithm.Inputs.Select(b => b.Name)],
            [(name, [.. algorithm.Stages[0].Axes.Select(a => a.Var.Name)])]
        );
}
