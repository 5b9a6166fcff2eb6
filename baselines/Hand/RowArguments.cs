namespace Picograd.Baselines;

/// <summary>What the bodies of the parallel loops over rows or elements read; each kernel says which fields it uses.</summary>
internal unsafe struct RowArguments
{
    public float* X;
    public float* Y;
    public float* Z;
    public void* Indices;
    public long IndexBits;
    public long Rows;
    public long Cols;

    /// <summary>The integer at a row, whatever its width.</summary>
    public readonly long Index(long row) => IndexBits == 32 ? ((int*)Indices)[row] : ((long*)Indices)[row];

    /// <summary>
    /// Threads worth waking for so many elements: one for each 4096, about a microsecond of streaming, which is what
    /// handing out work costs when a worker has to be waited for.
    /// </summary>
    public static int Workers(long elements, int threads) => (int)Math.Clamp(elements / 4096, 1, threads);
}
