using Picograd.Algorithms;

namespace Picograd.Formats;

/// <summary>Which shapes of a file tensors can have.</summary>
internal static class TensorShapes
{
    /// <summary>
    /// Whether a tensor may have it: also an empty one has places for all but its sizes of 0, which are counted in int64.
    /// </summary>
    public static bool Fits(ReadOnlySpan<long> shape)
    {
        if (shape.Length > Layout.MaxRank)
            return false;
        Int128 elements = 1;
        foreach (long size in shape)
        {
            if (size < 0)
                return false;
            elements *= Math.Max(1, size);
            if (elements > long.MaxValue / 16)
                return false;
        }
        return true;
    }
}
