using System.Numerics;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// The threads of a kernel's blocks and how loop kinds number them: thread.x alone or with y and z (x runs fastest), or
/// lane, warp and warpgroup; both number the same threads, so a kernel may use either in different loops.
/// </summary>
internal sealed class ThreadSpace
{
    private readonly Dictionary<LoopKind, long> _extents;
    private readonly Dictionary<LoopKind, (long Low, long High)> _digits = [];

    private ThreadSpace(Dictionary<LoopKind, long> extents, long threads)
    {
        _extents = extents;
        Threads = threads;
        long low = 1;
        LoopKind[] plain = [LoopKind.ThreadX, LoopKind.ThreadY, LoopKind.ThreadZ];
        var last = plain.LastOrDefault(extents.ContainsKey, LoopKind.ThreadX);
        foreach (var kind in plain.TakeWhile(k => k <= last))
        {
            long high = kind == last ? threads : low * extents.GetValueOrDefault(kind, 1);
            _digits[kind] = (low, high);
            low = high;
        }
        _digits[LoopKind.Lane] = (1, Math.Min(threads, GpuInfo.WarpSize));
        bool groups = extents.ContainsKey(LoopKind.Warpgroup);
        _digits[LoopKind.Warp] = (GpuInfo.WarpSize, groups ? Math.Min(threads, GroupSize) : threads);
        _digits[LoopKind.Warpgroup] = (GroupSize, threads);
    }

    public const int GroupSize = 4 * GpuInfo.WarpSize;

    /// <summary>Threads of a block.</summary>
    public long Threads { get; }

    public bool HasWarpgroups => _extents.ContainsKey(LoopKind.Warpgroup);

    /// <summary>A kind's coordinate is (thread mod High) div Low; the highest of its system has High = Threads.</summary>
    public (long Low, long High) Digit(LoopKind kind) => _digits[kind];

    /// <summary>The coordinate of a thread along a kind.</summary>
    public Expr Coordinate(LoopKind kind, Expr thread)
    {
        var (low, high) = _digits[kind];
        if (low >= Threads)
            return 0;
        var rest = high < Threads ? Op.Mod(thread, high) : thread;
        return low > 1 ? Op.FloorDiv(rest, low) : rest;
    }

    /// <summary>Values that the coordinate takes, rounded up; 1 for a kind that the kernel has no loops of.</summary>
    public long Count(LoopKind kind) =>
        !_digits.TryGetValue(kind, out var digit) || digit.Low >= Threads ? 1 : (digit.High - 1) / digit.Low + 1;

    /// <summary>
    /// The threads that the loops below a statement name. Where lanes work together (reductions, intrinsics), whole
    /// warps.
    /// </summary>
    /// <exception cref="LoweringException">thread-kinds, too-many-threads.</exception>
    public static ThreadSpace Of(For kernel)
    {
        var extents = new Dictionary<LoopKind, long>();
        Collect(kernel, [], extents);
        bool aligned = kernel.Annotations.ContainsKey(LowerThreadReductions.Aligned);
        if (aligned && (extents.ContainsKey(LoopKind.ThreadY) || extents.ContainsKey(LoopKind.ThreadZ)))
        {
            // Rows along which lanes combine must not straddle warps.
            extents[LoopKind.ThreadX] = Rows(Extent(LoopKind.ThreadX));
            if (extents.ContainsKey(LoopKind.ThreadZ))
                extents[LoopKind.ThreadY] = Rows(Extent(LoopKind.ThreadY));
        }
        long plain = Extent(LoopKind.ThreadX) * Extent(LoopKind.ThreadY) * Extent(LoopKind.ThreadZ);
        if (extents.ContainsKey(LoopKind.Warpgroup) && Extent(LoopKind.Warp) > 4)
            throw new LoweringException(
                "thread-kinds",
                $"a warpgroup has 4 warps, but a loop over {Extent(LoopKind.Warp)} warps lies in a kernel with warpgroups"
            );
        if (Extent(LoopKind.Lane) > GpuInfo.WarpSize)
            throw new LoweringException(
                "thread-kinds",
                $"a warp has {GpuInfo.WarpSize} lanes, but a loop of kind lane has the extent {Extent(LoopKind.Lane)}"
            );
        long warps = extents.ContainsKey(LoopKind.Warpgroup) ? 4 * Extent(LoopKind.Warpgroup) : Extent(LoopKind.Warp);
        bool hasWarps =
            extents.ContainsKey(LoopKind.Warpgroup)
            || extents.ContainsKey(LoopKind.Warp)
            || extents.ContainsKey(LoopKind.Lane);
        long threads = Math.Max(plain, hasWarps ? warps * GpuInfo.WarpSize : 1);
        if (aligned || kernel.Nodes().Any(s => s is LaneReduce or Call))
            threads = Whole(threads);
        if (threads > GpuInfo.MaxThreadsPerBlock)
            throw new LoweringException(
                "too-many-threads",
                $"a block of {threads} threads ({string.Join(", ", extents.Select(e => $"{e.Key.Text()} {e.Value}"))}); at most {GpuInfo.MaxThreadsPerBlock} are possible"
            );
        return new ThreadSpace(extents, threads);

        long Extent(LoopKind kind) => extents.GetValueOrDefault(kind, 1);

        static long Rows(long n) => n < GpuInfo.WarpSize ? (long)BitOperations.RoundUpToPowerOf2((ulong)n) : Whole(n);

        static long Whole(long n) => (n + GpuInfo.WarpSize - 1) / GpuInfo.WarpSize * GpuInfo.WarpSize;
    }

    /// <summary>Whether a kind numbers single threads (thread.x, y, z), not warps and lanes.</summary>
    public static bool IsPlain(LoopKind kind) => kind is LoopKind.ThreadX or LoopKind.ThreadY or LoopKind.ThreadZ;

    private static void Collect(Stmt stmt, List<For> around, Dictionary<LoopKind, long> extents)
    {
        if (stmt is not For loop || !loop.Kind.IsThread())
        {
            foreach (var child in stmt.Children())
                Collect(child, around, extents);
            return;
        }
        if (around.FirstOrDefault(o => o.Kind == loop.Kind || IsPlain(o.Kind) != IsPlain(loop.Kind)) is { } other)
            throw new LoweringException(
                "thread-kinds",
                $"loop {loop.Name} is {loop.Kind.Text()} inside {other.Name}, which is {other.Kind.Text()}; loops inside one another are thread.x, y and z, or warpgroup, warp and lane, each once"
            );
        long extent =
            loop.ConstantExtent
            ?? throw new LoweringException(
                "thread-kinds",
                $"loop {loop.Name} is {loop.Kind.Text()} and its extent {loop.Extent} is not a constant"
            );
        extents[loop.Kind] = Math.Max(extents.GetValueOrDefault(loop.Kind, 1), extent);
        around.Add(loop);
        Collect(loop.Body, around, extents);
        around.RemoveAt(around.Count - 1);
    }
}
