using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Covariances of the rows of a matrix, which are variables; of a vector the variance.</summary>
    /// <param name="correction">Taken off the number of observations.</param>
    /// <param name="fweights">How often each observation was made; integers.</param>
    /// <param name="aweights">What each counts for; not negative.</param>
    public Tensor Cov(long correction = 1, Tensor? fweights = null, Tensor? aweights = null)
    {
        if (Rank > 2 || DType == DType.Bool)
            throw new ArgumentException(
                $"cov: needs numbers of at most 2 dimensions, but the shape is {Layout} and the dtype {DType.Name()}."
            );
        var x = To(Promotion.Float(DType)).Atleast2d();
        long n = x.Layout.Sizes[1];
        Tensor? weights = null;
        foreach (var (given, name) in new[] { (fweights, "fweights"), (aweights, "aweights") })
        {
            if (given is null)
                continue;
            if (given.Rank > 1 || given.NumElements != n)
                throw new ArgumentException(
                    $"cov: {name} must have one weight for each of the {n} observations, but the shape is {given.Layout}."
                );
            if (ReferenceEquals(given, fweights) && given.DType.IsFloat())
                throw new ArgumentException($"cov: fweights must be integers, but the dtype is {given.DType.Name()}.");
            if (!given.Device.IsMeta && n > 0 && (given.Detach() < 0).Any().Item() != 0)
                throw new ArgumentException($"cov: {name} must not be negative.");
            var own = given.To(x.DType);
            weights = weights is null ? own : weights * own;
        }
        var total = weights is null ? Full([], n, x.DType, Device) : weights.Sum();
        var mean = (weights is null ? x : x * weights).Sum([1], keepdim: true) / total;
        var used =
            weights is null || aweights is null
                ? total - correction
                : total - correction * (weights * aweights.To(x.DType)).Sum() / total;
        var centered = x - mean;
        var weighted = weights is null ? centered : centered * weights;
        var result = weighted.MatMul(centered.T) / used.Clamp(min: 0);
        return Rank < 2 ? result.Reshape([]) : result.Squeeze();
    }

    /// <summary>Coefficients of correlation of the rows of a matrix.</summary>
    public Tensor Corrcoef()
    {
        var covariances = Cov();
        if (covariances.Rank == 0)
            return covariances / covariances;
        var deviations = covariances.Diagonal().Sqrt();
        return (covariances / deviations.Unsqueeze(1) / deviations.Unsqueeze(0)).Clamp(-1, 1);
    }

    /// <summary>Differences of neighbours along a dimension, n times.</summary>
    public Tensor Diff(int n = 1, int dim = -1, Tensor? prepend = null, Tensor? append = null)
    {
        int d = Layout.Dim(dim, "diff");
        if (Rank == 0 || n < 0)
            throw new ArgumentException(
                $"diff: needs at least one dimension and n of at least 0, but the shape is {Layout} and n is {n}."
            );
        var x = this;
        if (prepend is not null || append is not null)
            x = Cat([.. new[] { prepend, this, append }.OfType<Tensor>()], d);
        for (; n > 0; n--)
        {
            long size = x.Layout.Sizes[d];
            if (size == 0)
                return x;
            var (later, earlier) = (x.Narrow(d, 1, size - 1), x.Narrow(d, 0, size - 1));
            x = x.DType == DType.Bool ? later.LogicalXor(earlier) : later - earlier;
        }
        return x;
    }

    /// <summary>Slopes along dimensions (none named: all): differences of both neighbours, at the ends of one or two.</summary>
    /// <param name="spacing">Between neighbours.</param>
    /// <param name="dims">The dimensions; a result each.</param>
    /// <param name="edgeOrder">1 or 2: how exact the ends are.</param>
    public Tensor[] Gradient(double spacing = 1, ReadOnlySpan<int> dims = default, int edgeOrder = 1)
    {
        int[] along = dims.Length > 0 ? dims.ToArray() : [.. Enumerable.Range(0, Rank)];
        return [.. along.Select(d => Slopes(Layout.Dim(d, "gradient"), null, spacing, edgeOrder))];
    }

    /// <inheritdoc cref="Gradient(double, ReadOnlySpan{int}, int)"/>
    /// <param name="coordinates">Of the indices of each dimension; vectors.</param>
    /// <param name="dims">The dimensions; a result each.</param>
    /// <param name="edgeOrder">1 or 2: how exact the ends are.</param>
    public Tensor[] Gradient(ReadOnlySpan<Tensor> coordinates, ReadOnlySpan<int> dims = default, int edgeOrder = 1)
    {
        int[] along = dims.Length > 0 ? dims.ToArray() : [.. Enumerable.Range(0, Rank)];
        if (coordinates.Length != along.Length)
            throw new ArgumentException(
                $"gradient: {coordinates.Length} vectors of coordinates are given for {along.Length} dimensions."
            );
        var all = coordinates.ToArray();
        return [.. along.Select((d, i) => Slopes(Layout.Dim(d, "gradient"), all[i], 1, edgeOrder))];
    }

    private Tensor Slopes(int d, Tensor? at, double spacing, int edgeOrder)
    {
        var x = To(Promotion.Float(DType));
        long n = Rank == 0 ? 0 : Layout.Sizes[d];
        if (edgeOrder is not (1 or 2) || n < edgeOrder + 1)
            throw new ArgumentException(
                $"gradient: edgeOrder is {edgeOrder}, but must be 1 or 2, and dimension {d} of shape {Layout} needs {edgeOrder + 1} elements."
            );
        if (at is not null && (at.Rank != 1 || at.NumElements != n))
            throw new ArgumentException(
                $"gradient: coordinates of dimension {d} must be {n} numbers, but their shape is {at.Layout}."
            );
        long[] shape = [.. Enumerable.Repeat(1L, Rank)];
        shape[d] = n - 1;
        var steps = at is null ? Full(shape, spacing, x.DType, Device) : at.To(x.DType).Diff().Reshape(shape);
        Tensor Step(long from, long count) => steps.Narrow(d, from, count);
        Tensor Of(long from, long count) => x.Narrow(d, from, count);
        var parts = new List<Tensor>();
        Tensor First(long a, long step) => (Of(a + 1, 1) - Of(a, 1)) / Step(step, 1);
        // Of three points p, q, r with steps u and v.
        Tensor Second(long p, bool atStart)
        {
            var (u, v) = (Step(p, 1), Step(p + 1, 1));
            return atStart
                ? Of(p, 1) * (-(2 * u + v) / (u * (u + v)))
                    + Of(p + 1, 1) * ((u + v) / (u * v))
                    - Of(p + 2, 1) * (u / (v * (u + v)))
                : Of(p, 1) * (v / (u * (u + v)))
                    - Of(p + 1, 1) * ((u + v) / (u * v))
                    + Of(p + 2, 1) * ((u + 2 * v) / (v * (u + v)));
        }
        parts.Add(edgeOrder == 1 ? First(0, 0) : Second(0, true));
        if (n > 2)
        {
            var (u, v) = (Step(0, n - 2), Step(1, n - 2));
            parts.Add(
                at is null
                    ? (Of(2, n - 2) - Of(0, n - 2)) / (2 * spacing)
                    : Of(0, n - 2) * (-v / (u * (u + v)))
                        + Of(1, n - 2) * ((v - u) / (u * v))
                        + Of(2, n - 2) * (u / (v * (u + v)))
            );
        }
        parts.Add(edgeOrder == 1 ? First(n - 2, n - 2) : Second(n - 3, false));
        return Cat([.. parts], d);
    }

    /// <summary>The integral along a dimension by trapezoids of a width.</summary>
    public static Tensor Trapezoid(Tensor y, double dx = 1, int dim = -1) =>
        Pieces("trapezoid", y, null, dx, dim).Sum([dim]);

    /// <summary>The integral along a dimension by trapezoids between places.</summary>
    public static Tensor Trapezoid(Tensor y, Tensor x, int dim = -1) =>
        Pieces("trapezoid", y, Given(x), 1, dim).Sum([dim]);

    /// <inheritdoc cref="Trapezoid(Tensor, double, int)"/>
    public static Tensor Trapz(Tensor y, double dx = 1, int dim = -1) => Trapezoid(y, dx, dim);

    /// <inheritdoc cref="Trapezoid(Tensor, Tensor, int)"/>
    public static Tensor Trapz(Tensor y, Tensor x, int dim = -1) => Trapezoid(y, x, dim);

    /// <summary>Integrals up to each place.</summary>
    public static Tensor CumulativeTrapezoid(Tensor y, double dx = 1, int dim = -1) =>
        Pieces("cumulative_trapezoid", y, null, dx, dim).Cumsum(dim);

    /// <inheritdoc cref="CumulativeTrapezoid(Tensor, double, int)"/>
    public static Tensor CumulativeTrapezoid(Tensor y, Tensor x, int dim = -1) =>
        Pieces("cumulative_trapezoid", y, Given(x), 1, dim).Cumsum(dim);

    private static Tensor Pieces(string what, Tensor y, Tensor? x, double dx, int dim)
    {
        ArgumentNullException.ThrowIfNull(y);
        int d = y.Layout.Dim(dim, what);
        if (y.Rank == 0)
            throw new ArgumentException($"{what}: y must have a dimension, but it is a scalar.");
        long n = y.Layout.Sizes[d];
        var values = y.To(Promotion.Float(y.DType));
        if (n == 0)
            return values;
        var sums = values.Narrow(d, 1, n - 1) + values.Narrow(d, 0, n - 1);
        if (x is null)
            return sums * (dx / 2);
        if (x.Rank == 1 && x.NumElements == n)
        {
            long[] shape = [.. Enumerable.Repeat(1L, y.Rank)];
            shape[d] = n - 1;
            return sums * x.Diff().Reshape(shape) / 2;
        }
        return sums * x.Diff(1, d - y.Rank) / 2;
    }

    /// <summary>Slices along a dimension whose p-norm is above a number scaled down to it.</summary>
    public Tensor Renorm(double p, int dim, double maxnorm)
    {
        RequireFloat("renorm");
        int d = Layout.Dim(dim, "renorm");
        if (Rank < 2 || p <= 0 || maxnorm < 0)
            throw new ArgumentException(
                $"renorm: needs two dimensions, p above 0 and maxnorm of at least 0, but the shape is {Layout}, p is {p} and maxnorm {maxnorm}."
            );
        int[] others = [.. Enumerable.Range(0, Rank).Where(i => i != d)];
        var norms = Norm(p, others, keepdim: true);
        return this * Where(norms > maxnorm, maxnorm / (norms + 1e-7), OnesLike(norms));
    }

    /// <summary>Which elements are among others.</summary>
    /// <param name="elements">What is looked for.</param>
    /// <param name="testElements">Where.</param>
    /// <param name="assumeUnique">Makes no difference.</param>
    /// <param name="invert">Which are not.</param>
    public static Tensor IsIn(Tensor elements, Tensor testElements, bool assumeUnique = false, bool invert = false)
    {
        ArgumentNullException.ThrowIfNull(elements);
        ArgumentNullException.ThrowIfNull(testElements);
        using var off = NoGrad();
        var type = DTypeInfo.Join(elements.DType, testElements.DType);
        if (type == DType.Bool)
            type = DType.UInt8;
        Tensor found;
        if (testElements.NumElements == 0 || elements.NumElements == 0)
            found = Zeros(elements.Shape, DType.Bool, elements.Device);
        else
        {
            var sorted = testElements.To(type).Flatten().Sort().Values;
            var x = elements.To(type).Reshape(-1);
            var at = SearchSorted(sorted, x).Clamp(max: sorted.NumElements - 1);
            found = sorted.IndexSelect(0, at).Eq(x).Reshape(elements.Shape);
        }
        return invert ? found.LogicalNot() : found;
    }

    /// <inheritdoc cref="IsIn(Tensor, Tensor, bool, bool)"/>
    public static Tensor IsIn(Tensor elements, Scalar testElement, bool invert = false) =>
        invert ? Given(elements).Ne(testElement) : Given(elements).Eq(testElement);

    /// <summary>How many elements, or of which weight, lie between edges at equal distances; and the edges. Those outside do not count.</summary>
    /// <param name="bins">How many.</param>
    /// <param name="range">First and last edge; the least and greatest element unless given.</param>
    /// <param name="weight">Of each element.</param>
    /// <param name="density">Whether the area is 1.</param>
    public (Tensor Hist, Tensor BinEdges) Histogram(
        long bins,
        (double Min, double Max)? range = null,
        Tensor? weight = null,
        bool density = false
    )
    {
        RequireFloat("histogram");
        if (bins < 1)
            throw new ArgumentException($"histogram: bins is {bins}, but must be at least 1.");
        var (least, most) = range ?? (NumElements == 0 ? (0, 0) : (Detach().Min().Item(), Detach().Max().Item()));
        if (!double.IsFinite(least) || !double.IsFinite(most) || least > most)
            throw new ArgumentException($"histogram: the range from {least} to {most} is not finite.");
        if (least == most)
            (least, most) = range is null && NumElements == 0 ? (0, 1) : (least - 0.5, most + 0.5);
        return Histogram(Linspace(least, most, bins + 1, DType, Device), weight, density);
    }

    /// <inheritdoc cref="Histogram(long, ValueTuple{double, double}?, Tensor?, bool)"/>
    /// <param name="bins">The edges, ascending.</param>
    /// <param name="weight">Of each element.</param>
    /// <param name="density">Whether the area is 1.</param>
    public (Tensor Hist, Tensor BinEdges) Histogram(Tensor bins, Tensor? weight = null, bool density = false)
    {
        RequireFloat("histogram");
        ArgumentNullException.ThrowIfNull(bins);
        if (bins.Rank != 1 || bins.NumElements < 2 || bins.DType != DType)
            throw new ArgumentException(
                $"histogram: edges must be a vector of 2 or more of the dtype {DType.Name()}, but the shape is {bins.Layout} and the dtype {bins.DType.Name()}."
            );
        if (weight is not null && (!weight.Layout.SameSizes(Layout) || weight.DType != DType))
            throw new ArgumentException(
                $"histogram: weights must have the shape {Layout} and dtype {DType.Name()}, but the shape is {weight.Layout} and the dtype {weight.DType.Name()}."
            );
        using var off = NoGrad();
        long count = bins.NumElements - 1;
        var x = Reshape(NumElements);
        var place = SearchSorted(bins, x, right: true) - 1;
        place = Where(x.Eq(bins.Narrow(0, count, 1)), Full([], count - 1, DType.Int64, Device), place);
        var inside = (place >= 0) & (place < count);
        var weights = (weight?.Reshape(NumElements) ?? OnesLike(x)).To(DType.Float64);
        var hist = place.MaskedSelect(inside).Bincount(weights.MaskedSelect(inside), count).To(DType);
        if (density)
            hist = hist / (hist.Sum() * bins.Diff());
        return (hist, bins);
    }
}
