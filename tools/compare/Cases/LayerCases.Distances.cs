using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

// Distances between rows, and losses of them.
internal static partial class LayerCases
{
    private static IEnumerable<Subject> Distances()
    {
        yield return new(
            "CosineSimilarity",
            d =>
            {
                var shape = d.Shape(1, 3);
                int dim = d.Dim(shape.Length);
                var type = d.FloatType();
                return Trial.Two(
                    $"CosineSimilarity({dim})",
                    d.Of(shape, type, tame: true),
                    d.Of(d.Beside(shape), type, tame: true),
                    (a, b) => F.CosineSimilarity(a, b, dim),
                    (a, b) => Functional.cosine_similarity(a, b, dim)
                ) with
                {
                    Terms = 4096,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "PairwiseDistance",
            d =>
            {
                var shape = d.Shape(1, 3);
                var (p, keep) = (d.Pick<double>(2, 1, 3), d.Chance(0.3));
                var type = d.FloatType();
                return Trial.Two(
                    $"PairwiseDistance({p}, {keep})",
                    d.Of(shape, type, tame: true),
                    d.Of(shape, type, tame: true),
                    (a, b) => F.PairwiseDistance(a, b, p, 1e-6, keep),
                    (a, b) => Functional.pairwise_distance(a, b, p, 1e-6, keep)
                ) with
                {
                    Terms = 4096,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "Normalize",
            d =>
            {
                var shape = d.Shape(1, 3);
                var (p, dim) = (d.Pick<double>(2, 1, 3), d.Dim(shape.Length));
                return Trial.One(
                    $"Normalize({p}, {dim})",
                    d.Of(shape, d.FloatType(), tame: true),
                    x => F.Normalize(x, p, dim),
                    x => Functional.normalize(x, p, dim)
                ) with
                {
                    Terms = 4096,
                    Degree = 2,
                };
            }
        );
        yield return new(
            "CosineEmbeddingLoss",
            d =>
            {
                var (ours, theirs, text) = How(d);
                long[] rows = d.Chance(0.3) ? [] : [d.Between(1, 5)];
                var type = d.FloatType();
                long[] shape = [.. rows, d.Between(1, 5)];
                double margin = d.Pick(0, 0.3);
                return new Trial(
                    $"CosineEmbeddingLoss({text}, {margin})",
                    [d.Of(shape, type, tame: true), d.Of(shape, type, tame: true), Signs(d, rows, type)],
                    t => [F.CosineEmbeddingLoss(t[0], t[1], t[2].Detach(), margin, ours)],
                    t => [Functional.cosine_embedding_loss(t[0], t[1], t[2].detach(), margin, theirs)]
                )
                {
                    Terms = 4096,
                    Degree = 3,
                };
            }
        );
        yield return new(
            "TripletMarginLoss",
            d =>
            {
                var (ours, theirs, text) = How(d);
                long[] shape = d.Shape(1, 3);
                var type = d.FloatType();
                var (margin, p, swap) = (d.Pick(1, 0.3), d.Between(1, 2), d.Chance(0.5));
                return new Trial(
                    $"TripletMarginLoss({text}, {margin}, {p}, {swap})",
                    [d.Of(shape, type, tame: true), d.Of(shape, type, tame: true), d.Of(shape, type, tame: true)],
                    t => [F.TripletMarginLoss(t[0], t[1], t[2], margin, p, 1e-6, swap, ours)],
                    t => [Functional.triplet_margin_loss(t[0], t[1], t[2], margin, p, 1e-6, swap, theirs)]
                )
                {
                    Terms = 4096,
                    Degree = 2,
                };
            }
        );
    }

    private static Trial Ctc(Draw d)
    {
        var (ours, theirs, text) = How(d);
        var (t, n, c) = (d.Between(1, 9), d.Between(1, 4), d.Between(2, 5));
        int most = d.Between(1, 4);
        bool zero = d.Chance(0.7);
        var type = d.Pick(DType.Float32, DType.Float64);
        long[] steps = [.. Enumerable.Range(0, n).Select(_ => (long)d.Between(1, t))];
        long[] lengths = [.. Enumerable.Range(0, n).Select(_ => (long)d.Between(0, most))];
        return new Trial(
            $"CtcLoss({text}, {zero}; {string.Join(',', steps)}; {string.Join(',', lengths)})",
            [d.Of([t, n, c], type, tame: true), d.Whole([n, most], DType.Int64, 1, c - 1)],
            s =>
                [
                    F.CtcLoss(
                        s[0].LogSoftmax(-1),
                        s[1],
                        Tensor.From<long>(steps),
                        Tensor.From<long>(lengths),
                        0,
                        ours,
                        zero
                    ),
                ],
            s =>
                [
                    Functional.ctc_loss(
                        s[0].log_softmax(-1),
                        s[1],
                        torch.tensor(steps),
                        torch.tensor(lengths),
                        0,
                        zero,
                        theirs
                    ),
                ]
        )
        {
            Terms = 4096,
        };
    }
}
