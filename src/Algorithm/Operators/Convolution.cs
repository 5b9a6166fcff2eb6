namespace Picograd.Algorithms.Operators;

/// <summary>
/// Y[n, o, y, x] = Σ X[n, g·(c/groups) + i, y·stride + ky·dil − pad, x·stride + kx·dil − pad] · W[o, i, ky, kx] (+ bias[o]), where g is the
/// group of o and what lies outside of X is 0: PyTorch's conv2d on NCHW tensors.
/// </summary>
internal static class Convolution
{
    public static OperatorDefinition Definition { get; } =
        new(
            "conv2d",
            "two-dimensional convolution of images, channels first",
            [
                OperatorKey.Dimension("n", "images"),
                OperatorKey.Dimension("c", "channels in"),
                OperatorKey.Dimension("h", "height in"),
                OperatorKey.Dimension("w", "width in"),
                OperatorKey.Dimension("oc", "channels out"),
                OperatorKey.Dimension("kh", "height of the filters"),
                OperatorKey.Dimension("kw", "width of the filters"),
                new OperatorKey("stride", KeyKind.Dimension, "step of the filters") { Default = "1" },
                OperatorKey.Choice("pad", "rows and columns of zeros around", "0", "1", "2", "3", "4", "5", "6", "7"),
                new OperatorKey("dil", KeyKind.Dimension, "distance of the filters' elements") { Default = "1" },
                new OperatorKey("groups", KeyKind.Dimension, "groups of channels that do not mix") { Default = "1" },
                OperatorKey.Flag("bias", "add a number to every channel out"),
                OperatorKey.Types(DTypes.Floats),
            ],
            Build
        )
        {
            Example = "conv2d n=2 c=3 h=6 w=5 oc=4 kh=3 kw=3 pad=1",
            Check = Check,
        };

    private static long Pad(OperatorSpec spec) =>
        long.Parse(spec.Choice("pad"), System.Globalization.CultureInfo.InvariantCulture);

    private static long Out(OperatorSpec spec, string size, string kernel) =>
        FloorDiv(spec.Dim(size) + 2 * Pad(spec) - spec.Dim("dil") * (spec.Dim(kernel) - 1) - 1, spec.Dim("stride")) + 1;

    // Towards −∞, so that filters that reach beyond the image give no output at all.
    private static long FloorDiv(long a, long b) => a >= 0 ? a / b : -1;

    private static string? Check(OperatorSpec spec)
    {
        long groups = spec.Dim("groups");
        if (spec.Dim("c") % groups != 0 || spec.Dim("oc") % groups != 0)
            return $"groups={groups} must divide c={spec.Dim("c")} and oc={spec.Dim("oc")}";
        return Out(spec, "h", "kh") < 1 || Out(spec, "w", "kw") < 1
            ? "the filters, spread by dil, are larger than the padded image"
            : null;
    }

    private static Algorithm Build(OperatorSpec spec)
    {
        var type = spec.Type();
        var compute = Elementwise.ComputeType(type);
        long groups = spec.Dim("groups");
        long perGroup = spec.Dim("c") / groups;
        var b = new Axis("n", spec.Dim("n"));
        var o = new Axis("o", spec.Dim("oc"));
        var y = new Axis("y", Out(spec, "h", "kh"));
        var x = new Axis("x", Out(spec, "w", "kw"));
        var i = new Axis("i", perGroup);
        var ky = new Axis("ky", spec.Dim("kh"));
        var kx = new Axis("kx", spec.Dim("kw"));
        long pad = Pad(spec);
        var g = new AlgorithmBuilder("conv2d");
        var image = g.Input("X", type, b.Extent, spec.Dim("c"), spec.Dim("h"), spec.Dim("w"));
        var filters = g.Input("W", type, o.Extent, i.Extent, ky.Extent, kx.Extent);
        Expr row = y.Var * spec.Dim("stride") + ky.Var * spec.Dim("dil") - pad;
        Expr column = x.Var * spec.Dim("stride") + kx.Var * spec.Dim("dil") - pad;
        Expr channel = groups == 1 ? i.Var : Op.FloorDiv(o.Var, spec.Dim("oc") / groups) * perGroup + i.Var;
        Expr product = Op.Cast(compute, image[b, channel, row, column]) * Op.Cast(compute, filters[o, i, ky, kx]);
        Expr? inside =
            pad == 0
                ? null
                : Op.And(
                    Op.And(Op.Le(0, row), Op.Lt(row, spec.Dim("h"))),
                    Op.And(Op.Le(0, column), Op.Lt(column, spec.Dim("w")))
                );
        var bias = spec.Flag("bias") ? g.Input("bias", type, o.Extent) : null;
        bool epilogue = bias is not null || compute != type;
        var sum = g.Stage(epilogue ? "P" : "Y", [b, o, y, x], AlgorithmBuilder.Sum([i, ky, kx], product, inside));
        if (!epilogue)
            return g.Build(sum);
        Expr value = sum[b, o, y, x];
        if (bias is not null)
            value += Op.Cast(compute, bias[o]);
        return g.Build(g.Stage("Y", [b, o, y, x], Op.Cast(type, value)));
    }
}
