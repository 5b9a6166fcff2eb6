using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

// Products by name and images.
internal static partial class SurfaceCases
{
    private static IEnumerable<Subject> Products()
    {
        yield return new(
            "Einsum",
            d =>
            {
                var sizes = new Dictionary<char, long>();
                int count = d.Between(1, 3);
                var parts = new List<string>();
                var inputs = new List<Sample>();
                var type = d.Chance(0.8) ? d.FloatType() : DType.Int64;
                for (int i = 0; i < count; i++)
                {
                    string letters = string.Concat(
                        Enumerable.Range(0, d.Between(0, 3)).Select(_ => d.Pick('i', 'j', 'k', 'a'))
                    );
                    bool dots = d.Chance(0.2);
                    int at = d.Between(0, letters.Length);
                    long[] Shape(string of) =>
                        [
                            .. of.Select(c =>
                                d.Chance(0.05) ? 1
                                : sizes.TryGetValue(c, out long known) ? known
                                : sizes[c] = d.Between(1, 4)
                            ),
                        ];
                    var before = Shape(letters[..at]);
                    long[] more = dots ? [.. new long[] { 2, 3 }[^d.Between(0, 2)..]] : [];
                    parts.Add(dots ? letters[..at] + "..." + letters[at..] : letters);
                    inputs.Add(d.Of([.. before, .. more, .. Shape(letters[at..])], type, tame: true));
                }
                string text = string.Join(d.Pick(",", ", "), parts);
                if (d.Chance(0.7))
                {
                    var known = parts.SelectMany(p => p).Where(char.IsLetter).Distinct().OrderBy(_ => d.Between(0, 99));
                    string result = string.Concat(known.Where(_ => d.Chance(0.6)));
                    if (d.Chance(0.03))
                        result += "z";
                    text +=
                        "->"
                        + (
                            parts.Any(p => p.Contains('.')) || d.Chance(0.05)
                                ? result.Insert(d.Between(0, result.Length), "...")
                                : result
                        );
                }
                return new($"Einsum({text})", [.. inputs], t => [Tensor.Einsum(text, t)], t => [torch.einsum(text, t)])
                {
                    Terms = 300,
                    Degree = 3,
                };
            }
        );
        (string, Func<Draw, Sample[]>, Func<Tensor[], Tensor>, Func<TorchTensor[], TorchTensor>)[] products =
        [
            ("Dot", d => Like(d, [d.Size()], [d.Size()]), t => t[0].Dot(t[1]), t => t[0].dot(t[1])),
            ("Outer", d => Like(d, [d.Size()], [d.Size()]), t => t[0].Outer(t[1]), t => t[0].outer(t[1])),
            ("Kron", d => Like(d, d.Shape(0, 3), d.Shape(0, 3)), t => t[0].Kron(t[1]), t => t[0].kron(t[1])),
            (
                "Trace",
                d => [d.Of(d.Shape(1, 3), d.Pick(DType.Float32, DType.Float64))],
                t => t[0].Trace(),
                t => t[0].trace()
            ),
            ("Bmm", d => Like(d, Fit(d, 2, 3, 4), Fit(d, 2, 4, 5)), t => t[0].Bmm(t[1]), t => t[0].bmm(t[1])),
            ("Mv", d => Like(d, Fit(d, 3, 4), Fit(d, 4)), t => t[0].Mv(t[1]), t => t[0].mv(t[1])),
            (
                "Addmm",
                d => Like(d, d.Pick<long[]>([5], [3, 5], [3, 1], [2, 5]), Fit(d, 3, 4), Fit(d, 4, 5)),
                t => t[0].Addmm(t[1], t[2], 2, 3),
                t => t[0].addmm(t[1], t[2], 2, 3)
            ),
            (
                "Baddbmm",
                d => Like(d, d.Pick<long[]>([5], [2, 3, 5], [2, 1, 5]), [2, 3, 4], [2, 4, 5]),
                t => t[0].Baddbmm(t[1], t[2], 2, 3),
                // TorchSharp's receiver is the first batch.
                t => t[1].baddbmm(t[2], t[0], 2, 3)
            ),
            ("Inner", d => Like(d, Fit(d, 3, 4), Fit(d, 2, 4)), t => t[0].Inner(t[1]), t => t[0].inner(t[1])),
            (
                "TensorDot",
                d => Like(d, Fit(d, 2, 3, 4), Fit(d, 3, 4, 5)),
                t => t[0].TensorDot(t[1]),
                t => t[0].tensordot(t[1], [1, 2], [0, 1])
            ),
            (
                "TensorDot(dims)",
                d => Like(d, Fit(d, 2, 3, 4), Fit(d, 4, 2)),
                t => t[0].TensorDot(t[1], [0, 2], [1, 0]),
                t => t[0].tensordot(t[1], [0, 2], [1, 0])
            ),
        ];
        foreach (var (name, inputs, ours, theirs) in products)
            yield return new(
                name,
                d => new(name, inputs(d), t => [ours(t)], t => [theirs(t)]) { Terms = 128, Degree = 2 }
            );
        yield return new(
            "Cdist",
            d =>
            {
                var type = d.Pick(DType.Float32, DType.Float64);
                long k = d.Between(1, 4);
                double p = d.Pick(2.0, 1, 1.5, 3, double.PositiveInfinity);
                Sample[] x =
                [
                    d.Of([.. d.Shape(0, 1), d.Between(0, 4), k], type, tame: true),
                    d.Of([d.Between(0, 4), k], type, tame: true),
                ];
                return new(
                    $"Cdist({p})",
                    x,
                    t => [Tensor.Cdist(t[0], t[1], p)],
                    t => [torch.cdist(t[0], t[1], p, compute_mode.donot_use_mm_for_euclid_dist)]
                )
                {
                    Terms = 32,
                };
            }
        );
    }

