using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;

namespace Picograd.Tests.Contractions;

/// <summary>Convolutions and pools in one to three dimensions, their gradients, and other contractions, of random odd sizes.</summary>
internal static class ContractionCases
{
    private static readonly long[] Channels = [1, 2, 3, 5, 8, 16, 17, 33];
    private static readonly long[] Sizes = [1, 2, 3, 5, 7, 8, 13, 16, 19, 29];

    /// <summary>A name for messages, and the algorithm.</summary>
    public static (string Name, Algorithm Algorithm) Draw(Random random)
    {
        while (true)
        {
            int dims = 1 + random.Next(10) / 4;
            var window = new Window(
                random.Next(1, 4),
                [
                    .. Enumerable
                        .Range(0, dims)
                        .Select(_ => dims == 3 ? Pick(random, Sizes) % 8 + 1 : Pick(random, Sizes)),
                ],
                [.. Enumerable.Range(0, dims).Select(_ => random.NextInt64(1, 6))],
                random.NextInt64(1, 4),
                random.NextInt64(0, 5),
                random.NextInt64(1, 4)
            );
            if (window.Out.Any(o => o < 1))
                continue;
            long inputs = Pick(random, Channels);
            long outputs = Pick(random, Channels);
            long groups = random.Next(3) switch
            {
                0 => inputs,
                1 when inputs % 2 == 0 => 2,
                _ => 1,
            };
            outputs = groups == 1 ? outputs : groups * Pick(random, [1, 2, 3, 4, 12, 16]);
            var type = random.Next(6) == 0 ? DType.BFloat16 : DType.Float32;
            string name = $"{window} {inputs}->{outputs} groups {groups} {type}";
            switch (random.Next(7))
            {
                case 0:
                    return ($"max pool {name}", Pool(window, inputs, max: true));
                case 1:
                    return ($"average pool {name}", Pool(window, inputs, max: false));
                case 2:
                    return (
                        $"gradient of images of {name}",
                        Gradient(Convolution(window, inputs, outputs, groups, DType.Float32, false), "X")
                    );
                case 3:
                    return (
                        $"gradient of filters of {name}",
                        Gradient(Convolution(window, inputs, outputs, groups, DType.Float32, false), "W")
                    );
                case 4:
                    return Contraction(random);
                default:
                    return (
                        $"convolution {name}",
                        Convolution(window, inputs, outputs, groups, type, random.Next(3) == 0)
                    );
            }
        }
    }

    private static long Pick(Random random, long[] values) => values[random.Next(values.Length)];

    private sealed record Window(long Images, long[] Size, long[] Kernel, long Stride, long Padding, long Dilation)
    {
        public long[] Out { get; } =
        [
            .. Size.Select(
                (s, d) =>
                {
                    long room = s + 2 * Padding - Dilation * (Kernel[d] - 1) - 1;
                    return room < 0 ? 0 : room / Stride + 1;
                }
            ),
        ];

        public override string ToString() =>
            $"{Images} images of {string.Join('x', Size)}, window {string.Join('x', Kernel)}, stride {Stride}, padding {Padding}, dilation {Dilation}";
    }

    private static (Axis[] Places, Axis[] Offsets, Expr[] At, Expr Inside) Axes(Window w)
    {
        Axis[] places = [.. w.Out.Select((o, d) => new Axis($"p{d}", o))];
        Axis[] offsets = [.. w.Kernel.Select((k, d) => new Axis($"k{d}", k))];
        Expr[] at = [.. places.Select((p, d) => p.Var * w.Stride + offsets[d].Var * w.Dilation - w.Padding)];
        var inside = at.Select((a, d) => Op.And(Op.Le(0, a), Op.Lt(a, w.Size[d]))).Aggregate(Op.And);
        return (places, offsets, at, inside);
    }

