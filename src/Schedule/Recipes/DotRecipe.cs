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

    /// <returns>Names of the stages that have been scheduled.</returns>
    public IReadOnlyList<string> Apply()
    {
        string stage = pattern.Stage.Name;
        string Loop(Axis axis) => $"{stage}.{axis.Name}";
        var copies = Copies(stage);
        var after = ContractionRecipe.Epilogue(algorithm, pattern);
        var (_, write) = s.CacheWrite(pattern.Stage.Output.Name, Scope.Register);

        var outer = new List<string>();
        var tiles = new List<string>();
        var inner = new List<string>();
        foreach (var axis in pattern.Spatial)
        {
            var (row, points) = tile.Rows.FirstOrDefault(r => r.Axis == axis);
            if (row is null)
            {
                outer.Add(Loop(axis));
                continue;
            }
            string loop = Loop(axis);
            if (RegisterTiles.Extent(axis) > points)
            {
                (string over, loop) = LoopRecipes.SplitTile(s, loop, points, RegisterTiles.Extent(axis));
                tiles.Add(over);
            }
            inner.Add(loop);
        }
        long length = RegisterTiles.Extent(tile.Vector);
        long width = Math.Min(_lanes * tile.Vectors, length / _lanes * _lanes);
        var (steps, lane) = LoopRecipes.SplitTile(s, Loop(tile.Vector), width, length);
        string[] others = [.. pattern.Reduced.Where(a => a != tile.Vector).Select(Loop)];
        string first = others.Append(steps).First();
        string[] around = [.. outer, .. tiles];
        s.Reorder([.. around, .. others, steps, .. inner, lane]);
        if (around.Length == 0)
            around = [s.UnitLoop(first)];
        string at = around[^1];

        string part = s.Rfactor(stage, lane);
        s.SetScope(s.Nest.Block(part).Output.Name, Scope.Register);
        s.Vectorize(lane);
        foreach (string loop in inner)
            s.Unroll(loop);
        // Several vectors of partial sums become one before lanes are added up.
        string? lanes = null;
        if (width > _lanes)
        {
            var (_, within) = s.Split(s.Nest.LoopsAround(s.Nest.Block(stage))[^1].Name, _lanes);
            lanes = s.Rfactor(stage, within);
            s.SetScope(s.Nest.Block(lanes).Output.Name, Scope.Register);
            s.ReverseComputeAt(lanes, at);
        }
        s.ReverseComputeAt(stage, at);
        s.ReverseComputeAt(write, at);
        foreach (string next in after)
            s.ReverseComputeAt(next, at);
        if (lanes is not null)
        {
            var own = s.Nest.LoopsAround(s.Nest.Block(lanes));
            var (vectors, within) = (own[^1].Name, own[^2].Name);
            s.Reorder(vectors, within);
            s.Vectorize(within);
            s.Unroll(vectors);
            s.DecomposeReduction(lanes, vectors);
        }
        LoopRecipes.VectorizeInner(s, s.DecomposeReduction(part, first), _lanes);
        s.DecomposeReduction(stage, s.Nest.LoopsAround(s.Nest.Block(stage))[^1].Name);
        if (parallel)
            ContractionRecipe.Share(s, target, around);
        foreach (string copy in copies)
            LoopRecipes.VectorizeInner(s, copy, _lanes);
        return [stage, .. after];
    }

    // Operands of which neighbours along the vectors are no neighbours: small ones, which are turned.
    private List<string> Copies(string stage)
    {
        var copies = new List<string>();
        foreach (var operand in pattern.Operands.Where(o => o.Step(tile.Vector) is not (0 or 1)))
        {
            var (cache, copy) = s.CacheRead(operand.Buffer.Name, stage, Scope.Heap, type: operand.Converted);
            string[] names = [.. Enumerable.Range(0, operand.Buffer.Rank).Select(d => $"d{d}")];
            string along = names[operand.Dimension(tile.Vector)];
            s.TransformLayout(
                cache,
                $"{string.Join(",", names)}->{string.Join(",", names.Where(n => n != along).Append(along))}"
            );
            copies.Add(copy);
        }
        return copies;
    }
}
