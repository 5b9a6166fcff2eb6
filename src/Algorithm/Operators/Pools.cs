using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Maxima and means of windows over the last one, two or three dimensions of X, whose other dimensions are planes. What the padding
/// adds is never a maximum. With <c>indices</c> max_pool gives the place of each maximum in its plane, counted row-major, too: of equals
/// the first, and the last NaN where there is one, as PyTorch; the gradient goes there. Windows of adaptive pools reach from
/// ⌊y·size/places⌋ up to ⌈(y + 1)·size/places⌉.
/// </summary>
internal static class Pools
{
    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [
        .. Enumerable.Range(1, 3).Select(MaxPool),
        .. Enumerable.Range(1, 3).Select(AvgPool),
        .. Enumerable.Range(1, 3).Select(AdaptiveMaxPool),
        .. Enumerable.Range(1, 3).Select(AdaptiveAvgPool),
    ];

    private const string Max = "max";

    private static OperatorDefinition MaxPool(int rank) =>
        new(
            $"max_pool{rank}d",
            "largest element of each window",
            [
                .. Keys(rank),
                OperatorKey.Numbers("dil", "distance of the window's elements", "1"),
                OperatorKey.Flag("ceil", "also a last window that reaches beyond the padding"),
                OperatorKey.Flag("indices", "places of the maxima, too"),
                OperatorKey.Types(DTypes.Numbers),
            ],
            Build
        )
        {
            Example = $"max_pool{rank}d n=3 {Example(rank)} indices=1",
            Operands = Operands(rank, "_", ", I:i64[n.., {0}]?indices"),
            Check = Check,
            ResultDomain = Places,
        };

    private static OperatorDefinition AvgPool(int rank) =>
        new(
            $"avg_pool{rank}d",
            "mean of each window",
            [
                .. Keys(rank),
                OperatorKey.Flag("ceil", "also a last window that reaches beyond the padding"),
                OperatorKey.Flag("inside", "divide by the elements that are no padding"),
                OperatorKey.Real("divisor", "what is divided by; 0: the number of elements", 0),
                OperatorKey.Types(DTypes.Floats),
            ],
            Build
        )
        {
            Example = $"avg_pool{rank}d n=3 {Example(rank)}",
            Operands = Operands(rank, "_", ""),
            Check = Check,
        };

    private static OperatorDefinition AdaptiveMaxPool(int rank) =>
        new(
            $"adaptive_max_pool{rank}d",
            "largest element of each of some parts",
            [
                .. Planes(rank),
                .. Parts(rank),
                OperatorKey.Flag("indices", "places of the maxima, too"),
                OperatorKey.Types(DTypes.Floats),
            ],
            Build
        )
        {
            Example = $"adaptive_max_pool{rank}d n=3 {AdaptiveExample(rank)} indices=1",
            Operands = Operands(rank, "o", ", I:i64[n.., {0}]?indices"),
            ResultDomain = Places,
        };

    private static OperatorDefinition AdaptiveAvgPool(int rank) =>
        new(
            $"adaptive_avg_pool{rank}d",
            "mean of each of some parts",
            [.. Planes(rank), .. Parts(rank), OperatorKey.Types(DTypes.Floats)],
            Build
        )
        {
            Example = $"adaptive_avg_pool{rank}d n=3 {AdaptiveExample(rank)}",
            Operands = Operands(rank, "o", ""),
        };

    // Of maxima: places in a plane.
    private static InputDomain Places(OperatorSpec spec, Buffer result) =>
        result.Type.IsFloat()
            ? InputDomain.Any
            : InputDomain.Index(Window.Names[Rank(spec)].Aggregate(1L, (a, n) => a * spec.Dim(n)));

    private static string Example(int rank) =>
        rank switch
        {
            1 => "w=7 kw=3 stride=2 pad=1",
            2 => "h=6 w=7 kh=3 kw=2 stride=2 pad=1",
            _ => "d=4 h=3 w=5 kd=2 kh=2 kw=3 stride=2 pad=1",
        };

    private static string AdaptiveExample(int rank) =>
        rank switch
        {
            1 => "w=7 ow=3",
            2 => "h=6 w=7 oh=3 ow=2",
            _ => "d=4 h=3 w=5 od=2 oh=3 ow=3",
        };

    private static string Operands(int rank, string results, string more)
    {
        string places = string.Join(", ", Window.Names[rank].Select(n => results == "_" ? "_" : results + n));
        return $"X[n.., {string.Join(", ", Window.Names[rank])}] -> Y[n.., {places}]"
            + string.Format(System.Globalization.CultureInfo.InvariantCulture, more, places);
    }

