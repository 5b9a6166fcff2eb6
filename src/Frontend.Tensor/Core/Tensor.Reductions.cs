using System.Numerics;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Calls;
using Picograd.Gradients;
using Reduction = Picograd.Calls.Reduction;

namespace Picograd;

public sealed partial class Tensor
{
    private static readonly Operator CumsumOperator = new("cumsum", derives: true);

    // Down the rows of a matrix.
    private static readonly Operator CumsumDown = new("cumsum", "axis=0", derives: true);

    /// <summary>The sum of all elements; of integers and bools in int64, unless a dtype is given.</summary>
    public Tensor Sum(DType? dtype = null) => Sum(default(ReadOnlySpan<int>), false, dtype);

    /// <summary>Sums along one dimension, which stays with size 1 if <paramref name="keepdim"/>.</summary>
    public Tensor Sum(int dim, bool keepdim = false, DType? dtype = null) =>
        Summable(dtype, "sum").Reduce(ReductionFunctions.Sum, [dim], keepdim);

    /// <summary>Sums over some dimensions; none named means all.</summary>
    public Tensor Sum(ReadOnlySpan<int> dims, bool keepdim = false, DType? dtype = null) =>
        Summable(dtype, "sum").Reduce(ReductionFunctions.Sum, dims, keepdim);

    /// <summary>The mean of all elements, which must be floats unless a float dtype is given.</summary>
    public Tensor Mean(DType? dtype = null) => Averaged(dtype).Reduce(ReductionFunctions.Mean, [], false);

    /// <inheritdoc cref="Sum(int, bool, DType?)"/>
    public Tensor Mean(int dim, bool keepdim = false, DType? dtype = null) =>
        Averaged(dtype).Reduce(ReductionFunctions.Mean, [dim], keepdim);

    /// <inheritdoc cref="Sum(ReadOnlySpan{int}, bool, DType?)"/>
    public Tensor Mean(ReadOnlySpan<int> dims, bool keepdim = false, DType? dtype = null) =>
        Averaged(dtype).Reduce(ReductionFunctions.Mean, dims, keepdim);

    /// <summary>The variance over some dimensions (none named: all): Σ (x − mean)² / (count − correction).</summary>
    public Tensor Var(ReadOnlySpan<int> dims = default, long correction = 1, bool keepdim = false) =>
        Spread("var", ReductionFunctions.Deviation, dims, correction, keepdim);

    /// <inheritdoc cref="Var(ReadOnlySpan{int}, long, bool)"/>
    public Tensor Var(int dim, long correction = 1, bool keepdim = false) => Var([dim], correction, keepdim);

    /// <summary>The square root of <see cref="Var(ReadOnlySpan{int}, long, bool)"/>.</summary>
    public Tensor Std(ReadOnlySpan<int> dims = default, long correction = 1, bool keepdim = false) =>
        Spread("std", ReductionFunctions.RootDeviation, dims, correction, keepdim);

    /// <inheritdoc cref="Std(ReadOnlySpan{int}, long, bool)"/>
    public Tensor Std(int dim, long correction = 1, bool keepdim = false) => Std([dim], correction, keepdim);

    /// <summary>The product of all elements; of integers and bools in int64, unless a dtype is given.</summary>
    public Tensor Prod(DType? dtype = null) => Summable(dtype, "prod").ReduceAll(ReductionFunctions.Prod);

    /// <inheritdoc cref="Sum(int, bool, DType?)"/>
    public Tensor Prod(int dim, bool keepdim = false, DType? dtype = null) =>
        Summable(dtype, "prod").Reduce(ReductionFunctions.Prod, [dim], keepdim);

    /// <summary>The largest element; NaN if there is one.</summary>
    public Tensor Max() => ReduceAll(ReductionFunctions.MaxOfAll);

    /// <summary>The smallest element; NaN if there is one.</summary>
    public Tensor Min() => ReduceAll(ReductionFunctions.MinOfAll);

    /// <inheritdoc cref="Maximum(Tensor)"/>
    public Tensor Max(Tensor other) => Maximum(Given(other));

