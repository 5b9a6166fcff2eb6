using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Recipes;

// Where the results of a tile go, and what follows on it.
internal sealed partial class ContractionRecipe
{
    /// <summary>Element-wise stages that follow and have the same axes, where nothing else asks for what they follow.</summary>
    /// <param name="algorithm">The whole.</param>
    /// <param name="pattern">What they follow.</param>
    /// <param name="functions">Whether stages with functions of many steps are among them.</param>
    public static List<BlockRef> Epilogue(Algorithm algorithm, ContractionPattern pattern, bool functions)
    {
        var blocks = new List<BlockRef>();
        var made = new HashSet<Algorithms.Buffer> { pattern.Stage.Output };
        foreach (var stage in algorithm.Stages.SkipWhile(x => x != pattern.Stage).Skip(1))
        {
            bool follows =
                stage.Kind == StageKind.Map
                && Contraction.SameAxes(stage, pattern.Stage)
                && stage.Outputs.Length == 1
                && stage.Reads.Any(made.Contains)
                && stage.Reads.All(b => made.Contains(b) || algorithm.Inputs.Contains(b))
                && (functions || !HasFunctions(stage));
            if (!follows)
                break;
            made.Add(stage.Output);
            blocks.Add(stage);
        }
        // What others read, or who called, has to be there as a whole.
        bool readElsewhere =
            algorithm.Outputs.Contains(pattern.Stage.Output)
            || algorithm
                .Stages.Where(x => x != pattern.Stage && !blocks.Contains(x))
                .Any(x => x.Reads.Contains(pattern.Stage.Output));
        return readElsewhere ? [] : blocks;
    }

    /// <summary>Whether a stage has functions of many steps.</summary>
    public static bool HasFunctions(Stage stage) => stage.Values.Any(v => v.Any(n => n.IsFunction()));

    // Registers for the results; what takes them to memory, and the blocks that follow on the tile.
    private (BlockRef? Write, List<BlockRef> Later) Results(List<BlockRef> after)
    {
        BufferRef output = _pattern.Stage.Output;
        List<BlockRef> later = [.. after];
        if (_direct)
        {
            var (_, write) = _s.CacheWrite(output, Scope.Register);
            bool cheap = !_algorithm.Stages.Any(x => after.Contains(x) && HasFunctions(x));
            if (after.Count > 0 && cheap && _choices[_knobs.Inline])
            {
                _s.ComputeInline(write);
                return (null, later);
            }
            return (write, later);
        }
        // Vectors are not along the results' rows: tiles go to the stack, and from there with rows and columns exchanged.
        var tile = output;
        if (after.Count == 0)
        {
            (tile, var copy) = _s.CacheWrite(output, Scope.Stack);
            later.Add(copy);
        }
        else
        {
            _s.SetScope(output, Scope.Stack);
        }
        _s.MoveDimensionLast(tile, _pattern.Spatial.IndexOf(_tile.Vector));
        return (_s.CacheWrite(tile, Scope.Register).Copy, later);
    }

    // From registers to memory, a vector at a time.
    private void Write(BlockRef? block, LoopRef at)
    {
        if (block is null)
            return;
        _s.ReverseComputeAt(block, at);
        InnermostAlong(
            block,
            _direct ? _pattern.Spatial.IndexOf(_tile.Vector) : _pattern.Spatial.Length - 1,
            vectorize: true
        );
    }

    // Moves the loop over a dimension of what a block writes inside of its others.
    private LoopRef? InnermostAlong(BlockRef block, int dimension, bool vectorize)
    {
        if (LoopOver(block, dimension) is not { } loop)
            return null;
        var own = _s.LoopsAround(block).SkipWhile(l => l != loop.Ref).ToList();
        if (own.Count > 1)
            _s.Reorder([.. own.Skip(1), loop]);
        if (vectorize && loop.ConstantExtent > 1)
            _s.Vectorize(loop);
        return loop;
    }

    private For? LoopOver(BlockRef block, int dimension)
    {
        var target = _s.Nest.Block(block);
        var index = target.Indices[dimension].Substitute(target.Bindings);
        return _s.Nest.OwnLoops(target).LastOrDefault(l => l.Kind == LoopKind.Serial && index.Uses(l.Var));
    }

    private void Finish(BlockRef block, LoopRef at)
    {
        _s.ReverseComputeAt(block, at);
        int rank = _pattern.Spatial.Length;
        if (_direct)
        {
            InnermostAlong(block, _pattern.Spatial.IndexOf(_tile.Vector), vectorize: true);
            return;
        }
        if (LoopOver(block, rank - 1) is null)
            return;
        // As many vectors of the tile as lanes: a square block, transposed in registers.
        LoopRef? low = null;
        if (LoopOver(block, _pattern.Spatial.IndexOf(_tile.Vector)) is { ConstantExtent: > 1 and var width } along)
        {
            low = along;
            if (width > _lanes)
                (_, low) = LoopRecipes.SplitTile(_s, along, _lanes, width);
        }
        var row = InnermostAlong(block, rank - 1, vectorize: false)!;
        long extent = _s.Nest.Loop(row).ConstantExtent!.Value;
        if (extent > _lanes)
            (_, row) = LoopRecipes.SplitTile(_s, row, _lanes, extent);
        if (low is not null)
        {
            var between = _s.LoopsAround(block).SkipWhile(l => l != low).ToList();
            if (between.Count > 2)
                _s.Reorder([.. between.Skip(1).SkipLast(1), low, row]);
            _s.Unroll(low);
        }
        if (_s.Nest.Loop(row).ConstantExtent > 1)
            _s.Vectorize(row);
    }
}
