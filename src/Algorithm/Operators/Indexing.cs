using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Reads and writes through int64 indices, which must be in range (the caller checks them): rows of a table and their
/// scatter-add with duplicates, elements along rows and theirs; strided copies; counting.
/// </summary>
internal static class Indexing
{
    private static readonly DType[] Types = [DType.Float32, DType.Float64, DType.Int32, DType.Int64];

    private static readonly ImmutableArray<OperatorKey> TableKeys =
    [
        OperatorKey.Dimension("vocab", "rows of the table"),
        OperatorKey.Dimension("dim", "elements of a row"),
        OperatorKey.Dimension("rows", "indices"),
        OperatorKey.Types(Types),
    ];

    private static readonly ImmutableArray<OperatorKey> GatherKeys =
    [
        OperatorKey.Dimension("rows", "rows"),
        OperatorKey.Dimension("cols", "elements of a row of X"),
        OperatorKey.Dimension("n", "indices of a row"),
        OperatorKey.Types(Types),
    ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("embedding", "Y[r, d] = W[I[r], d]", TableKeys, Embedding)
        {
            Example = "embedding vocab=7 dim=3 rows=5",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("vocab")) : InputDomain.Any,
            Bytes = s => s.Dim("rows") * (8 + 2 * s.Dim("dim") * s.Type().Size()),
        },
        new("embedding_grad", "dW[I[r], d] += dY[r, d], from zero", TableKeys, EmbeddingGradient)
        {
            Example = "embedding_grad vocab=7 dim=3 rows=11",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("vocab")) : InputDomain.Any,
        },
        new("gather", "Y[r, j] = X[r, I[r, j]]", GatherKeys, Gather)
        {
            Example = "gather rows=3 cols=7 n=4",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("cols")) : InputDomain.Any,
            Bytes = s => s.Dim("rows") * s.Dim("n") * (8 + 2 * s.Type().Size()),
        },
        new("gather_grad", "dX[r, I[r, j]] += dY[r, j], from zero", GatherKeys, GatherGradient)
        {
            Example = "gather_grad rows=3 cols=7 n=4",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("cols")) : InputDomain.Any,
        },
        new(
            "copy",
            "contiguous copy of a strided array: Y[i, j, …] = X at i·s0 + j·s1 + …",
            [
                new OperatorKey("shape", KeyKind.Shape, "extents"),
                new OperatorKey("strides", KeyKind.List, "elements between neighbours along each dimension; 0 repeats"),
                OperatorKey.Types(
                    DType.Float32,
                    DType.Float64,
                    DType.Float16,
                    DType.BFloat16,
                    DType.Int32,
                    DType.Int64,
                    DType.UInt32,
                    DType.UInt8,
                    DType.Bool
                ),
            ],
            Copy
        )
        {
            Example = "copy shape=3x5 strides=1,3",
            Check = s =>
                s.Shape("shape").Length == s.List("strides").Length
                    ? null
                    : $"{s.List("strides").Length} strides for {s.Shape("shape").Length} dimensions",
        },
        new(
            "transpose",
            "Y[c, r] = X[r, c]",
            [
                OperatorKey.Dimension("rows", "rows of X"),
                OperatorKey.Dimension("cols", "columns of X"),
                OperatorKey.Types(
                    DType.Float32,
                    DType.Float64,
                    DType.Float16,
                    DType.BFloat16,
                    DType.Int32,
                    DType.Int64,
                    DType.UInt8
                ),
            ],
            Transpose
        )
        {
            Example = "transpose rows=3 cols=5",
        },
        new(
            "arange",
            "Y[i] = start + i · step, for scalars start and step",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DType.Int64, DType.Float32, DType.Float64)],
            Arange
        )
        {
            Example = "arange n=13",
        },
    ];

    private static Algorithm Transpose(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var (r, c) = (new Axis("r", spec.Dim("rows")), new Axis("c", spec.Dim("cols")));
        var x = g.Input("X", spec.Type(), r.Extent, c.Extent);
        return g.Build(g.Stage("Y", [c, r], x[r, c]));
    }

    private static Algorithm Embedding(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var (r, d) = (new Axis("r", spec.Dim("rows")), new Axis("d", spec.Dim("dim")));
        var w = g.Input("W", spec.Type(), spec.Dim("vocab"), d.Extent);
        var index = g.Input("I", DType.Int64, r.Extent);
        return g.Build(g.Stage("Y", [r, d], w[index[r], d]));
    }

    private static Algorithm EmbeddingGradient(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var (r, d) = (new Axis("r", spec.Dim("rows")), new Axis("d", spec.Dim("dim")));
        var index = g.Input("I", DType.Int64, r.Extent);
        var dy = g.Input("dY", spec.Type(), r.Extent, d.Extent);
        return g.Build(
            g.Scatter("dW", [r, d], [spec.Dim("vocab"), d.Extent], [index[r], d], dy[r, d], Reducer.Sum(spec.Type()))
        );
    }

    private static Algorithm Gather(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var (r, j) = (new Axis("r", spec.Dim("rows")), new Axis("j", spec.Dim("n")));
        var x = g.Input("X", spec.Type(), r.Extent, spec.Dim("cols"));
        var index = g.Input("I", DType.Int64, r.Extent, j.Extent);
        return g.Build(g.Stage("Y", [r, j], x[r, index[r, j]]));
    }

    private static Algorithm GatherGradient(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var (r, j) = (new Axis("r", spec.Dim("rows")), new Axis("j", spec.Dim("n")));
        var index = g.Input("I", DType.Int64, r.Extent, j.Extent);
        var dy = g.Input("dY", spec.Type(), r.Extent, j.Extent);
        return g.Build(
            g.Scatter("dX", [r, j], [r.Extent, spec.Dim("cols")], [r, index[r, j]], dy[r, j], Reducer.Sum(spec.Type()))
        );
    }

    private static Algorithm Copy(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var axes = Elementwise.Axes(spec.Shape("shape"));
        var x = g.Input(new Buffer("X", spec.Type(), [.. axes.Select(a => a.Extent)], strides: spec.List("strides")));
        return g.Build(g.Stage("Y", axes, x[[.. axes.Select(a => (Expr)a.Var)]]));
    }

    private static Algorithm Arange(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var i = new Axis("i", spec.Dim("n"));
        var start = g.Input("start", spec.Type());
        var step = g.Input("step", spec.Type());
        return g.Build(g.Stage("Y", [i], start[[]] + Op.Cast(spec.Type(), i) * step[[]]));
    }
}