    private static IEnumerable<OperatorKey> Planes(int rank) =>
        [
            OperatorKey.Dimension("n", "planes: images times channels"),
            .. Window.Names[rank].Select(n => OperatorKey.Dimension(n, $"size in dimension {n}")),
        ];

    private static IEnumerable<OperatorKey> Parts(int rank) =>
        Window.Names[rank].Select(n => OperatorKey.Dimension("o" + n, $"parts in dimension {n}"));

    private static IEnumerable<OperatorKey> Keys(int rank) =>
        [
            .. Planes(rank),
            .. Window.Names[rank].Select(n => OperatorKey.Dimension("k" + n, $"size of the window in dimension {n}")),
            OperatorKey.Numbers("stride", "step of the window, one for all dimensions or one each", "1"),
            OperatorKey.Numbers("pad", "places around, on each side", "0"),
        ];

    private static int Rank(OperatorSpec spec) => spec.Name[^2] - '0';

    private static bool IsMax(OperatorSpec spec) => spec.Name.Contains(Max, StringComparison.Ordinal);

    private static bool IsAdaptive(OperatorSpec spec) => spec.Definition.Keys.Any(k => k.Name == "ow");

    private static Window WindowOf(OperatorSpec spec)
    {
        var names = Window.Names[Rank(spec)];
        return new(
            [.. names.Select(spec.Dim)],
            [.. names.Select(n => spec.Dim("k" + n))],
            spec.List("stride", names.Length),
            spec.List("pad", names.Length),
            IsMax(spec) ? spec.List("dil", names.Length) : [.. names.Select(_ => 1L)],
            spec.Flag("ceil")
        );
    }

    private static string? Check(OperatorSpec spec)
    {
        var window = WindowOf(spec);
        if (window.Problem("the window") is { } wrong)
            return wrong;
        for (int d = 0; d < window.Rank; d++)
        {
            if (window.Padding[d] * 2 > window.Kernel[d])
                return $"pad={window.Padding[d]} must be at most half of the window's {window.Kernel[d]}";
        }
        return null;
    }

    // What a pool's windows see: axes over places and elements, positions, and which are there.
    private sealed record View(Axis[] Places, Axis[] Elements, Expr[] At, Expr? Inside, Func<Expr> Count);

    private static View ViewOf(OperatorSpec spec, DType compute)
    {
        if (!IsAdaptive(spec))
        {
            var window = WindowOf(spec);
            var (places, elements) = (window.PlaceAxes(), window.ElementAxes());
            var at = window.At(places, elements);
            return new(places, elements, at, window.Inside(at), () => Count(spec, window, places, compute));
        }
        var names = Window.Names[Rank(spec)];
        ImmutableArray<long> sizes = [.. names.Select(spec.Dim)];
        ImmutableArray<long> parts = [.. names.Select(n => spec.Dim("o" + n))];
        // Parts that are all alike are the windows of a plain pool, which is understood in more places.
        if (sizes.Zip(parts).All(p => p.First % p.Second == 0))
        {
            ImmutableArray<long> each = [.. sizes.Select((s, d) => s / parts[d])];
            var zeros = each.Select(_ => 0L).ToImmutableArray();
            var window = new Window(sizes, each, each, zeros, [.. each.Select(_ => 1L)]);
            var (places, elements) = (window.PlaceAxes(), window.ElementAxes());
            return new(
                places,
                elements,
                window.At(places, elements),
                null,
                () => Op.Const(each.Aggregate(1L, (a, b) => a * b), compute)
            );
        }
        long[] longest = [.. sizes.Select((s, d) => Longest(s, parts[d]))];
        var one = new Window(sizes, [.. longest], [.. longest], [.. longest], [.. longest]) { Given = parts };
        var (over, within) = (one.PlaceAxes(), one.ElementAxes());
        Expr[] from = [.. over.Select((y, d) => Op.FloorDiv(y.Var * sizes[d], parts[d]))];
        Expr[] to = [.. over.Select((y, d) => Op.FloorDiv((y.Var + 1) * sizes[d] + (parts[d] - 1), parts[d]))];
        Expr[] positions = [.. from.Select((f, d) => f + within[d].Var)];
        var inside = positions.Select((p, d) => Op.Lt(p, to[d])).Aggregate(Op.And);
        return new(
            over,
            within,
            positions,
            inside,
            () => Op.Cast(compute, from.Select((f, d) => to[d] - f).Aggregate((a, b) => a * b))
        );
    }

    private static long Longest(long size, long parts)
    {
        // Starts move by size modulo parts, so that no part is longer than this.
        long longest = 0;
        for (long y = 0; y < Math.Min(parts, 1 << 20); y++)
            longest = Math.Max(longest, ((y + 1) * size + parts - 1) / parts - y * size / parts);
        return parts > 1 << 20 ? size / parts + 2 : longest;
    }