    /// <inheritdoc cref="Minimum(Tensor)"/>
    public Tensor Min(Tensor other) => Minimum(Given(other));

    /// <summary>Largest elements along a dimension and their places (int64), of equals the first.</summary>
    public (Tensor Values, Tensor Indices) Max(int dim, bool keepdim = false) =>
        Extreme(ReductionFunctions.ArgMax, dim, keepdim);

    /// <summary>Smallest elements along a dimension and their places (int64), of equals the first.</summary>
    public (Tensor Values, Tensor Indices) Min(int dim, bool keepdim = false) =>
        Extreme(ReductionFunctions.ArgMin, dim, keepdim);

    /// <summary>Largest elements over some dimensions (none named: all); equal ones share the gradient.</summary>
    public Tensor Amax(ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        Reduce(ReductionFunctions.Max, dims, keepdim);

    /// <inheritdoc cref="Amax(ReadOnlySpan{int}, bool)"/>
    public Tensor Amax(int dim, bool keepdim = false) => Reduce(ReductionFunctions.Max, [dim], keepdim);

    /// <summary>Smallest elements over some dimensions (none named: all); equal ones share the gradient.</summary>
    public Tensor Amin(ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        Reduce(ReductionFunctions.Min, dims, keepdim);

    /// <inheritdoc cref="Amin(ReadOnlySpan{int}, bool)"/>
    public Tensor Amin(int dim, bool keepdim = false) => Reduce(ReductionFunctions.Min, [dim], keepdim);

    /// <summary>log Σ eˣ over some dimensions (none named: all), for large x too; integers and bools give float32.</summary>
    public Tensor LogSumExp(ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        (DType.IsFloat() ? Taken(null, "logsumexp") : To(DType.Float32)).Reduce(
            ReductionFunctions.LogSumExp,
            dims,
            keepdim
        );

    /// <inheritdoc cref="LogSumExp(ReadOnlySpan{int}, bool)"/>
    public Tensor LogSumExp(int dim, bool keepdim = false) => LogSumExp([dim], keepdim);

    /// <summary>Place of the largest element in row-major order (no dim), or places along a dimension; int64.</summary>
    public Tensor ArgMax(int? dim = null, bool keepdim = false) => PlaceOf(ReductionFunctions.ArgMax, dim, keepdim);

    /// <summary>Place of the smallest element in row-major order (no dim), or places along a dimension; int64.</summary>
    public Tensor ArgMin(int? dim = null, bool keepdim = false) => PlaceOf(ReductionFunctions.ArgMin, dim, keepdim);

    /// <summary>
    /// Whether any element is not zero, over some dimensions (none named: all). Bool, of uint8 in uint8, as in PyTorch.
    /// </summary>
    public Tensor Any(ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        Truth(ReductionFunctions.Any, dims, keepdim);

    /// <inheritdoc cref="Any(ReadOnlySpan{int}, bool)"/>
    public Tensor Any(int dim, bool keepdim = false) => Truth(ReductionFunctions.Any, [dim], keepdim);

    /// <summary>
    /// Whether no element is zero, over some dimensions (none named: all). Bool, of uint8 in uint8, as in PyTorch.
    /// </summary>
    public Tensor All(ReadOnlySpan<int> dims = default, bool keepdim = false) =>
        Truth(ReductionFunctions.All, dims, keepdim);

    /// <inheritdoc cref="All(ReadOnlySpan{int}, bool)"/>
    public Tensor All(int dim, bool keepdim = false) => Truth(ReductionFunctions.All, [dim], keepdim);

    /// <summary>Inclusive running sums along a dimension; of integers and bools in int64, unless a dtype is given.</summary>
    public Tensor Cumsum(int dim, DType? dtype = null)
    {
        int d = Layout.Dim(dim, "Cumsum");
        if (dtype == DType.Bool)
            throw new ArgumentException("Cumsum: dtype is bool, in which there are no running sums; take a number's.");
        var input = Summable(dtype, "cumsum");
        if (input.DType == DType.UInt8)
            return Operator.Cast(Cumsum(dim, DType.Int32), DType.UInt8);
        if (Rank == 0)
            return input.Clone();
        if (d == 0 && Rank == 2)
            return CumsumDown.Recorded(input);
        if (d != Rank - 1)
            return input.Transpose(d, -1).Cumsum(-1).Transpose(d, -1).Contiguous();
        return CumsumOperator.Recorded(input);
    }

    /// <summary>Summed so that it has a shape which broadcasts to this one's.</summary>
    internal Tensor SumTo(Layout shape)
    {
        int added = Rank - shape.Rank;
        uint over = 0;
        for (int d = 0; d < Rank; d++)
        {
            if (d < added || (shape.Sizes[d - added] == 1 && Layout.Sizes[d] != 1))
                over |= 1u << d;
        }
        return Reduce(ReductionFunctions.Sum, over, shape.Sizes);
    }

    /// <summary>Reduced to sizes of the same rank, in which the reduced ones are 1.</summary>
    internal Tensor ReduceTo(Reduction reduction, long[] sizes)
    {
        uint over = 0;
        for (int d = 0; d < Rank; d++)
        {
            if (sizes[d] == 1)
                over |= 1u << d;
        }
        return Reduce(reduction, over, sizes);
    }

    private Tensor Reduce(Reduction reduction, ReadOnlySpan<int> dims, bool keepdim)
    {
        uint over = Mask(dims, reduction.Name);
        return Reduce(reduction, over, Kept(over, keepdim));
    }

    private Tensor ReduceAll(Reduction reduction) =>
        Reduce(reduction, Mask([], reduction.Name), [], reduction.RuleOfAll);

    private Tensor Reduce(Reduction reduction, uint over, long[] kept, Rule? rule = null)
    {
        if (DType == DType.UInt8)
            return Operator.Cast(Operator.Cast(this, DType.Int32).Reduce(reduction, over, kept), DType);
        if (DType == DType.Bool && reduction.Function.InBools is { } ofBools && NumElements > 0)
            return Reduce(ofBools, over, kept);
        if (Rank > Broadcasting.MaxDims && OpCall.ReducedDims(Layout, over) > Broadcasting.MaxDims)
            return ReducedLast(over).Reduce(reduction, 2, [Layout.Contiguous(kept).Count], rule).ReshapeTo(kept);
        Tensor result;
        if (NumElements > 0)
        {
            result = reduction.Reduce(this, over, kept);
        }
        else
        {
            result = Allocate(Layout.Contiguous(kept), DType, Runtime);
            bool overNothing = false;
            for (int d = 0; d < Rank; d++)
                overNothing |= (over >> d & 1) != 0 && Layout.Sizes[d] == 0;
            if (overNothing && reduction.Function.OverNothing is null)
                throw new ArgumentException(
                    $"{reduction.Name}: a dimension of size 0 of shape {Layout} has no {reduction.Name}; reduce others, or none."
                );
            Operator.Fill(result, reduction.Function.OverNothing ?? 0);
        }
        if (Records(this) && (rule ?? reduction.Rule) is { } recorded)
            result.Record(recorded, this).I = over;
        return result;
    }

    // A matrix: the dimensions that stay together, and those that are reduced.
    private Tensor ReducedLast(uint over)
    {
        Span<int> order = stackalloc int[Rank];
        int at = 0;
        for (uint reduced = 0; reduced <= 1; reduced++)
        {
            for (int d = 0; d < Rank; d++)
            {
                if ((over >> d & 1) == reduced)
                    order[at++] = d;
            }
        }
        var moved = Permute(order);
        long inner = moved.Layout.Product(Rank - BitOperations.PopCount(over), Rank);
        return moved.Reshape(inner == 0 ? 0 : NumElements / inner, inner);
    }

    private (Tensor Values, Tensor Indices) Extreme(Reduction reduction, int dim, bool keepdim)
    {
        int d = Layout.Dim(dim, reduction.Name);
        if (DType is DType.UInt8 or DType.Bool)
        {
            var (wide, places) = Operator.Cast(this, DType.Int32).Extreme(reduction, dim, keepdim);
            return (wide.To(DType), places);
        }
        if (Rank == 0)
            return (Clone(), Zeros([], DType.Int64, Device));
        uint over = 1u << d;
        long[] kept = Kept(over, keepdim);
        if (Layout.Sizes[d] == 0)
            throw new ArgumentException(
                $"{reduction.Name}: dimension {dim} of shape {Layout} has size 0, so it has no {reduction.Name}."
            );
        if (NumElements == 0)
            // A sum of nothing, for the history.
            return (Reduce(ReductionFunctions.Sum, over, kept), Empty(kept, DType.Int64, Device));
        var (values, indices) = reduction.Extreme(this, d, kept);
        if (Records(this))
        {
            reduction.Record([this], [values, indices], Layout, over);
        }
        return (values, indices);
    }

    // Squares of deviations, or their root, over the number of elements less a correction, or over its root.
    private Tensor Spread(string what, Reduction reduction, ReadOnlySpan<int> dims, long correction, bool keepdim)
    {
        uint over = Mask(dims, what);
        double count = 1;
        for (int d = 0; d < Rank; d++)
            count *= (over >> d & 1) != 0 ? Layout.Sizes[d] : 1;
        double degrees = Math.Max(0, count - correction);
        // Without a degree of freedom there is neither a result nor a slope.
        if (degrees == 0 && reduction.Name == "root_deviation")
            return Spread(what, ReductionFunctions.Deviation, dims, correction, keepdim).Sqrt();
        var sum = RequireFloat(what).To(DType.Compute()).Reduce(reduction, over, Kept(over, keepdim));
        return (sum / (reduction.Name == "deviation" ? degrees : Math.Sqrt(degrees))).To(DType);
    }

    private uint Mask(ReadOnlySpan<int> dims, string what)
    {
        if (dims.IsEmpty)
            return Rank == 0 ? 0 : uint.MaxValue >> (32 - Rank);
        uint mask = 0;
        foreach (int dim in dims)
        {
            int d = Layout.Dim(dim, what);
            if ((mask & (1u << d)) != 0)
                throw new ArgumentException($"{what}: dimension {dim} is given twice.");
            mask |= 1u << d;
        }
        return mask;
    }

    private long[] Kept(uint over, bool keepdim)
    {
        if (keepdim)
        {
            long[] sizes = [.. Layout.Sizes];
            for (int d = 0; d < sizes.Length; d++)
            {
                if ((over >> d & 1) != 0)
                    sizes[d] = 1;
            }
            return sizes;
        }
        int left = Rank - BitOperations.PopCount(over & (Rank == 0 ? 0 : uint.MaxValue >> (32 - Rank)));
        long[] kept = left == 0 ? [] : new long[left];
        for (int d = 0, at = 0; d < Rank; d++)
        {
            if ((over >> d & 1) == 0)
                kept[at++] = Layout.Sizes[d];
        }
        return kept;
    }

    private Tensor Truth(Reduction reduction, ReadOnlySpan<int> dims, bool keepdim)
    {
        var result = ToBool().Reduce(reduction, dims, keepdim);
        return DType == DType.UInt8 ? result.To(DType.UInt8) : result;
    }

    // With keepdim and no dimension named, every dimension stays with size 1.
    private Tensor PlaceOf(Reduction reduction, int? dim, bool keepdim)
    {
        RequireNumbers(reduction.Name, DType);
        if (dim is { } d)
            return Extreme(reduction, d, keepdim).Indices;
        var place = Flatten().Extreme(reduction, 0, false).Indices;
        return keepdim ? place.ReshapeTo(Kept(uint.MaxValue, keepdim: true)) : place;
    }

    private Tensor Summable(DType? dtype, string function)
    {
        if (dtype is not { } type)
            return DType.IsFloat() ? Taken(null, function) : To(DType.Int64);
        return To(type);
    }

    private Tensor Averaged(DType? dtype) => (dtype is { } type ? To(type) : this).RequireFloat("Mean");

    internal Tensor RequireFloat(string what) =>
        DType.IsFloat()
            ? this
            : throw new ArgumentException(
                $"{what}: needs a float tensor, but this one is {DType.Name()}; convert it with To(DType.Float32)."
            );
}
