using TorchSharp;
using static TorchSharp.torch;

namespace Picograd.Compare.Cases;

/// <summary>Reductions, scans and functions along a dimension.</summary>
internal static class ReductionCases
{
    public static IEnumerable<Subject> All => [.. Whole(), .. OfOneDimension(), .. OfSeveral(), .. Along()];

    private static IEnumerable<Subject> Whole()
    {
        yield return One("Sum", x => x.Sum(), x => x.sum());
        yield return One("Mean", x => x.Mean(), x => x.mean());
        yield return One("Prod", x => x.Prod(), x => x.prod());
        yield return One("Max", x => x.Max(), x => x.max());
        yield return One("Min", x => x.Min(), x => x.min());
        yield return One("ArgMax", x => x.ArgMax(), x => x.argmax());
        yield return One("ArgMin", x => x.ArgMin(), x => x.argmin());
        yield return One("Any", x => x.Any(), x => x.any());
        yield return One("All", x => x.All(), x => x.all());
        yield return One("Var", x => x.Var(), x => x.var());
        yield return One("Std", x => x.Std(), x => x.std());
        foreach (var (type, there) in ElementwiseCases.Types)
            yield return One($"Sum {type}", x => x.Sum(type), x => x.sum(there));
    }

    private static IEnumerable<Subject> OfOneDimension()
    {
        yield return Dim("Sum", (x, dim, keep) => [x.Sum(dim, keep)], (x, dim, keep) => [x.sum(dim, keep)]);
        yield return Dim("Mean", (x, dim, keep) => [x.Mean(dim, keep)], (x, dim, keep) => [x.mean([dim], keep)]);
        yield return Dim("Prod", (x, dim, keep) => [x.Prod(dim, keep)], (x, dim, keep) => [x.prod(dim, keep)]);
        yield return Dim("Max", (x, dim, keep) => Both(x.Max(dim, keep)), (x, dim, keep) => Both(x.max(dim, keep)));
        yield return Dim("Min", (x, dim, keep) => Both(x.Min(dim, keep)), (x, dim, keep) => Both(x.min(dim, keep)));
        yield return Dim("ArgMax", (x, dim, keep) => [x.ArgMax(dim, keep)], (x, dim, keep) => [x.argmax(dim, keep)]);
        yield return Dim("ArgMin", (x, dim, keep) => [x.ArgMin(dim, keep)], (x, dim, keep) => [x.argmin(dim, keep)]);
        yield return Dim("Any", (x, dim, keep) => [x.Any(dim, keep)], (x, dim, keep) => [x.any(dim, keep)]);
        yield return Dim("All", (x, dim, keep) => [x.All(dim, keep)], (x, dim, keep) => [x.all(dim, keep)]);
        yield return Dim(
            "LogSumExp",
            (x, dim, keep) => [x.LogSumExp(dim, keep)],
            (x, dim, keep) => [torch.logsumexp(x, dim, keep)]
        );
        yield return Dim(
            "Var",
            (x, dim, keep) => [x.Var(dim, keepdim: keep)],
            (x, dim, keep) => [x.var((long)dim, true, keep)]
        );
        yield return Dim(
            "Std, biased",
            (x, dim, keep) => [x.Std(dim, 0, keep)],
            (x, dim, keep) => [x.std((long)dim, false, keep)]
        );
    }

    private static IEnumerable<Subject> OfSeveral()
    {
        yield return Dims("Sum", (x, dims, keep) => x.Sum(dims, keep), (x, dims, keep) => x.sum(dims, keep));
        yield return Dims("Mean", (x, dims, keep) => x.Mean(dims, keep), (x, dims, keep) => x.mean(dims, keep));
        yield return Dims("Amax", (x, dims, keep) => x.Amax(dims, keep), (x, dims, keep) => x.amax(dims, keep));
        yield return Dims("Amin", (x, dims, keep) => x.Amin(dims, keep), (x, dims, keep) => x.amin(dims, keep));
        yield return Dims("Var", (x, dims, keep) => x.Var(dims, 1, keep), (x, dims, keep) => x.var(dims, true, keep));
    }