    // What a mean divides by.
    private static Expr Count(OperatorSpec spec, Window window, Axis[] places, DType compute)
    {
        if (spec.Real("divisor") is not 0 and var divisor)
            return Op.Const(divisor, compute);
        long constant = 1;
        Expr? varying = null;
        for (int d = 0; d < window.Rank; d++)
        {
            long padding = spec.Flag("inside") ? 0 : window.Padding[d];
            long end = window.Size[d] + padding;
            long last = (window.Places[d] - 1) * window.Stride[d] - window.Padding[d] + window.Kernel[d];
            if (window.Padding[d] == padding && last <= end)
            {
                constant *= window.Kernel[d];
                continue;
            }
            Expr from = places[d].Var * window.Stride[d] - window.Padding[d];
            Expr count = Op.Min(from + window.Kernel[d], end) - Op.Max(from, -padding);
            varying = varying is null ? count : varying * count;
        }
        Expr all = varying is null ? Op.Const(constant, compute) : Op.Cast(compute, varying * constant);
        return all;
    }

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var compute = type.Compute();
        var names = Window.Names[Rank(spec)];
        var view = ViewOf(spec, compute);
        var g = new AlgorithmBuilder(spec.Name);
        var n = new Axis("n", spec.Dim("n"));
        var x = g.Input("X", type, [n.Extent, .. names.Select(d => (Expr)spec.Dim(d))]);
        Axis[] axes = [n, .. view.Places];
        Expr[] here = [.. axes.Select(a => (Expr)a.Var)];
        Expr element = Op.Cast(compute, x[[n.Var, .. view.At]]);
        if (!IsMax(spec))
        {
            var sum = g.Stage("S", axes, AlgorithmBuilder.Sum(view.Elements, element, view.Inside));
            return g.Build(g.Stage("Y", axes, Op.Cast(type, sum[here] / view.Count())));
        }
        bool indices = spec.Flag("indices");
        bool plain = !indices && compute == type;
        var most = g.Stage(
            plain ? "Y" : "M",
            axes,
            AlgorithmBuilder.Max(view.Elements, element, view.Inside),
            detached: indices
        );
        if (!indices)
            return g.Build(plain ? most : g.Stage("Y", axes, Op.Cast(type, most[here])));
        // The first element of the window that is the maximum; a NaN as the number below 0 that grows towards the last.
        long count = view.Elements.Aggregate(1L, (a, e) => a * ((IntImm)e.Extent).Value);
        Expr number = Flat(view.Elements.Select(e => (Expr)e.Var), view.Elements);
        Expr real = Op.Cast(compute, number);
        Expr candidate = Op.Select(Op.Eq(element, most[here]), real, Op.Const(count, compute));
        if (compute.IsFloat())
            candidate = Op.Select(Op.IsNan(element), Op.Const(-1, compute) - real, candidate);
        var which = g.Stage("K", axes, AlgorithmBuilder.Min(view.Elements, candidate, view.Inside), detached: true);
        Expr chosen = which[here];
        Expr found = Op.Cast(
            DType.Int64,
            Op.Select(Op.Lt(chosen, Op.Const(0, compute)), Op.Const(-1, compute) - chosen, chosen)
        );
        // The position of an element of the window, by its number.
        var digits = new Dictionary<Var, Expr>();
        for (int d = view.Elements.Length - 1; d >= 0; d--)
        {
            Expr extent = Op.Cast(DType.Int64, view.Elements[d].Extent);
            digits[view.Elements[d].Var] = d == 0 ? found : Op.Mod(found, extent);
            found = Op.FloorDiv(found, extent);
        }
        Axis[] sizes = [.. names.Select(d => new Axis(d, spec.Dim(d)))];
        Expr place = Flat(view.At.Select(p => p.Substitute(digits)), sizes);
        var index = g.Stage("I", axes, place);
        Expr[] back = new Expr[sizes.Length];
        Expr rest = index[here];
        for (int d = sizes.Length - 1; d >= 0; d--)
        {
            back[d] = d == 0 ? rest : Op.Mod(rest, sizes[d].Extent);
            rest = Op.FloorDiv(rest, sizes[d].Extent);
        }
        return g.Build(g.Stage("Y", axes, x[[n.Var, .. back]]), index);
    }

    // Row-major.
    private static Expr Flat(IEnumerable<Expr> at, IReadOnlyList<Axis> axes) =>
        at.Select((e, d) => (e, d)).Aggregate((Expr)0, (sum, p) => sum * axes[p.d].Extent + p.e);
}
