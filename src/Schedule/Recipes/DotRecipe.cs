using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Recipes;

/// <summary>
/// Schedules a contraction with vectors along an axis that is summed up: each lane has a partial sum of its own, of some results at
/// a time, and the lanes are added up once at the end. What is long is read as it lies in memory, without a copy: matrices times
/// vectors, few rows times a transposed matrix.
/// </summary>
internal sealed class DotRecipe(
    Schedule s,
    Algorithm algorithm,
    ContractionPattern pattern,
    RegisterTile tile,
    TargetInfo target,
    bool parallel
)
{
    private readonly int _lanes = target.Lanes(pattern.Stage.Output.Type);

    /// <returns>The blocks of the stages that have been scheduled.</returns>
    public IReadOnlyList<BlockRef> Apply()
    {
        BlockRef stage = pattern.Stage;
        LoopRef Loop(Axis axis) => pattern.Stage.Loop(axis);
        var copies = Copies(stage);
        var after = ContractionRecipe.Epilogue(algorithm, pattern, functions: true);
        var (_, write) = s.CacheWrite(pattern.Stage.Output, Scope.Register);

        var outer = new List<LoopRef>();
        var tiles = new List<LoopRef>();
        var inner = new List<LoopRef>();
        foreach (var axis in pattern.Spatial)
        {
            var (row, points) = tile.Rows.FirstOrDefault(r => r.Axis == axis);
            if (row is null)
            {
                outer.Add(Loop(axis));
                continue;
            }
            var loop = Loop(axis);
            if (Extents.Of(axis) > points)
            {
                (var over, loop) = LoopRecipes.SplitTile(s, loop, points, Extents.Of(axis));
                tiles.Add(over);
            }
            inner.Add(loop);
        }
        long length = Extents.Of(tile.Vector);
        long width = Math.Min(_lanes * tile.Vectors, length / _lanes * _lanes);
        var (steps, lane) = LoopRecipes.SplitTile(s, Loop(tile.Vector), width, length);
        LoopRef[] others = [.. pattern.Reduced.Where(a => a != tile.Vector).Select(Loop)];
        var first = others.Append(steps).First();
        LoopRef[] around = [.. outer, .. tiles];
        s.Reorder([.. around, .. others, steps, .. inner, lane]);
        if (around.Length == 0)
            around = [s.UnitLoop(first)];
        var at = around[^1];

        var part = s.Rfactor(stage, lane);
        s.SetScope(s.Output(part), Scope.Register);
        s.Vectorize(lane);
        foreach (var loop in inner)
            s.Unroll(loop);
        // Several vectors of partial sums become one before lanes are added up.
        BlockRef? lanes = null;
        if (width > _lanes)
        {
            var (_, within) = s.Split(s.LoopsAround(stage)[^1], _lanes);
            lanes = s.Rfactor(stage, within);
            s.SetScope(s.Output(lanes), Scope.Register);
            s.ReverseComputeAt(lanes, at);
        }
        s.ReverseComputeAt(stage, at);
        s.ReverseComputeAt(write, at);
        foreach (var next in after)
            s.ReverseComputeAt(next, at);
        if (lanes is not null)
        {
            var own = s.LoopsAround(lanes);
            var (vectors, within) = (own[^1], own[^2]);
            s.Reorder(vectors, within);
            s.Vectorize(within);
            s.Unroll(vectors);
            s.DecomposeReduction(lanes, vectors);
        }
        LoopRecipes.VectorizeInner(s, s.DecomposeReduction(part, first), _lanes);
        s.DecomposeReduction(stage, s.LoopsAround(stage)[^1]);
        if (parallel)
            ContractionRecipe.Share(s, target, around);
        foreach (var copy in copies)
            LoopRecipes.VectorizeInner(s, copy, _lanes);
        return [stage, .. after];
    }

    // Operands of which neighbours along the vectors are no neighbours: small ones, which are turned.
    private List<BlockRef> Copies(BlockRef stage)
    {
        var copies = new List<BlockRef>();
        foreach (var operand in pattern.Operands.Where(o => o.Step(tile.Vector) is not (0 or 1)))
        {
            var (cache, copy) = s.CacheRead(operand.Buffer, stage, Scope.Heap, type: operand.Converted);
            s.MoveDimensionLast(cache, operand.Dimension(tile.Vector));
            copies.Add(copy);
        }
        return copies;
    }
}
