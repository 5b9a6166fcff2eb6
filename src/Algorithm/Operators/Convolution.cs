using System.Collections.Immutable;
using Picograd.Algorithms.Adjoints;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// Y[n, o, y, x] = Σ X[n, g·(c/groups) + i, y·stride + ky·dil − pad, x·stride + kx·dil − pad] · W[o, i, ky, kx] (+ bias[o]), where g is the
/// group of o and what lies outside of X is 0: PyTorch's conv2d on NCHW tensors, and the same in one and three dimensions.
/// conv_transpose2d is the gradient of its images: Y[n, o, y·stride + ky·dil − pad, …] is a sum of X[n, i, y, …] · W[i, o, ky, …], and opad
/// says by how much it is larger than the last place of the window needs.
/// </summary>
internal static class Convolution
{
    private static readonly string[] Words = ["", "one", "two", "three"];

    public static ImmutableArray<OperatorDefinition> Definitions { get; } =
    [.. Enumerable.Range(1, 3).Select(Direct), .. Enumerable.Range(1, 3).Select(Transposed)];

    private static OperatorDefinition Direct(int rank) =>
        new(
            $"conv{rank}d",
            $"{Words[rank]}-dimensional convolution of images, channels first",
            [.. Keys(rank), OperatorKey.Types(DTypes.Floats)],
            Build
        )
        {
            Example = rank switch
            {
                1 => "conv1d n=2 c=3 w=7 oc=4 kw=3 pad=1",
                2 => "conv2d n=2 c=3 h=6 w=5 oc=4 kh=3 kw=3 pad=1",
                _ => "conv3d n=1 c=2 d=4 h=3 w=5 oc=3 kd=2 kh=3 kw=3 pad=1",
            },
            Operands =
                $"X[n, c, {Sizes(rank)}], W[oc, _, {Sizes(rank, "k")}], bias[oc]?bias -> Y[n, oc, {Following(rank)}]",
            Check = Check,
        };

    private static OperatorDefinition Transposed(int rank) =>
        new(
            $"conv_transpose{rank}d",
            $"{Words[rank]}-dimensional transposed convolution: the gradient of a convolution's images",
            [
                .. Keys(rank),
                OperatorKey.Numbers("opad", "elements more at the end of the result", "0"),
                OperatorKey.Types(DTypes.Floats),
            ],
            BuildTransposed
        )
        {
            Example = rank switch
            {
                1 => "conv_transpose1d n=2 c=3 w=7 oc=4 kw=3 pad=1",
                2 => "conv_transpose2d n=2 c=3 h=4 w=3 oc=4 kh=3 kw=3 stride=2 pad=1",
                _ => "conv_transpose3d n=1 c=2 d=2 h=3 w=2 oc=3 kd=2 kh=3 kw=3 stride=2 pad=1",
            },
            Operands =
                $"X[n, c, {Sizes(rank)}], W[c, _, {Sizes(rank, "k")}], bias[oc]?bias -> Y[n, oc, {Following(rank)}]",
            Check = CheckTransposed,
        };

    private static string Sizes(int rank, string prefix = "") =>
        string.Join(", ", Window.Names[rank].Select(n => prefix + n));

    private static string Following(int rank) => string.Join(", ", Enumerable.Repeat("_", rank));

    private static IEnumerable<OperatorKey> Keys(int rank)
    {
        string Long(string name) =>
            name switch
            {
                "d" => "depth",
                "h" => "height",
                _ => "width",
            };
        return
        [
            OperatorKey.Dimension("n", "images"),
            OperatorKey.Dimension("c", "channels in"),
            .. Window.Names[rank].Select(n => OperatorKey.Dimension(n, $"{Long(n)} in")),
            OperatorKey.Dimension("oc", "channels out"),
            .. Window.Names[rank].Select(n => OperatorKey.Dimension("k" + n, $"{Long(n)} of the filters")),
            OperatorKey.Numbers("stride", "step of the filters, one for all dimensions or one each", "1"),
            OperatorKey.Numbers("pad", "zeros around, on each side", "0"),
            OperatorKey.Numbers("dil", "distance of the filters' elements", "1"),
            new OperatorKey("groups", KeyKind.Dimension, "groups of channels that do not mix") { Default = "1" },
            OperatorKey.Flag("bias", "add a number to every channel out"),
        ];
    }

    private static int Rank(OperatorSpec spec) => spec.Name[^2] - '0';

    private static Window WindowOf(OperatorSpec spec)
    {
        var names = Window.Names[Rank(spec)];
        return new(
            [.. names.Select(spec.Dim)],
            [.. names.Select(n => spec.Dim("k" + n))],
            spec.List("stride", names.Length),
            spec.List("pad", names.Length),
            spec.List("dil", names.Length)
        );
    }

    private static string? Check(OperatorSpec spec) => Groups(spec) ?? WindowOf(spec).Problem("the filter");

    private static string? Groups(OperatorSpec spec)
    {
        long groups = spec.Dim("groups");
        return spec.Dim("c") % groups != 0 || spec.Dim("oc") % groups != 0
            ? $"groups={groups} must divide c={spec.Dim("c")} and oc={spec.Dim("oc")}"
            : null;
    }

