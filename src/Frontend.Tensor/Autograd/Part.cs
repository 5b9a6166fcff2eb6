namespace Picograd.Gradients;

/// <summary>
/// Where a part of a tensor's elements lies, for gradients, which are dense. A tensor that is dense itself is seen as it
/// is. One that is not (a view that was detached) is seen spread out: as a vector in which its elements lie as they do in
/// memory.
/// </summary>
/// <param name="Region">The part, as a region of the dense tensor or of the vector.</param>
/// <param name="Spread">Null for a dense tensor; else where its elements lie in the vector.</param>
/// <param name="Span">Length of the vector.</param>
internal sealed record Part(Layout Region, Layout? Spread = null, long Span = 0)
{
    /// <summary>Of two layouts of one memory.</summary>
    /// <exception cref="InvalidOperationException">The whole shows an element several times.</exception>
    public static Part Of(Layout whole, Layout part)
    {
        var region = new Layout(part.Sizes, part.Strides, part.Offset - whole.Offset);
        if (whole.IsContiguous)
            return new Part(region);
        if (whole.Once() != whole)
            throw new InvalidOperationException(
                $"A view of a tensor of shape {whole} that shows one element several times cannot be changed in place "
                    + "while operators are recorded; change a Clone() instead."
            );
        long span = 1;
        for (int d = 0; d < whole.Rank; d++)
            span += (whole.Sizes[d] - 1) * whole.Strides[d];
        return new Part(region, new Layout(whole.Sizes, whole.Strides, 0), span);
    }

    /// <summary>A gradient of the whole as it is seen.</summary>
    public Tensor Seen(Tensor whole) =>
        Spread is null ? whole : Tensor.IntoRegion(whole, Layout.Contiguous([Span]), Spread);

    /// <summary>The other way.</summary>
    public Tensor Whole(Tensor seen) => Spread is null ? seen : seen.RegionOf(Spread);

    /// <summary>
    /// A gradient of the part as one of the whole, zero elsewhere. Where the part shows an element several times, its
    /// gradients are added up.
    /// </summary>
    public Tensor Put(Tensor values, Layout whole)
    {
        var once = Region.Once();
        if (once != Region)
            values = values.SumTo(once);
        if (Spread is null && Region.IsContiguous && values.NumElements == whole.Count)
            return values.ReshapeTo(whole.Sizes);
        var seen = Spread is null ? whole : Layout.Contiguous([Span]);
        return Whole(Tensor.IntoRegion(values, seen, once));
    }
}
