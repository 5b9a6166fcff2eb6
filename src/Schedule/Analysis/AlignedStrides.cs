using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>Strides that the primitive storage_align makes.</summary>
public static class AlignedStrides
{
    /// <summary>
    /// Strides of a buffer that storage was cut down to another shape: what the steps of the trace that align the
    /// buffer give for that shape. Default where there are none or an inner extent is not constant.
    /// </summary>
    public static ImmutableArray<long> For(LoopNest nest, string buffer, ImmutableArray<Expr> shape)
    {
        ImmutableArray<long> strides = default;
        if (shape.Skip(1).Any(e => e is not IntImm))
            return strides;
        foreach (var step in nest.Trace.Where(s => s.Primitive == "storage_align" && s.Args[0] == buffer))
        {
            var numbers = step.Args.Skip(1).Select(a => long.Parse(a, CultureInfo.InvariantCulture)).ToArray();
            strides = With(shape, strides, (int)numbers[0], numbers[1], numbers[2]);
        }
        return strides;
    }

    /// <summary>Strides of a shape, where the stride of a dimension is moved to offset modulo factor and those outside grow with it.</summary>
    /// <param name="current">Of the dimensions inside; default for dense ones.</param>
    public static ImmutableArray<long> With(
        ImmutableArray<Expr> shape,
        ImmutableArray<long> current,
        int dim,
        long factor,
        long offset
    )
    {
        var strides = new long[shape.Length];
        strides[^1] = 1;
        for (int d = shape.Length - 2; d >= 0; d--)
        {
            long dense = strides[d + 1] * Extent(shape, d + 1);
            strides[d] =
                d > dim && !current.IsDefault ? current[d]
                : d == dim ? dense + Missing(dense, factor, offset)
                : dense;
        }
        return [.. strides];
    }

    private static long Extent(ImmutableArray<Expr> shape, int d) => ((IntImm)shape[d]).Value;

    private static long Missing(long stride, long factor, long offset) => (offset - stride % factor + factor) % factor;
}
