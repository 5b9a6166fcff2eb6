using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// The place right after which results of some blocks are complete: as far out as possible without taking in other
/// users of the buffers, so that a block that consumes them whole (a copy, a merge) can go there.
/// </summary>
/// <param name="At">The statement to put the new block after.</param>
/// <param name="Outer">Loops around it.</param>
/// <param name="Written">What the blocks write in one execution of At, per dimension; null: everything.</param>
internal sealed record WriteSite(Stmt At, ImmutableArray<For> Outer, Region? Written)
{
    /// <summary>Ranges for the axes of a block whose axis d runs along dimension d.</summary>
    public IReadOnlyDictionary<Var, AxisRange> Ranges(Block block) =>
        Written is null
            ? ImmutableDictionary<Var, AxisRange>.Empty
            : Written.Dims.Select((s, d) => (block.Axes[d].Var, AxisRange.Of(s))).ToDictionary();

    /// <summary>Throws <see cref="ScheduleException"/> where there is no such place.</summary>
    /// <param name="within">A loop around the blocks below which the place is, no further out.</param>
    /// <param name="across">A loop across which the blocks may go on reducing; what is complete is an iteration's part.</param>
    public static WriteSite Find(
        LoopNest nest,
        ImmutableArray<Block> writers,
        ImmutableArray<Buffer> outputs,
        For? across = null,
        For? within = null
    )
    {
        var paths = writers.Select(w => nest.Body.PathTo(w)!.Value).ToList();
        var common = paths[0].TakeWhile((s, i) => paths.All(p => i < p.Length && ReferenceEquals(p[i], s))).ToList();
        var others = nest
            .Body.Nodes()
            .Where(s => s is not Block b || !writers.Any(w => ReferenceEquals(w, b)))
            .Where(s => BufferAccess.Below(s).Any(a => ReferenceEquals(a.Statement, s) && outputs.Contains(a.Buffer)))
            .ToHashSet(ReferenceEqualityComparer.Instance);
        int from = within is null ? 0 : common.FindIndex(s => s is For f && f.Var == within.Var) + 1;
        int depth = common.FindIndex(from, s => s is not Seq && !s.Nodes().Any(others.Contains));
        Stmt at;
        if (depth >= 0)
            at = common[depth];
        else
        {
            // The blocks are in different items of one sequence: after the last of them.
            depth = common.Count - 1;
            if (common[depth] is not Seq seq)
                throw new ScheduleException(
                    nest,
                    common[depth],
                    $"{outputs[0].Name} is written by blocks in different branches ({string.Join(", ", writers.Select(w => w.Name))})",
                    "before specialize"
                );
            var items = seq.Items.Select((item, i) => (item, i)).ToList();
            int first = items.First(x => writers.Any(w => x.item.PathTo(w) is not null)).i;
            int last = items.Last(x => writers.Any(w => x.item.PathTo(w) is not null)).i;
            for (int i = first; i <= last; i++)
            {
                if (seq.Items[i].Nodes().FirstOrDefault(others.Contains) is { } between)
                    throw new ScheduleException(
                        nest,
                        between,
                        $"{outputs[0].Name} is used between the blocks that write it ({string.Join(", ", writers.Select(w => w.Name))})",
                        "before compute_at or reverse_compute_at brought them together"
                    );
            }
            at = seq.Items[last];
            depth++;
        }
        var outer = common.Take(depth).OfType<For>().ToImmutableArray();
        if (outer.IsEmpty)
            return new WriteSite(at, outer, null);
        var analysis = new RegionAnalysis(nest, outer);
        // Accesses are searched from the root, so that their paths hold the outer loops; the analysis keeps those fixed.
        var written = analysis.Hull(
            BufferAccess
                .Below(nest.Body)
                .Where(a => a.IsWrite && a.Buffer == outputs[0] && writers.Any(w => ReferenceEquals(w, a.Statement)))
        )!;
        var unfinished = outer.FirstOrDefault(l =>
            !l.Extent.IsConst(1)
            && l.Var != across?.Var
            && writers.Any(w => w.Axes.Any(a => a.Kind != AxisKind.Spatial && a.Binding.Uses(l.Var)))
        );
        if (unfinished is not null)
            throw new ScheduleException(
                nest,
                unfinished,
                $"block {writers[0].Name} goes on reducing across loop {unfinished.Name}, which it shares with users of {outputs[0].Name}",
                "first reorder, or do it before compute_at or reverse_compute_at"
            );
        if (!written.Exact || !written.Limits.IsEmpty || !written.Guards.IsEmpty)
            throw new ScheduleException(
                nest,
                at,
                $"what block {writers[0].Name} writes to {outputs[0].Name} below loop {outer[^1].Name} is not a box known exactly",
                "first, before compute_at or reverse_compute_at"
            );
        return new WriteSite(at, outer, written);
    }
}
