using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Search.CostModels;

/// <summary>How one load or store of a block moves through its buffer as the loops around the block run.</summary>
internal sealed class AccessPattern
{
    private const int LineBytes = 64;

    private readonly double[] _footprints;

    /// <param name="buffer">What is accessed.</param>
    /// <param name="indices">Over the block's axes.</param>
    /// <param name="block">Binds the axes.</param>
    /// <param name="loops">Around the block, outermost first.</param>
    /// <param name="extents">Of the loops.</param>
    /// <param name="parameters">Ranges of symbolic extents.</param>
    public AccessPattern(
        Buffer buffer,
        ImmutableArray<Expr> indices,
        Block block,
        IReadOnlyList<For> loops,
        long[] extents,
        IReadOnlyDictionary<Var, Interval> parameters
    )
    {
        Buffer = buffer;
        var ranges = new Dictionary<Var, Interval>(parameters);
        foreach (var loop in loops)
            ranges[loop.Var] = Interval.Point(0);
        int n = loops.Count;
        Depends = new bool[n];
        Strides = new long[n];
        for (int i = 0; i < n; i++)
        {
            ranges[loops[i].Var] = new Interval(0, Math.Max(0, extents[i] - 1));
            Depends[i] = Widths(indices, block, ranges).Any(w => w > 1);
            if (Depends[i])
            {
                ranges[loops[i].Var] = new Interval(0, Math.Min(1, extents[i] - 1));
                Strides[i] = Distance(Widths(indices, block, ranges));
            }
            ranges[loops[i].Var] = Interval.Point(0);
        }
        _footprints = new double[n + 1];
        _footprints[n] = Math.Min(LineBytes, buffer.Type.Size());
        for (int i = n - 1; i >= 0; i--)
        {
            ranges[loops[i].Var] = new Interval(0, Math.Max(0, extents[i] - 1));
            _footprints[i] = Depends[i] ? Bytes(Widths(indices, block, ranges)) : _footprints[i + 1];
        }
    }

    public Buffer Buffer { get; }

    /// <summary>Whether the place changes with each loop.</summary>
    public bool[] Depends { get; }

    /// <summary>Elements between the places of neighbouring iterations of each loop.</summary>
    public long[] Strides { get; }

    public bool IsRegister => Buffer.Scope == Scope.Register;

    /// <summary>Bytes touched by one run of the loops from a depth inwards, in whole cache lines.</summary>
    public double Footprint(int depth) => _footprints[depth];

    private static long[] Widths(ImmutableArray<Expr> indices, Block block, Dictionary<Var, Interval> loopRanges)
    {
        var ranges = new Dictionary<Var, Interval>(loopRanges);
        foreach (var axis in block.Axes)
            ranges[axis.Var] = Interval.Of(axis.Binding, loopRanges);
        return
        [
            .. indices.Select(index =>
            {
                var range = Interval.Of(index, ranges);
                return Math.Max(1, (long)Int128.Min((Int128)range.Max - range.Min + 1, long.MaxValue));
            }),
        ];
    }

    private long Distance(long[] widths)
    {
        long distance = 0;
        for (int d = 0; d < widths.Length; d++)
            distance += (Math.Min(widths[d], Extent(d)) - 1) * Stride(d);
        return distance;
    }

    private double Bytes(long[] widths)
    {
        // Rows of a few bytes still take a line each; a run of full rows is one long row.
        double elements = 1;
        double run = 1;
        bool contiguous = true;
        for (int d = widths.Length - 1; d >= 0; d--)
        {
            long extent = Extent(d);
            double width = Math.Min(widths[d], extent);
            if (Stride(d) == 0)
                continue;
            elements *= width;
            if (contiguous)
            {
                run *= width;
                contiguous = width == extent;
            }
        }
        double runBytes = run * Buffer.Type.Size();
        return elements / run * (runBytes <= LineBytes ? LineBytes : runBytes + LineBytes / 2);
    }

    private long Extent(int d) => Buffer.Shape[d] is IntImm extent ? extent.Value : long.MaxValue;

    private long Stride(int d)
    {
        if (!Buffer.Strides.IsDefault)
            return Buffer.Strides[d];
        long stride = 1;
        for (int i = d + 1; i < Buffer.Rank; i++)
            stride *= Math.Clamp(Extent(i), 1, 1L << 40);
        return stride;
    }
}
