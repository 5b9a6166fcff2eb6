using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Interpret;

/// <summary>Threads that meet at a barrier; the epoch counts how often they met.</summary>
internal sealed class ThreadGroup
{
    public int Epoch;

    /// <summary>Asynchronous copies that threads of this block have begun.</summary>
    public AsyncCopyQueues Copies { get; } = new();
}

/// <summary>
/// One execution of an outermost GPU loop. Blocks and warps are known by their coordinates, so that two thread loops
/// one after the other are run by the same threads.
/// </summary>
internal sealed class Launch(LaunchShape shape, bool loopsJoin)
{
    private readonly Dictionary<(long, long, long, long), ThreadGroup> _blocks = [];
    private readonly Dictionary<(ThreadGroup, int, long, long), ThreadGroup> _groups = [];

    /// <summary>See <see cref="InterpreterOptions.ThreadLoopsJoin"/>.</summary>
    public bool LoopsJoin => loopsJoin;

    public ThreadGroup Block(long[] c)
    {
        var key = (c[0], c[1], c[2], c[3]);
        if (!_blocks.TryGetValue(key, out var group))
            _blocks[key] = group = new ThreadGroup();
        return group;
    }

    public ThreadGroup Warp(ThreadGroup block, long[] c)
    {
        long thread = shape.Linear(c);
        return Group(block, 0, Pair(c[4], c[5]), shape.HasLanes ? thread : thread / 32);
    }

    public ThreadGroup Warpgroup(ThreadGroup block, long[] c)
    {
        long thread = shape.Linear(c);
        return Group(
            block,
            1,
            shape.HasWarps ? Pair(c[4], c[5] / 4) : c[4],
            shape.HasLanes || shape.HasWarps ? thread : thread / 128
        );
    }

    /// <summary>Position of a thread within its warp.</summary>
    public int Lane(long[] c) => (int)(shape.HasLanes ? c[LoopKind.Lane - LoopKind.BlockX] : shape.Linear(c) % 32);

    /// <summary>Number of a thread in its block, or, where loops name warps and lanes, in its warpgroup or further out.</summary>
    public long Thread(long[] c) =>
        shape.HasLanes || shape.HasWarps ? 32 * c[5] + (shape.HasLanes ? c[9] : shape.Linear(c)) : shape.Linear(c);

    private static long Pair(long a, long b) => (a << 32) + b;

    private ThreadGroup Group(ThreadGroup block, int level, long a, long b)
    {
        var key = (block, level, a, b);
        if (!_groups.TryGetValue(key, out var group))
            _groups[key] = group = new ThreadGroup();
        return group;
    }
}

/// <summary>What a launch's loops say of its threads: how many a kind, and which kinds there are.</summary>
internal sealed class LaunchShape
{
    private readonly Dictionary<LoopKind, long> _extents = [];

    public LaunchShape(For outermost)
    {
        foreach (var loop in outermost.Nodes().OfType<For>().Where(l => l.Kind.IsGpu()))
            _extents[loop.Kind] = Math.Max(loop.ConstantExtent ?? 1024, ExtentOf(loop.Kind));
    }

    public bool HasLanes => _extents.ContainsKey(LoopKind.Lane);

    public bool HasWarps => _extents.ContainsKey(LoopKind.Warp);

    public long ExtentOf(LoopKind kind) => _extents.GetValueOrDefault(kind, 1);

    /// <summary>Position of a thread along x, then y, then z.</summary>
    public long Linear(long[] c) => c[6] + ExtentOf(LoopKind.ThreadX) * (c[7] + ExtentOf(LoopKind.ThreadY) * c[8]);
}

/// <summary>
/// Which iterations of which concurrent loops an access belongs to: a tree of iterations. Loop coordinates of a launch
/// that a context is not inside of count as 0: such code is the work of the first thread.
/// </summary>
internal sealed class Context
{
    public static readonly Context Root = new();

    private const int Coordinates = 10;

