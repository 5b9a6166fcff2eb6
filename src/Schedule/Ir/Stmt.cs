using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Ir;

// The whole loop-nest IR:
//
//   stmt  ::= For var in [0, extent) kind: stmt          loops; extents never negative; var unique in the nest
//           | Seq stmt*                                   in order
//           | If cond: stmt [else stmt]
//           | Allocate buffer: stmt                       the buffer lives for one execution of the body, unwritten
//           | Store buffer[index*] = value
//           | StoreAll Store*                             values first, then stores (tuple-valued reductions)
//           | Block name(axis = binding*) where pred:     one statement of a stage, in terms of its own axes
//                 out[index*] = value  |  out[index*] reduce= value
//           | Barrier scope                               all threads of the scope meet
//           | Prefetch buffer[index*]                     no effect on values
//           | Call intrinsic(operands)                    a hardware instruction, see Intrinsic
//           | Async kind: stmt                            copies into shared memory that are waited for (GPU)
//           | DeviceOp instruction(operands, values, numbers)   a hardware instruction without arithmetic: copies, fences,
//                                                         groups, barriers in memory; see DeviceOps (GPU, kernel form)
//           | LaneReduce buffer[index*] over width        lanes of a warp combine their values (GPU, kernel form)
//
// Loop kinds Parallel and the GPU kinds promise that iterations touch disjoint elements (or meet at a barrier); Vector
// promises the same and that the body has no loop inside that the lanes would leave at different times.

public enum LoopKind
{
    Serial,

    /// <summary>Iterations spread over the worker pool (CPU).</summary>
    Parallel,

    /// <summary>Iterations are the lanes of vector instructions; any constant extent.</summary>
    Vector,

    /// <summary>Replicated at compile time; constant extent.</summary>
    Unrolled,
    BlockX,
    BlockY,
    BlockZ,
    Cluster,
    Warpgroup,
    Warp,
    ThreadX,
    ThreadY,
    ThreadZ,
    Lane,
}

public static class LoopKinds
{
    public static bool IsGpu(this LoopKind kind) => kind >= LoopKind.BlockX;

    /// <summary>Kinds whose iterations run at the same time within one GPU block.</summary>
    public static bool IsThread(this LoopKind kind) => kind >= LoopKind.Warpgroup;

    /// <summary>Kinds whose iterations may run at the same time or in any order.</summary>
    public static bool IsConcurrent(this LoopKind kind) => kind is not (LoopKind.Serial or LoopKind.Unrolled);

    /// <summary>
    /// Whether the iterations of a loop have memory of the scope in common, so that a buffer there lives outside of the
    /// loop: device memory for all blocks, shared memory for the threads of a block, a fragment for those of a warp; the
    /// lanes of a vector loop have everything in common.
    /// </summary>
    public static bool Shares(this LoopKind kind, Scope scope) =>
        kind == LoopKind.Vector
        || scope switch
        {
            Scope.Heap => kind.IsGpu(),
            Scope.Shared => kind.IsThread(),
            Scope.Fragment => kind is LoopKind.Lane or LoopKind.ThreadX or LoopKind.ThreadY or LoopKind.ThreadZ,
            _ => false,
        };

    /// <summary>As printed and as named in traces: serial, parallel, vector, unrolled, block.x, thread.x, ….</summary>
    public static string Text(this LoopKind kind) =>
        kind switch
        {
            LoopKind.BlockX => "block.x",
            LoopKind.BlockY => "block.y",
            LoopKind.BlockZ => "block.z",
            LoopKind.ThreadX => "thread.x",
            LoopKind.ThreadY => "thread.y",
            LoopKind.ThreadZ => "thread.z",
            _ => kind.ToString().ToLowerInvariant(),
        };

    public static LoopKind? Parse(string text) =>
        Enum.GetValues<LoopKind>().Where(k => k.Text() == text).Select(k => (LoopKind?)k).FirstOrDefault();
}

public abstract record Stmt
{
    public sealed override string ToString() => NestPrinter.Print(this);
}

/// <summary>Runs Body for Var = 0 … Extent−1.</summary>
public sealed record For(Var Var, Expr Extent, LoopKind Kind, Stmt Body) : Stmt
{
    public string Name => Var.Name;

    /// <summary>This loop as primitives take it.</summary>
    public LoopRef Ref => new(Name);

    /// <summary>
    /// Lowering splits this loop where predicates below it change from always true to not always true, so that the
    /// first part runs without tests (loop partitioning; tail=peel).
    /// </summary>
    public bool Peel { get; init; }

