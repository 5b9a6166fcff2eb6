using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Search;

/// <summary>
/// One load or store of a block as a warp makes it: which 32-byte sectors of device memory, or how many turns of the
/// banks of shared memory, found by computing the places of 32 lanes.
/// </summary>
internal sealed record GpuAccess(Buffer Buffer, double WarpAccesses, double Sectors, double BankCycles)
{
    private const int SectorBytes = 32;
    private const int Banks = 32;

    /// <param name="buffer">What is accessed.</param>
    /// <param name="indices">Over the block's axes.</param>
    /// <param name="block">Binds the axes.</param>
    /// <param name="loops">Around the block, outermost first.</param>
    /// <param name="parameters">Ranges of symbolic extents.</param>
    public static GpuAccess Of(
        Buffer buffer,
        ImmutableArray<Expr> indices,
        Block block,
        IReadOnlyList<For> loops,
        IReadOnlyDictionary<Var, Interval> parameters
    )
    {
        var bindings = block.Bindings;
        ImmutableArray<Expr> place = [.. indices.Select(i => i.Substitute(bindings))];
        var ranges = new Dictionary<Var, Interval>(parameters);
        foreach (var loop in loops)
            ranges[loop.Var] = Interval.Point(0);
        var vector = loops.Count > 0 && loops[^1].Kind == LoopKind.Vector ? loops[^1] : null;
        var lanes = loops.LastOrDefault(l => l.Kind is LoopKind.Lane or LoopKind.ThreadX);
        long count = Math.Min(GpuInfo.WarpSize, lanes?.ConstantExtent ?? 1);
        long width = vector?.ConstantExtent ?? 1;
        int size = buffer.Type.Size();
        var sectors = new HashSet<long>();
        var words = new HashSet<long>();
        for (long lane = 0; lane < count; lane++)
        {
            if (lanes is not null)
                ranges[lanes.Var] = Interval.Point(lane);
            for (long v = 0; v < width; v++)
            {
                if (vector is not null)
                    ranges[vector.Var] = Interval.Point(v);
                long at = Offset(buffer, place, ranges) * size;
                at = buffer.Swizzle?.Apply(at) ?? at;
                sectors.Add(Math.DivRem(at, SectorBytes).Quotient);
                words.Add(Math.DivRem(at, 4).Quotient);
            }
        }
        double bank = words.GroupBy(w => w % Banks).Max(g => g.Count());
        return new GpuAccess(buffer, Executions(place, loops) / Math.Max(1, count) / width, sectors.Count, bank);
    }

    /// <summary>Iterations of a loop; on average where they change with the loops around, a guess where they depend on a parameter.</summary>
    public static double Iterations(For loop, IReadOnlyList<For> loops)
    {
        if (loop.ConstantExtent is { } extent)
            return extent;
        var ranges = new Dictionary<Var, Interval>();
        foreach (var around in loops.TakeWhile(l => l != loop))
            ranges[around.Var] = new Interval(0, Math.Max(0, Interval.Of(around.Extent, ranges).Max - 1));
        var trips = Interval.Of(loop.Extent, ranges);
        return trips.IsBounded ? (trips.Min + trips.Max) / 2.0 : 1024;
    }

    // How often it is done: a compiler keeps what does not change in the innermost loops, and in unrolled ones.
    private static double Executions(ImmutableArray<Expr> place, IReadOnlyList<For> loops)
    {
        double times = 1;
        bool inside = false;
        for (int i = loops.Count - 1; i >= 0; i--)
        {
            var loop = loops[i];
            bool depends = place.Any(e => e.Uses(loop.Var));
            bool rolled = loop.Kind is not (LoopKind.Unrolled or LoopKind.Vector);
            if (depends || (inside && rolled) || loop.Kind.IsGpu())
                times *= Iterations(loop, loops);
            inside |= depends && rolled;
        }
        return times;
    }

    private static long Offset(Buffer buffer, ImmutableArray<Expr> place, Dictionary<Var, Interval> ranges)
    {
        long at = 0;
        long stride = 1;
        for (int d = place.Length - 1; d >= 0; d--)
        {
            long step = buffer.Strides.IsDefault ? stride : buffer.Strides[d];
            long index = Interval.Of(place[d], ranges).Min;
            at += Math.Clamp(index, 0, 1L << 32) * step;
            stride *= Math.Clamp(buffer.Shape[d] is IntImm e ? e.Value : 1024, 1, 1L << 32);
        }
        return at;
    }
}