    // Distances of pairs that part outside of a launch are their depth; inside they come behind those.
    private const int InLaunch = 1 << 20;
    private const int InThread = 1 << 21;

    private readonly Context? _parent;
    private readonly int _depth;
    private readonly long _instance;
    private readonly long _iteration;
    private readonly For? _loop;
    private readonly Launch? _launch;
    private readonly long[]? _coordinates;

    private Context() { }

    /// <param name="parent">Around the loop.</param>
    /// <param name="loop">A concurrent loop.</param>
    /// <param name="instance">Number of this execution of the loop; unique in a run.</param>
    /// <param name="extent">Extent of the loop in this execution.</param>
    /// <param name="iteration">Value of its variable.</param>
    /// <param name="launch">The launch that the loop opens or is in; null outside of GPU loops.</param>
    public Context(Context parent, For loop, long instance, long extent, long iteration, Launch? launch)
    {
        _parent = parent;
        _depth = parent._depth + 1;
        _loop = loop;
        _instance = instance;
        _iteration = iteration;
        _launch = launch;
        if (launch is null)
            return;
        _coordinates = parent._coordinates;
        Block = parent.Block;
        Warpgroup = parent.Warpgroup;
        Warp = parent.Warp;
        if (loop.Kind.IsGpu())
        {
            _coordinates = _coordinates is null ? new long[Coordinates] : [.. _coordinates];
            ref long c = ref _coordinates[loop.Kind - LoopKind.BlockX];
            c = c * extent + iteration;
            Block = launch.Block(_coordinates);
            Warpgroup = launch.Warpgroup(Block, _coordinates);
            Warp = launch.Warp(Block, _coordinates);
        }
    }

    public Launch? Launch => _launch;

    /// <summary>The context outside of so many concurrent loops.</summary>
    public Context Outside(int loops)
    {
        var at = this;
        for (; loops > 0; loops--)
            at = at._parent!;
        return at;
    }

    /// <summary>Position within the warp; 0 outside of launches.</summary>
    public int Lane => _launch is null || _coordinates is null ? 0 : _launch.Lane(_coordinates);

    public ThreadGroup? Block { get; }

    public ThreadGroup? Warpgroup { get; }

    public ThreadGroup? Warp { get; }

    public ThreadGroup? Group(BarrierScope scope) =>
        scope switch
        {
            BarrierScope.Block => Block,
            BarrierScope.Warpgroup => Warpgroup,
            _ => Warp,
        };

    /// <summary>Coordinates of the thread within its block.</summary>
    public ReadOnlySpan<long> Thread => _coordinates is null ? [] : _coordinates.AsSpan(4);

    /// <summary>Number of the thread in its warp (of 32 lanes) or warpgroup (of 128).</summary>
    public int LaneOf(int lanes) => (int)(_launch!.Thread(_coordinates!) % lanes);

    /// <summary>Whether an earlier access may run at the same time as an access from here.</summary>
    public bool ConcurrentWith(in Access earlier) =>
        earlier.Context is { } other && !ReferenceEquals(other, this) && Relation(earlier, out _);

    /// <summary>
    /// As <see cref="ConcurrentWith"/>; <paramref name="distance"/> orders pairs by how far up they part: of several
    /// concurrent readers the pair that parts highest conflicts with every later write that any of them conflicts with.
    /// </summary>
    public bool Relation(in Access earlier, out int distance)
    {
        var a = earlier.Context!;
        var b = this;
        if (a._launch is not null && ReferenceEquals(a._launch, b._launch))
        {
            if (!ReferenceEquals(a.Block, b.Block))
            {
                distance = InLaunch;
                return true;
            }
            if (!SameThread(a._coordinates!, b._coordinates!))
            {
                bool sameGroup = ReferenceEquals(a.Warpgroup, b.Warpgroup);
                bool sameWarp = ReferenceEquals(a.Warp, b.Warp);
                distance =
                    InLaunch
                    + (
                        sameWarp ? 3
                        : sameGroup ? 2
                        : 1
                    );
                return !(a._launch.LoopsJoin && InDifferentLoops(a, b))
                    && a.Block!.Epoch == earlier.BlockEpoch
                    && !(sameGroup && a.Warpgroup!.Epoch > earlier.WarpgroupEpoch)
                    && !(sameWarp && a.Warp!.Epoch > earlier.WarpEpoch);
            }
        }
        if (!Part(ref a, ref b))
        {
            distance = int.MaxValue;
            return false;
        }
        distance = a._depth + (a._launch is not null && ReferenceEquals(a._launch, b._launch) ? InThread : 0);
        return a._instance == b._instance && a._iteration != b._iteration;
    }

