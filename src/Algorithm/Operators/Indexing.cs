using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Reads and writes through int64 indices, which must be in range (the caller checks them): rows of a table and their
/// scatter-add with duplicates, elements along rows and theirs, parts of a strided array and their assignment; strided
/// copies; counting.
/// </summary>
internal static class Indexing
{
    // What is added up, and what is only moved.
    private static readonly ImmutableArray<DType> Summed = DTypes.Numbers;
    private static readonly ImmutableArray<DType> Moved = DTypes.OfTensors;

    private static ImmutableArray<OperatorKey> TableKeys(ImmutableArray<DType> types) =>
        [
            OperatorKey.Dimension("vocab", "rows of the table"),
            OperatorKey.Dimension("dim", "elements of a row"),
            OperatorKey.Dimension("rows", "indices"),
            OperatorKey.Types(types),
        ];

    private static ImmutableArray<OperatorKey> GatherKeys(ImmutableArray<DType> types) =>
        [
            OperatorKey.Dimension("rows", "rows"),
            OperatorKey.Dimension("cols", "elements of a row of X"),
            OperatorKey.Dimension("n", "indices of a row"),
            OperatorKey.Types(types),
        ];

    private static ImmutableArray<OperatorKey> PartKeys(params ReadOnlySpan<OperatorKey> more) =>
        [
            new OperatorKey("shape", KeyKind.Shape, "extents of X"),
            new OperatorKey("strides", KeyKind.List, "elements between neighbours of X; dense if left out")
            {
                Optional = true,
            },
            new OperatorKey("dims", KeyKind.List, "neighbouring dimensions that an index counts through, row-major"),
            OperatorKey.Dimension("rows", "indices"),
            .. more,
            OperatorKey.Types(Moved),
        ];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        new("embedding", "Y[r, d] = W[I[r], d]", TableKeys(Moved), Embedding)
        {
            Example = "embedding vocab=7 dim=3 rows=5",
            Operands = "W[vocab, dim], I:i64[rows..] -> Y[rows.., dim]",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("vocab")) : InputDomain.Any,
            Bytes = s => s.Dim("rows") * (8 + 2 * s.Dim("dim") * s.Type().Size()),
        },
        new("gather", "Y[r, j] = X[r, I[r, j]]", GatherKeys(Moved), Gather)
        {
            Example = "gather rows=3 cols=7 n=4",
            Operands = "X[rows.., cols], I:i64[rows.., n] -> Y[rows.., n]",
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(s.Dim("cols")) : InputDomain.Any,
            Bytes = s => s.Dim("rows") * s.Dim("n") * (8 + 2 * s.Type().Size()),
        },
        new("index", "Y[…, r, …] = X[…, I[r], …], for a strided X", PartKeys(), Index)
        {
            Example = "index shape=3x5x2 dims=1 rows=4",
            Operands = "X[shape:strides], I:i64[rows..] -> Y[shape-dims+rows]",
            Check = CheckPart,
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(Indexed(s)) : InputDomain.Any,
            Bytes = s => PartBytes(s),
        },
        new(
            "index_put",
            "X[…, I[r], …] = V[…, r, …] in place, for a strided X; of equal indices the last assigns",
            PartKeys(OperatorKey.Flag("accumulate", "1 adds instead of assigning")),
            IndexPut
        )
        {
            Example = "index_put shape=3x5x2 dims=1 rows=4",
            Operands = "X[shape:strides], I:i64[rows..], V[shape-dims+rows] -> Y[shape:strides]",
            Check = s =>
                CheckPart(s)
                ?? (s.Has("strides") && Overlaps(s.Shape("shape"), s.List("strides")) ? OverlapText : null)
                ?? (
                    s.Flag("accumulate") && !Summed.Contains(s.Type()) ? $"{s.Type().Name()} cannot be added up" : null
                ),
            Domain = (s, b) => b.Name == "I" ? InputDomain.Index(Indexed(s)) : InputDomain.Any,
            Bytes = s => PartBytes(s),
        },
        new(
            "copy",
            "copy of a strided array: Y[i, j, …] = X at i·s0 + j·s1 + …",
            [
                new OperatorKey("shape", KeyKind.Shape, "extents"),
                new OperatorKey("strides", KeyKind.List, "elements of X between neighbours; 0 repeats"),
                new OperatorKey("to", KeyKind.List, "elements of Y between neighbours; dense if left out")
                {
                    Optional = true,
                },
                OperatorKey.Types(DTypes.All),
            ],
            Copy
        )
        {
            Example = "copy shape=3x5 strides=1,3",
            Operands = "X[shape:strides] -> Y[shape:to]",
            Check = s =>
                CheckStrides(s, "strides")
                ?? CheckStrides(s, "to")
                ?? (s.Has("to") && Overlaps(s.Shape("shape"), s.List("to")) ? OverlapText : null),
        },
        new(
            "transpose",
            "Y[c, r] = X[r, c]",
            [
                OperatorKey.Dimension("rows", "rows of X"),
                OperatorKey.Dimension("cols", "columns of X"),
                OperatorKey.Types(DTypes.OfTensors),
            ],
            Transpose
        )
        {
            Example = "transpose rows=3 cols=5",
            Operands = "X[rows, cols] -> Y[cols, rows]",
        },
        new(
            "arange",
            "Y[i] = start + i · step, for scalars start and step",
            [OperatorKey.Dimension("n", "elements"), OperatorKey.Types(DType.Int64, DType.Float32, DType.Float64)],
            Arange
        )
        {
            Example = "arange n=13",
            Operands = "start[], step[] -> Y[n..]",
        },
    ];

    private static Algorithm Transpose(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, c) = (new Axis("r", spec.Extent("rows")), new Axis("c", spec.Extent("cols")));
        var x = g.Input("X", spec.Type(), r.Extent, c.Extent);
        return g.Build(g.Stage("Y", [c, r], x[r, c]));
    }

    private static Algorithm Embedding(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, d) = (new Axis("r", spec.Extent("rows")), new Axis("d", spec.Extent("dim")));
        var w = g.Input("W", spec.Type(), spec.Extent("vocab"), d.Extent);
        var index = g.Input("I", DType.Int64, r.Extent);
        return g.Build(g.Stage("Y", [r, d], w[index[r], d]));
    }

    private static Algorithm Gather(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (r, j) = (new Axis("r", spec.Extent("rows")), new Axis("j", spec.Extent("n")));
        var x = g.Input("X", spec.Type(), r.Extent, spec.Extent("cols"));
        var index = g.Input("I", DType.Int64, r.Extent, j.Extent);
        return g.Build(g.Stage("Y", [r, j], x[r, index[r, j]]));
    }

    private static Buffer Added(AlgorithmBuilder g, string name, Axis[] axes, Expr[] shape, Expr[] place, Expr value)
    {
        var compute = value.Type.Compute();
        var sum = Reducer.Sum(compute);
        if (compute == value.Type)
            return g.Scatter(name, axes, shape, place, value, sum);
        var exact = g.Scatter($"{name}.exact", axes, shape, place, Op.Cast(compute, value), sum);
        var all = Elementwise.Axes([.. shape]);
        return g.Stage(name, all, Op.Cast(value.Type, exact[[.. all.Select(a => (Expr)a.Var)]]));
    }

    private static Algorithm Copy(OperatorSpec spec)
    {
        var g = spec.Builder();
        var axes = Elementwise.Axes(spec.Extents("shape"));
        if (spec.IsOpen)
        {
            // Strides that are known at run time only are part of the index.
            var strides = spec.Extents("strides");
            Expr span = 1;
            Expr at = 0;
            for (int d = 0; d < axes.Length; d++)
            {
                span += (axes[d].Extent - 1) * strides[d];
                at += axes[d] * strides[d];
            }
            ImmutableArray<Expr> pitches = spec.Has("to") ? spec.Extents("to") : default;
            return g.Build(g.Stage("Y", axes, g.Input("X", spec.Type(), span)[at], pitches: pitches));
        }
        var x = g.Input(new Buffer("X", spec.Type(), [.. axes.Select(a => a.Extent)], strides: spec.List("strides")));
        var to = spec.Has("to") ? spec.List("to") : default;
        return g.Build(g.Stage("Y", axes, x[[.. axes.Select(a => (Expr)a.Var)]], strides: to));
    }

    // X with its layout, its axes but for the indexed dimensions with that of the indices in their place, and where in X a
    // point of them lies.
    private static (Buffer X, Buffer I, Axis[] Axes, Expr[] Place) Part(OperatorSpec spec, AlgorithmBuilder g)
    {
        var shape = spec.Extents("shape");
        var dims = spec.List("dims");
        bool strided = spec.Has("strides");
        var x = g.Input(
            new Buffer(
                "X",
                spec.Type(),
                shape,
                strides: strided && !spec.IsOpen ? spec.List("strides") : default,
                pitches: strided && spec.IsOpen ? spec.Extents("strides") : default
            )
        );
        var index = g.Input("I", DType.Int64, spec.Extent("rows"));
        var r = new Axis("r", spec.Extent("rows"));
        var all = Elementwise.Axes(spec.Extents("shape"));
        var before = all[..(int)dims[0]];
        var behind = all[((int)dims[^1] + 1)..];
        var indexed = new Expr[dims.Length];
        Expr rest = index[r];
        for (int d = dims.Length - 1; d > 0; d--)
        {
            var extent = shape[(int)dims[d]];
            indexed[d] = Op.Mod(rest, extent);
            rest = Op.FloorDiv(rest, extent);
        }
        indexed[0] = rest;
        return (
            x,
            index,
            [.. before, r, .. behind],
            [.. before.Select(a => (Expr)a.Var), .. indexed, .. behind.Select(a => (Expr)a.Var)]
        );
    }

    private static Algorithm Index(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (x, _, axes, place) = Part(spec, g);
        return g.Build(g.Stage("Y", axes, x.At([.. place])));
    }

    private static Algorithm IndexPut(OperatorSpec spec)
    {
        var g = spec.Builder();
        var (x, _, axes, place) = Part(spec, g);
        var v = g.Input("V", spec.Type(), [.. axes.Select(a => a.Extent)]);
        var reducer = spec.Flag("accumulate") ? Reducer.Sum(spec.Type()) : Reducer.Last(spec.Type());
        return g.Build(
            g.Scatter(
                "Y",
                axes,
                x.Shape.AsSpan(),
                place,
                v.At([.. axes.Select(a => (Expr)a.Var)]),
                reducer,
                x,
                inPlace: true
            )
        );
    }

    private const string OverlapText = "what is written may not overlap: strides must step over one another";

    private static string? CheckPart(OperatorSpec spec)
    {
        int rank = spec.Shape("shape").Length;
        var dims = spec.List("dims");
        for (int d = 0; d < dims.Length; d++)
        {
            if (dims[d] >= rank || dims[d] != dims[0] + d)
                return $"dims={string.Join(',', dims)} are not neighbouring dimensions out of {rank}, in ascending order";
        }
        return CheckStrides(spec, "strides");
    }

    private static string? CheckStrides(OperatorSpec spec, string key) =>
        !spec.Has(key) || spec.List(key).Length == spec.Shape("shape").Length
            ? null
            : $"{spec.List(key).Length} numbers in {key} for {spec.Shape("shape").Length} dimensions";

    private static long Indexed(OperatorSpec spec) =>
        spec.List("dims").Aggregate(1L, (n, d) => n * spec.Shape("shape")[(int)d]);

    private static long PartBytes(OperatorSpec spec)
    {
        var dims = spec.List("dims");
        long width = spec.Shape("shape").Where((_, d) => !dims.Contains(d)).Aggregate(1L, (n, e) => n * e);
        return spec.Dim("rows") * (8 + 2 * width * spec.Type().Size());
    }

    // Whether two elements might lie in one place; strides in the order of size step over all that the smaller ones reach.
    private static bool Overlaps(ImmutableArray<long> shape, ImmutableArray<long> strides)
    {
        Int128 reach = 0;
        foreach (var (extent, stride) in shape.Zip(strides).Where(p => p.First > 1).OrderBy(p => p.Second))
        {
            if (stride <= reach)
                return true;
            reach += (Int128)(extent - 1) * stride;
        }
        return false;
    }

    private static Algorithm Arange(OperatorSpec spec)
    {
        var g = spec.Builder();
        var i = new Axis("i", spec.Extent("n"));
        var start = g.Input("start", spec.Type());
        var step = g.Input("step", spec.Type());
        return g.Build(g.Stage("Y", [i], start[[]] + Op.Cast(spec.Type(), i) * step[[]]));
    }
}