    private static IEnumerable<Subject> Along()
    {
        yield return Dim("Softmax", (x, dim, _) => [x.Softmax(dim)], (x, dim, _) => [x.softmax(dim)]);
        yield return Dim("LogSoftmax", (x, dim, _) => [x.LogSoftmax(dim)], (x, dim, _) => [x.log_softmax(dim)]);
        yield return Dim("Cumsum", (x, dim, _) => [x.Cumsum(dim)], (x, dim, _) => [x.cumsum(dim)]);
        yield return Dim(
            "Cumsum Float64",
            (x, dim, _) => [x.Cumsum(dim, DType.Float64)],
            (x, dim, _) => [x.cumsum(dim, ScalarType.Float64)]
        );
    }

    private static Tensor[] Both((Tensor Values, Tensor Indices) of) => [of.Values, of.Indices];

    private static TorchTensor[] Both((TorchTensor Values, TorchTensor Indices) of) => [of.Values, of.Indices];

    private static Subject One(string name, Func<Tensor, Tensor> ours, Func<TorchTensor, TorchTensor> theirs) =>
        new(
            name,
            d =>
            {
                var x = Drawn(d, name, 0);
                return Trial.One(name, x, ours, theirs) with { Terms = Terms(x), Degree = DegreeOf(name, x) };
            }
        );

    private static Subject Dim(
        string name,
        Func<Tensor, int, bool, Tensor[]> ours,
        Func<TorchTensor, int, bool, TorchTensor[]> theirs
    ) =>
        new(
            $"{name}(dim)",
            d =>
            {
                var x = Drawn(d, name, 0);
                int dim = d.Dim(x.Shape.Length);
                if (OnlyFloats(name))
                    dim = Math.Clamp(dim, -x.Shape.Length, Math.Max(x.Shape.Length - 1, 0));
                bool keep = d.Chance(0.4);
                return new Trial(
                    $"{name}({dim}, {keep})",
                    [x],
                    t => ours(t[0], dim, keep),
                    t => theirs(t[0], dim, keep)
                )
                {
                    Terms = Terms(x),
                    Degree = DegreeOf(name, x),
                };
            }
        );

    private static Subject Dims(
        string name,
        Func<Tensor, int[], bool, Tensor> ours,
        Func<TorchTensor, long[], bool, TorchTensor> theirs
    ) =>
        new(
            $"{name}(dims)",
            d =>
            {
                var x = Drawn(d, name, 1);
                int[] dims = d.Dims(x.Shape.Length);
                if (OnlyFloats(name))
                    dims = [.. dims.DistinctBy(i => i < 0 ? i + x.Shape.Length : i)];
                bool keep = d.Chance(0.4);
                return Trial.One(
                    $"{name}([{string.Join(',', dims)}], {keep})",
                    x,
                    t => ours(t, dims, keep),
                    t => theirs(t, Array.ConvertAll(dims, i => (long)i), keep)
                ) with
                {
                    Terms = Terms(x),
                    Degree = DegreeOf(name, x),
                };
            }
        );

    /// <summary>TorchSharp lets an error of var and std end the process, so only what is legal is asked.</summary>
    private static bool OnlyFloats(string name) => name.StartsWith("Var") || name.StartsWith("Std");

    private static Sample Drawn(Draw d, string name, int rank) =>
        OnlyFloats(name) ? d.Float(d.Shape(rank)) : d.Any(d.Shape(rank));

    private static long Terms(Sample x) => Math.Max(2, x.Shape.Aggregate(1L, (n, d) => n * d));

    private static int DegreeOf(string name, Sample x) =>
        name.StartsWith("Var") ? 2
        : name.StartsWith("Prod") ? 0
        : 1;
}
