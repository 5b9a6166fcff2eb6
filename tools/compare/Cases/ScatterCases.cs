using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Reductions into places, and pools that are turned back.</summary>
internal static class ScatterCases
{
    public static IEnumerable<Subject> All =>
        [
            new("ScatterReduce sum", Sum),
            .. new[] { "prod", "mean", "amax", "amin" }.Select(r => new Subject(
                $"ScatterReduce {r}",
                d => Slices(d, r)
            )),
            .. Enumerable.Range(1, 3).Select(rank => new Subject($"MaxUnpool{rank}d", d => Unpool(d, rank))),
        ];

    private static Trial Sum(Draw d)
    {
        var type = d.AnyType();
        var x = d.Of(d.Shape(1, 3), type);
        int dim = d.Between(-x.Shape.Length, x.Shape.Length - 1);
        int at = dim < 0 ? dim + x.Shape.Length : dim;
        long[] shape = [.. x.Shape.Select((s, i) => i == at ? d.Size() : d.Between(0, (int)s))];
        var src = d.Of(shape, type);
        var index = d.Whole(shape, DType.Int64, 0, x.Shape[at] - 1);
        return new Trial(
            $"ScatterReduce({dim}, sum)",
            [x, index, src],
            t => [t[0].ScatterReduce(dim, t[1], t[2], "sum")],
            t => [t[0].scatter_add(dim, t[1], t[2])]
        )
        {
            Terms = 18,
        };
    }

    // TorchSharp has no such function, so libtorch reduces, for each place, what goes there beside neutral numbers.
    private static Trial Slices(Draw d, string reduce)
    {
        var type = d.Pick(DType.Float32, DType.Float64);
        long places = d.Between(1, 6);
        long picked = d.Between(1, 9);
        var x = d.Of([places], type, tame: true);
        var src = d.Of([picked], type, tame: true);
        var index = d.Whole([picked], DType.Int64, 0, places - 1);
        bool self = d.Chance(0.5);
        double neutral = reduce switch
        {
            "prod" => 1,
            "mean" => 0,
            "amax" => double.NegativeInfinity,
            _ => double.PositiveInfinity,
        };
        return new Trial(
            $"ScatterReduce({reduce}, {self})",
            [x, index, src],
            t => [t[0].ScatterReduce(0, t[1], t[2], reduce, self)],
            t =>
            {
                var goes = t[1].unsqueeze(0).eq(torch.arange(places).unsqueeze(1));
                var none = goes.any(1).logical_not();
                var first = self ? torch.ones_like(none) : none;
                goes = torch.cat([first.unsqueeze(1), goes], 1);
                var all = torch.cat([t[0].unsqueeze(1), t[2].unsqueeze(0).expand(places, picked)], 1);
                var chosen = torch.where(goes, all, torch.full_like(all, neutral));
                return
                [
                    reduce switch
                    {
                        "prod" => chosen.prod(1),
                        "mean" => chosen.sum(1) / goes.sum(1),
                        "amax" => chosen.amax([1L]),
                        _ => chosen.amin([1L]),
                    },
                ];
            }
        )
        {
            Terms = 16,
            Degree = reduce == "prod" ? 10 : 1,
        };
    }

    private static Trial Unpool(Draw d, int rank)
    {
        long[] kernel = [.. Enumerable.Range(0, rank).Select(_ => (long)d.Between(1, 3))];
        bool given = d.Chance(0.6);
        // Where a size is not given, it is what windows cover. Windows do not overlap: of equal places any may assign.
        long[] size =
        [
            .. kernel.Select(k => k * d.Between(1, rank == 3 ? 2 : 4) + (given && d.Chance(0.3) ? k - 1 : 0)),
        ];
        var x = d.Of([d.Between(1, 2), d.Between(1, 3), .. size], d.Pick(DType.Float32, DType.Float64), tame: true);
        PerDimension Each(long[] numbers) => PerDimension.Of(numbers);
        return new Trial(
            $"MaxUnpool{rank}d({string.Join('x', kernel)}, {given})",
            [x],
            t =>
            {
                var (values, places) = rank switch
                {
                    1 => F.MaxPool1dWithIndices(t[0], Each(kernel)),
                    2 => F.MaxPool2dWithIndices(t[0], Each(kernel)),
                    _ => F.MaxPool3dWithIndices(t[0], Each(kernel)),
                };
                long[] to = given ? size : [];
                return
                [
                    rank switch
                    {
                        1 => F.MaxUnpool1d(values, places, Each(kernel), outputSize: to),
                        2 => F.MaxUnpool2d(values, places, Each(kernel), outputSize: to),
                        _ => F.MaxUnpool3d(values, places, Each(kernel), outputSize: to),
                    },
                ];
            },
            t =>
            {
                // TorchSharp loses the sizes of max_unpool, so what goes to which place is asked of pools and scatter.
                var (values, places) = rank switch
                {
                    1 => nn.functional.max_pool1d_with_indices(t[0], kernel[0], kernel[0]),
                    2 => nn.functional.max_pool2d_with_indices(t[0], kernel, kernel),
                    _ => nn.functional.max_pool3d_with_indices(t[0], kernel, kernel),
                };
                long[] planes = [.. t[0].shape[..2]];
                long area = size.Aggregate(1L, (n, s) => n * s);
                long[] whole = [.. planes, .. size];
                var zeros = torch.zeros([.. planes, area], t[0].dtype);
                return [zeros.scatter(-1, places.flatten(2), values.flatten(2)).reshape(whole)];
            }
        );
    }
}