    /// <summary>The iterations, for instance "parallel m=3, vector n=0".</summary>
    public string Describe() =>
        _loop is null ? "the sequential part"
        : _parent!._loop is null ? $"{_loop.Kind.Text()} {_loop.Name}={_iteration}"
        : $"{_parent.Describe()}, {_loop.Kind.Text()} {_loop.Name}={_iteration}";

    // One after the other in the sequence of a common ancestor, not iterations of one loop.
    private static bool InDifferentLoops(Context a, Context b) => !Part(ref a, ref b) || a._instance != b._instance;

    // Climbs to where the paths from the root part; false if one lies on the other.
    private static bool Part(ref Context a, ref Context b)
    {
        while (a._depth > b._depth)
            a = a._parent!;
        while (b._depth > a._depth)
            b = b._parent!;
        if (ReferenceEquals(a, b))
            return false;
        while (!ReferenceEquals(a._parent, b._parent))
        {
            a = a._parent!;
            b = b._parent!;
        }
        return true;
    }

    private static bool SameThread(long[] a, long[] b)
    {
        for (int i = 4; i < Coordinates; i++)
        {
            if (a[i] != b[i])
                return false;
        }
        return true;
    }
}

/// <summary>An access as remembered: by whom, and how often the groups of the thread had met by then.</summary>
internal readonly struct Access(Context context)
{
    public readonly Context? Context = context;
    public readonly int BlockEpoch = context.Block?.Epoch ?? 0;
    public readonly int WarpgroupEpoch = context.Warpgroup?.Epoch ?? 0;
    public readonly int WarpEpoch = context.Warp?.Epoch ?? 0;
}

/// <summary>
/// Last writer and two readers of each element of a buffer. Two readers suffice for fork-join programs when they are
/// the two that part highest in the tree (Raman et al., "Scalable and Precise Dynamic Datarace Detection for Structured
/// Parallelism", PLDI 2012).
/// </summary>
internal sealed class AccessLog(long elements)
{
    private readonly Access[] _writer = new Access[elements];
    private readonly Access[] _first = new Access[elements];
    private readonly Access[] _second = new Access[elements];

    /// <summary>Notes a read; returns the writer that it conflicts with, or null.</summary>
    public Context? Read(long at, Context by)
    {
        if (by.ConcurrentWith(_writer[at]))
            return _writer[at].Context;
        ref var first = ref _first[at];
        ref var second = ref _second[at];
        if (!by.ConcurrentWith(first))
        {
            first = new Access(by);
            if (second.Context is not null && !by.ConcurrentWith(second))
                second = default;
        }
        else if (!by.ConcurrentWith(second))
        {
            second = new Access(by);
        }
        else
        {
            by.Relation(first, out int toFirst);
            second.Context!.Relation(first, out int between);
            if (toFirst < between)
                second = new Access(by);
        }
        return null;
    }

    /// <summary>Notes a write; returns the access that it conflicts with, or null.</summary>
    public Context? Write(long at, Context by)
    {
        if (by.ConcurrentWith(_writer[at]))
            return _writer[at].Context;
        if (by.ConcurrentWith(_first[at]))
            return _first[at].Context;
        if (by.ConcurrentWith(_second[at]))
            return _second[at].Context;
        _writer[at] = new Access(by);
        _first[at] = default;
        _second[at] = default;
        return null;
    }
}