    private static Algorithm Build(OperatorSpec spec)
    {
        var g = new AlgorithmBuilder(spec.Name);
        var window = WindowOf(spec);
        var type = spec.Type();
        var image = g.Input("X", type, [spec.Dim("n"), spec.Dim("c"), .. Extents(window.Size)]);
        var filters = g.Input(
            "W",
            type,
            [spec.Dim("oc"), spec.Dim("c") / spec.Dim("groups"), .. Extents(window.Kernel)]
        );
        var bias = spec.Flag("bias") ? g.Input("bias", type, spec.Dim("oc")) : null;
        bool last = bias is null && type.Compute() == type;
        var sum = Sums(g, last ? "Y" : "P", image, filters, window, spec.Dim("groups"));
        return g.Build(last ? sum : Finish(g, sum, bias, type));
    }

    private static Buffer Sums(
        AlgorithmBuilder g,
        string name,
        Buffer image,
        Buffer filters,
        Window window,
        long groups
    )
    {
        var compute = filters.Type.Compute();
        var b = new Axis("n", image.Shape[0]);
        var o = new Axis("o", filters.Shape[0]);
        var i = new Axis("i", filters.Shape[1]);
        var (places, elements) = (window.PlaceAxes(), window.ElementAxes());
        var at = window.At(places, elements);
        Expr channel =
            groups == 1
                ? i.Var
                : Op.FloorDiv(o.Var, ((IntImm)o.Extent).Value / groups) * ((IntImm)i.Extent).Value + i.Var;
        Expr product =
            Op.Cast(compute, image[[b.Var, channel, .. at]])
            * Op.Cast(compute, filters[[o.Var, i.Var, .. elements.Select(e => (Expr)e.Var)]]);
        return g.Stage(name, [b, o, .. places], AlgorithmBuilder.Sum([i, .. elements], product, window.Inside(at)));
    }

    // With the bias, rounded once.
    private static Buffer Finish(AlgorithmBuilder g, Buffer sum, Buffer? bias, DType type)
    {
        string[] names = ["n", "o", .. new[] { "z", "y", "x" }[^(sum.Rank - 2)..]];
        Axis[] axes = [.. sum.Shape.Select((extent, d) => new Axis(names[d], extent))];
        Expr value = sum[[.. axes.Select(a => (Expr)a.Var)]];
        if (bias is not null)
            value += Op.Cast(type.Compute(), bias[axes[1]]);
        return g.Stage("Y", axes, Op.Cast(type, value));
    }

    // The convolution that takes the result of the transposed one to places of its images.
    private static Window Forward(OperatorSpec spec)
    {
        var (window, more) = (WindowOf(spec), spec.List("opad", Rank(spec)));
        return window with
        {
            Given = window.Size,
            Size =
            [
                .. window.Size.Select(
                    (size, d) =>
                        (size - 1) * window.Stride[d]
                        - 2 * window.Padding[d]
                        + window.Dilation[d] * (window.Kernel[d] - 1)
                        + more[d]
                        + 1
                ),
            ],
        };
    }

    private static string? CheckTransposed(OperatorSpec spec)
    {
        var window = WindowOf(spec);
        if (window.ListProblem() is { } bad)
            return bad;
        var more = spec.List("opad", window.Rank);
        if (more.Length != window.Rank)
            return $"opad has {more.Length} numbers; give one, or one for each of {window.Rank} dimensions";
        for (int d = 0; d < window.Rank; d++)
        {
            if (more[d] < 0)
                return $"opad={more[d]} must be at least 0";
            if (more[d] >= Math.Max(window.Stride[d], window.Dilation[d]))
                return $"opad={more[d]} must be less than stride={window.Stride[d]} or dil={window.Dilation[d]}";
        }
        var forward = Forward(spec);
        return forward.Size.Any(s => s < 1) ? "the padding takes the whole result away" : Groups(spec);
    }

    private static Algorithm BuildTransposed(OperatorSpec spec)
    {
        var type = spec.Type();
        var (window, forward, groups) = (WindowOf(spec), Forward(spec), spec.Dim("groups"));
        ImmutableArray<long> kernel = [spec.Dim("c"), spec.Dim("oc") / groups, .. window.Kernel];
        var direct = new AlgorithmBuilder("conv");
        var images = direct.Input("Z", type.Compute(), [spec.Dim("n"), spec.Dim("oc"), .. Extents(forward.Size)]);
        var weights = direct.Input("W", type, [.. Extents(kernel)]);
        var sums = Sums(direct, "S", images, weights, forward, groups);
        Axis[] axes = [.. sums.Shape.Select((e, d) => new Axis($"a{d}", e))];
        var rounded = direct.Stage("R", axes, Op.Cast(type, sums[[.. axes.Select(a => (Expr)a.Var)]]));
        var back = Adjoint.Of(direct.Build(rounded), [images]);

        var g = new AlgorithmBuilder(spec.Name);
        var x = g.Input("X", type, [.. rounded.Shape]);
        var w = g.Input("W", type, [.. Extents(kernel)]);
        var bias = spec.Flag("bias") ? g.Input("bias", type, spec.Dim("oc")) : null;
        bool last = bias is null && type.Compute() == type;
        var inputs = back.Inputs.ToDictionary(i => i.Buffer, i => i.Role == DerivedRole.Gradient ? x : w);
        var sum = g.Inline(last ? "Y" : "P", back.Algorithm, inputs);
        return g.Build(last ? sum : Finish(g, sum, bias, type));
    }

    private static Expr[] Extents(ImmutableArray<long> sizes) => [.. sizes.Select(s => (Expr)s)];
}