    /// <summary>
    /// With Peel: the first iterations are cut off as well, where predicates begin to be always true (the edge of an image
    /// at which windows reach beyond it).
    /// </summary>
    public bool PeelBegin { get; init; }

    /// <summary>Hints by name (threads=2, partition=dynamic …); never change what is computed.</summary>
    public ImmutableSortedDictionary<string, string> Annotations { get; init; } =
        ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>
    /// Of a vector loop whose width a back end has decided on: bytes of a lane of the widest values below, which with the bytes of a
    /// vector says how many lanes there are. 0 before.
    /// </summary>
    public int LaneBytes { get; init; }

    public long? ConstantExtent => (Extent as IntImm)?.Value;
}

public sealed record Seq(ImmutableArray<Stmt> Items) : Stmt
{
    /// <summary>Flattens nested sequences; one statement stands for itself.</summary>
    public static Stmt Of(IEnumerable<Stmt> items)
    {
        var flat = ImmutableArray.CreateBuilder<Stmt>();
        foreach (var item in items)
        {
            if (item is Seq s)
                flat.AddRange(s.Items);
            else
                flat.Add(item);
        }
        return flat.Count == 1 ? flat[0] : new Seq(flat.DrainToImmutable());
    }

    public static Stmt Of(params Stmt[] items) => Of(items.AsEnumerable());

    public bool IsEmpty => Items.IsEmpty;

    public bool Equals(Seq? other) => other is not null && Items.AsSpan().SequenceEqual(other.Items.AsSpan());

    public override int GetHashCode() => Items.Aggregate(17, (h, s) => HashCode.Combine(h, s));
}

public sealed record If(Expr Cond, Stmt Then, Stmt? Else = null) : Stmt;

public sealed record Allocate(Buffer Buffer, Stmt Body) : Stmt
{
    /// <summary>
    /// Between the passes one-thread-loop and distribute-registers: digits of the thread's number, [Low, High) as in
    /// (thread mod High) div Low, that loops around it stood for, so that threads that differ in them never shared it.
    /// </summary>
    public ImmutableArray<(long Low, long High)> Apart { get; init; } = [];
}

public sealed record Store(Buffer Buffer, ImmutableArray<Expr> Indices, Expr Value) : Stmt;

public sealed record Prefetch(Buffer Buffer, ImmutableArray<Expr> Indices) : Stmt;

public enum BarrierScope
{
    Warp,
    Warpgroup,
    Block,
}

public sealed record Barrier(BarrierScope Scope) : Stmt;

/// <summary>An axis of a block: takes the value of Binding, an expression over loop variables, within [0, Extent).</summary>
public sealed record BlockAxis(Var Var, Expr Extent, AxisKind Kind, Expr Binding)
{
    public string Name => Var.Name;
}

/// <summary>
/// The statement of a stage. Where Predicate (over loop variables) holds, axes are bound and Outputs[i][Indices] is set
/// to Values[i], or, with a Reducer, to combine(old, Values). With Init, the point at which all reduce axes are 0
/// first sets the outputs to the reducer's identity. Indices and Values are over block axes (and, rarely, loop
/// variables). Bindings visit each point of the axes' domain at least once, exactly once if an axis is Reduce or
/// Ordered.
/// </summary>
public sealed record Block(
    string Name,
    ImmutableArray<BlockAxis> Axes,
    Expr Predicate,
    ImmutableArray<Buffer> Outputs,
    ImmutableArray<Expr> Indices,
    ImmutableArray<Expr> Values,
    Reducer? Reducer = null,
    bool Init = false
) : Stmt
{
    public Buffer Output => Outputs[0];

    /// <summary>This block as primitives take it.</summary>
    public BlockRef Ref => new(Name);

    public bool IsReduction => Reducer is not null;

    public IEnumerable<BlockAxis> SpatialAxes => Axes.Where(a => a.Kind == AxisKind.Spatial);

    public IEnumerable<BlockAxis> ReduceAxes => Axes.Where(a => a.Kind == AxisKind.Reduce);

    public IReadOnlyDictionary<Var, Expr> Bindings => Axes.ToDictionary(a => a.Var, a => a.Binding);

    /// <summary>Loads of the values and of the indices (not the implicit load of a reduction's own output).</summary>
    public IEnumerable<Load> Loads => Values.Concat(Indices).SelectMany(e => e.Loads());

    public IEnumerable<Buffer> Reads => Loads.Select(l => l.Buffer).Distinct();
}