    private static Sample[] Like(Draw d, params long[][] shapes)
    {
        var type = d.Chance(0.7) ? d.FloatType() : d.Pick(DType.Int32, DType.Int64);
        return [.. shapes.Select(s => d.Of(s, d.Chance(0.03) ? DType.Float64 : type, tame: true))];
    }

    // Sizes that fit, but for one in twenty-five; now and then 0 or 1 everywhere.
    private static long[] Fit(Draw d, params long[] sizes) =>
        d.Chance(0.04) ? [.. sizes.Select((s, i) => i == 0 ? s + 1 : s)] : sizes;

    private static IEnumerable<Subject> Images()
    {
        foreach (
            var (mode, theirs, rank) in new[]
            {
                ("nearest", InterpolationMode.Nearest, 0),
                ("linear", InterpolationMode.Linear, 1),
                ("bilinear", InterpolationMode.Bilinear, 2),
                ("bicubic", InterpolationMode.Bicubic, 2),
                ("trilinear", InterpolationMode.Trilinear, 3),
                ("area", InterpolationMode.Area, 0),
            }
        )
            yield return new(
                $"Interpolate {mode}",
                d =>
                {
                    int dims = rank == 0 ? d.Between(1, 3) : rank + (d.Chance(0.04) ? 1 : 0);
                    var x = d.Float([
                        d.Between(1, 2),
                        d.Between(1, 2),
                        .. Enumerable.Range(0, dims).Select(_ => (long)d.Between(1, 6)),
                    ]);
                    bool bySize = d.Chance(0.6);
                    long[] size = [.. Enumerable.Range(0, dims).Select(_ => (long)d.Between(1, 9))];
                    double[] scale = [.. Enumerable.Range(0, dims).Select(_ => d.Pick(2, 0.5, 1.7, 3, 1.0, 1.25))];
                    bool? align = rank == 0 ? null : d.Pick<bool?>(null, true, false);
                    return Trial.One(
                        $"Interpolate({mode}, {(bySize ? string.Join(',', size) : string.Join(',', scale.Select(s => $"×{s}")))}, {align})",
                        x,
                        t =>
                            bySize
                                ? F.Interpolate(t, size, default, mode, align)
                                : F.Interpolate(t, default, scale, mode, align),
                        t =>
                            bySize
                                ? Functional.interpolate(t, size, null, theirs, align)
                                : Functional.interpolate(t, null, scale, theirs, align)
                    ) with
                    {
                        Terms = 64,
                    };
                }
            );
        yield return new(
            "LpPool2d",
            d =>
            {
                var x = d.Float([d.Between(1, 2), d.Between(1, 2), d.Between(3, 6), d.Between(3, 6)]);
                double p = d.Pick(2.0, 3, 1);
                var (k, s) = (d.Between(1, 3), d.Between(1, 3));
                bool ceil = d.Chance(0.3);
                return Trial.One(
                    $"LpPool2d({p}, {k}, {s}, {ceil})",
                    x,
                    t => F.LpPool2d(t, p, k, s, ceil),
                    t => Functional.lp_pool2d(t, p, k, s, ceil)
                ) with
                {
                    Terms = 64,
                };
            }
        );
        yield return new(
            "MaxPool2d of integers",
            d =>
            {
                int k = d.Between(1, 3);
                var x = d.Of(
                    [d.Between(1, 2), d.Between(1, 2), d.Between(3, 7), d.Between(3, 7)],
                    d.Pick(DType.Int32, DType.Int64, DType.UInt8)
                );
                return Trial.One($"MaxPool2d({k})", x, t => F.MaxPool2d(t, k), t => Functional.max_pool2d(t, [k, k]));
            }
        );
        foreach (var (name, start) in new[] { ("Linspace", false), ("Logspace", true) })
            yield return new(
                name,
                d =>
                {
                    var (a, b, n) = (
                        Math.Round(d.Between(-30, 30) / 7.0, 2),
                        Math.Round(d.Between(-30, 30) / 7.0, 2),
                        d.Between(0, 20)
                    );
                    bool wide = d.Chance(0.5);
                    return new Trial(
                        $"{name}({a}, {b}, {n}, {wide})",
                        [],
                        _ =>
                            [
                                start
                                    ? Tensor.Logspace(a, b, n, 10, wide ? DType.Float64 : DType.Float32)
                                    : Tensor.Linspace(a, b, n, wide ? DType.Float64 : DType.Float32),
                            ],
                        _ =>
                            [
                                start
                                    ? torch.logspace(a, b, n, 10, wide ? ScalarType.Float64 : ScalarType.Float32)
                                    : torch.linspace(a, b, n, wide ? ScalarType.Float64 : ScalarType.Float32),
                            ]
                    )
                    {
                        Terms = 4,
                    };
                }
            );
    }
}