    private static Algorithm Convolution(Window w, long inputs, long outputs, long groups, DType type, bool relu)
    {
        var (places, offsets, at, inside) = Axes(w);
        var (n, o, i) = (new Axis("n", w.Images), new Axis("o", outputs), new Axis("i", inputs / groups));
        var g = new AlgorithmBuilder("convolution");
        var x = g.Input("X", type, [n.Extent, inputs, .. w.Size.Select(s => (Expr)s)]);
        var f = g.Input("W", type, [o.Extent, i.Extent, .. w.Kernel.Select(s => (Expr)s)]);
        Expr channel = groups == 1 ? i.Var : Op.FloorDiv(o.Var, outputs / groups) * (inputs / groups) + i.Var;
        Expr product =
            Op.Cast(DType.Float32, x[[n.Var, channel, .. at]])
            * Op.Cast(DType.Float32, f[[o.Var, i.Var, .. offsets.Select(k => (Expr)k.Var)]]);
        var sum = g.Stage(relu ? "P" : "Y", [n, o, .. places], AlgorithmBuilder.Sum([i, .. offsets], product, inside));
        if (!relu)
            return g.Build(sum);
        var bias = g.Input("B", DType.Float32, o.Extent);
        Expr value = sum[[n.Var, o.Var, .. places.Select(p => (Expr)p.Var)]] + bias[o];
        return g.Build(g.Stage("Y", [n, o, .. places], Op.Max(value, 0f)));
    }

    private static Algorithm Pool(Window w, long channels, bool max)
    {
        var (places, offsets, at, inside) = Axes(w);
        var (n, c) = (new Axis("n", w.Images), new Axis("c", channels));
        var g = new AlgorithmBuilder("pool");
        var x = g.Input("X", DType.Float32, [n.Extent, channels, .. w.Size.Select(s => (Expr)s)]);
        Expr value = x[[n.Var, c.Var, .. at]];
        if (max)
            return g.Build(g.Stage("Y", [n, c, .. places], AlgorithmBuilder.Max([.. offsets], value, inside)));
        var sum = g.Stage("P", [n, c, .. places], AlgorithmBuilder.Sum([.. offsets], value, inside));
        float share = 1f / w.Kernel.Aggregate(1L, (a, b) => a * b);
        return g.Build(
            g.Stage("Y", [n, c, .. places], sum[[n.Var, c.Var, .. places.Select(p => (Expr)p.Var)]] * share)
        );
    }

    private static Algorithm Gradient(Algorithm algorithm, string of) =>
        Adjoint.Of(algorithm, [algorithm.Inputs.First(b => b.Name == of)]).Algorithm;

    private static (string, Algorithm) Contraction(Random random)
    {
        var (b, m, n) = (
            new Axis("b", random.Next(1, 4)),
            new Axis("m", Pick(random, Sizes)),
            new Axis("n", Pick(random, Channels))
        );
        var (k, l) = (new Axis("k", Pick(random, Sizes)), new Axis("l", random.Next(1, 5)));
        var g = new AlgorithmBuilder("contraction");
        switch (random.Next(4))
        {
            case 0:
                var x = g.Input("A", DType.Float32, m.Extent, k.Extent);
                var n2 = new Axis("n", m.Extent);
                return (
                    "A times its transpose",
                    g.Build(g.Stage("C", [m, n2], AlgorithmBuilder.Sum(k, x[m, k] * x[n2, k])))
                );
            case 1:
                var p = g.Input("A", DType.Float32, b.Extent, k.Extent, m.Extent, l.Extent);
                var q = g.Input("B", DType.Float32, l.Extent, n.Extent, k.Extent);
                return (
                    "two reduce axes and a batch",
                    g.Build(g.Stage("C", [b, m, n], AlgorithmBuilder.Sum([k, l], p[b, k, m, l] * q[l, n, k])))
                );
            case 2:
                var r = g.Input("A", DType.Float32, m.Extent, k.Extent);
                var s = g.Input("B", DType.Float32, k.Extent, n.Extent);
                return (
                    "a triangle",
                    g.Build(g.Stage("C", [m, n], AlgorithmBuilder.Sum([k], r[m, k] * s[k, n], Op.Le(k.Var, m.Var))))
                );
            default:
                var u = g.Input("A", DType.Float32, b.Extent, m.Extent, k.Extent);
                var v = g.Input("B", DType.Float16, n.Extent, k.Extent);
                var w = g.Input("s", DType.Float32, b.Extent);
                return (
                    "three factors, one of halves",
                    g.Build(
                        g.Stage(
                            "C",
                            [b, n, m],
                            AlgorithmBuilder.Sum(k, u[b, m, k] * Op.Cast(DType.Float32, v[n, k]) * w[b])
                        )
                    )
                );
        }
    }
}
