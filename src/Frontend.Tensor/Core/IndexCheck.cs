using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

/// <summary>
/// Indices must be in range before a kernel reads through them: kernels do not check. Looking at them is not arithmetic,
/// so it is done here and not by an operator.
/// </summary>
internal static class IndexCheck
{
    /// <summary>The indices as dense int64 within [0, limit); negative ones count from the end where allowed.</summary>
    /// <exception cref="ArgumentException">Not of integers.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is out of range; names it and its place.</exception>
    public static Tensor Places(string what, Tensor indices, long limit, bool wrap)
    {
        var dense = Scan(what, indices, limit, wrap, null, out bool negative);
        return negative ? Tensor.Where(dense < 0, dense + limit, dense) : dense;
    }

    /// <summary>
    /// The indices as dense int64 within [0, limit), where one number, which need not be in range, marks what is ignored: there
    /// the result is 0 and <paramref name="ignored"/>, null where there is none, true.
    /// </summary>
    /// <exception cref="ArgumentException">Not of integers.</exception>
    /// <exception cref="IndexOutOfRangeException">An index is out of range; names it and its place.</exception>
    public static Tensor Places(string what, Tensor indices, long limit, long ignore, out Tensor? ignored)
    {
        var dense = Scan(what, indices, limit, wrap: false, ignore, out bool any);
        ignored = any ? dense.Eq(ignore) : null;
        return ignored is null ? dense : Tensor.Where(ignored, 0, dense);
    }

    // Found: whether there is an index that counts from the end, or one that is ignored.
    private static Tensor Scan(string what, Tensor indices, long limit, bool wrap, long? ignore, out bool found)
    {
        if (!indices.DType.IsPlaces())
            throw new ArgumentException(
                $"{what}: indices must be int64 (or int32, uint8), but they are {indices.DType.Name()}."
            );
        var dense = (indices.DType == DType.Int64 ? indices : Operator.Cast(indices, DType.Int64)).Contiguous();
        found = false;
        // There is nothing to look at.
        if (dense.Device.IsMeta)
            return dense;
        Executor.Listening?.Scans(dense, new IndexScan(what, limit, wrap, ignore));
        var here = dense.OnCpu();
        found = Look(here.Address, here.NumElements, what, limit, wrap, ignore, indices.Layout);
        GC.KeepAlive(here);
        return dense;
    }

    /// <summary>Looks at dense indices in main memory. Returns whether there is one that counts from the end, or one that is ignored.</summary>
    /// <exception cref="IndexOutOfRangeException">An index is out of range; names it and its place.</exception>
    public static unsafe bool Look(
        nint indices,
        long count,
        string what,
        long limit,
        bool wrap,
        long? ignore,
        Layout shape
    )
    {
        bool found = false;
        long skip = ignore ?? long.MinValue;
        long* given = (long*)indices;
        for (long at = 0; at < count; at++)
        {
            long index = given[at];
            if ((ulong)index >= (ulong)limit || index == skip)
            {
                if (index != ignore && (!wrap || index >= limit || index < -limit))
                    throw new IndexOutOfRangeException(
                        $"{what}: index {index} at place {at} of an index tensor of shape {shape} is out of range; "
                            + $"there are {limit}."
                    );
                found = true;
            }
        }
        return found;
    }
}
