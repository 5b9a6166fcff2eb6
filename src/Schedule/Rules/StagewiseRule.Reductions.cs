using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

// Sums, extremes and what else a reduction is: across lanes, along them, of all elements.
public sealed partial class StagewiseRule : ScheduleRule
{
    private static void Reduction(
        Schedule s,
        Stage stage,
        TargetInfo target,
        bool parallel,
        long vectors,
        bool fused,
        long rows
    )
    {
        BlockRef block = stage;
        int lanes = target.Lanes(stage);
        var reduce = stage.ReduceAxes.Last();
        bool single = stage.Outputs.Length == 1;
        var loads = stage.Values[0].Loads().ToList();
        // Elements that other elements point to (X[r, T[r]]) come one by one.
        bool gathers = loads.Any(l => l.Indices.Any(i => i.Loads().Any(at => at.Uses(reduce.Var))));
        bool along = !gathers && loads.Any(l => IsLastDimension(l, reduce));
        // Of two operands, one may run through memory with the results instead (E[i, j] · V[j, c]): then so do vectors. A
        // result of the row (M[r]) is no such operand: it stays the same along the reduction.
        along &=
            stage.SpatialAxes.LastOrDefault() is not { } column
            || !loads.Any(l => IsLastDimension(l, column) && l.Uses(reduce.Var));
        var own = s.Nest.Block(block);
        var around = Around(s, block);
        var spatial = around.Where(l => own.SpatialAxes.Any(a => a.Binding.Uses(l.Var))).Refs().ToList();
        var ks = around.Where(l => own.ReduceAxes.Any(a => a.Binding.Uses(l.Var))).Refs().ToArray();
        if (ks.Length == 0)
            return;
        // One result a row, which readers find in a register.
        bool inner =
            s.Nest.Intermediates.Any(b => b.Name == stage.Output.Name)
            && spatial.Count > 0
            && !s.Nest.OwnLoops(own).Any(l => spatial.Contains(l.Ref));
        long? columns = (stage.SpatialAxes.LastOrDefault()?.Extent as IntImm)?.Value;
        if (along && reduce.Extent is IntImm { Value: var extent } && extent >= lanes)
        {
            if (parallel && spatial.Count == 0 && !fused && Extents.Points(stage.Axes) >= 4 * Share)
            {
                Shared(s, stage, ks, lanes, vectors);
                return;
            }
            AlongLanes(s, block, spatial, ks, extent, lanes, vectors, fused && inner);
        }
        else if (single && !along && columns > 1)
            AcrossLanes(s, stage, spatial, ks, columns.Value, lanes * vectors, rows, parallel ? target.Threads : 1);
        else if (!single && !along && columns > 1 && s.Nest.Loop(ks[0]).ConstantExtent > TupleRows)
            // Values and places of a column: what of them is in registers for some rows is taken to memory as seldom (argmax of
            // 4096 x 768 over the rows, 1 thread: 1.4 ms, row by row in memory 5.6).
            AcrossLanes(
                s,
                stage,
                spatial,
                ks,
                columns.Value,
                lanes * (target.VectorRegisters >= 32 ? Math.Min(vectors, 2) : 1),
                rows > 0 ? rows : TupleRows,
                parallel ? target.Threads : 1
            );
        else if (
            !inner
            && columns > 1
            && loads.Any(l => stage.SpatialAxes.LastOrDefault() is { } c && IsLastDimension(l, c) && l.Uses(reduce.Var))
        )
            ByRows(s, block, spatial, ks, columns.Value, lanes * Math.Min(vectors, 2));
        else if (spatial.Count > 0)
        {
            var (_, write) = s.CacheWrite(stage.Output, Scope.Register);
            s.ReverseComputeAt(write, spatial[^1]);
            s.DecomposeReduction(block, ks[0]);
        }
        var first = Around(s, block).FirstOrDefault();
        if (parallel && first is { Kind: LoopKind.Serial } && IsSpatial(s, block, first))
            s.Parallel(first);
    }

    // All elements to one result: threads share stretches, whose results are then taken together.
    private static void Shared(Schedule s, Stage stage, LoopRef[] ks, int lanes, long vectors)
    {
        long extent = s.Nest.Loop(ks[0]).ConstantExtent!.Value;
        long share = Math.Clamp(Share / Math.Max(1, Extents.Points(stage.Axes) / extent), 1, extent);
        var (stretch, within) = LoopRecipes.SplitTile(s, ks[0], share, extent);
        var part = s.Rfactor(stage, stretch);
        LoopRef[] rest = [within, .. ks[1..]];
        AlongLanes(s, part, [stretch], rest, s.Nest.Loop(rest[^1]).ConstantExtent!.Value, lanes, vectors, false);
        s.Parallel(stretch);
    }

    // One partial result a lane, in several vectors; then the vectors together, then the lanes.
    private static void AlongLanes(
        Schedule s,
        BlockRef block,
        List<LoopRef> spatial,
        LoopRef[] ks,
        long extent,
        int lanes,
        long vectors,
        bool inRow
    )
    {
        var results = s.Nest.Block(block).Outputs;
        // Below a row loop that it shares with its readers, the result itself is a register.
        if (inRow)
            s.SetScope(results[0], Scope.Register);
        bool rows = spatial.Count > 0 && !inRow;
        // Of several results (a value and where it is) the last lanes go to memory one by one.
        var write = rows && results.Length == 1 ? s.CacheWrite(results[0], Scope.Register).Copy : null;
        long width = Math.Min(lanes * vectors, extent / lanes * lanes);
        var (ko, ki) = s.Split(ks[^1], width, extent % width == 0 ? Tail.None : Tail.Peel);
        var parts = new List<BlockRef> { s.Rfactor(block, ki) };
        InRegisters(s, parts[0]);
        s.Vectorize(ki);
        LoopRef? vector = null;
        var lane = ki;
        if (width > lanes)
        {
            (vector, lane) = s.Split(Around(s, block)[^1], lanes);
            parts.Add(s.Rfactor(block, lane));
            InRegisters(s, parts[1]);
        }
        if (rows)
        {
            var row = spatial[^1];
            foreach (var later in parts.Skip(1).Append(block))
                s.ReverseComputeAt(later, row);
            if (write is not null)
                s.ReverseComputeAt(write, row);
            // Loops of their own below the row: one of the lanes, one of the vectors.
            if (vector is not null)
                (lane, vector) = (Around(s, parts[1])[^2], Around(s, parts[1])[^1]);
        }
        if (vector is not null)
        {
            s.Reorder(vector, lane);
            s.Vectorize(lane);
            s.Unroll(vector);
        }
        foreach (var part in parts)
        {
            var loops = Around(s, part);
            var outermost = loops.First(l => s.Nest.Block(part).ReduceAxes.Any(a => a.Binding.Uses(l.Var)));
            s.DecomposeReduction(part, outermost);
        }
        if (rows || inRow)
            s.DecomposeReduction(block, Around(s, block)[^1]);
    }

    private static void InRegisters(Schedule s, BlockRef block)
    {
        foreach (var output in s.Nest.Block(block).Outputs)
            s.SetScope(output, Scope.Register);
    }

    // Vectors across results, accumulated in registers: over all of the reduction, or over `block` rows of it at a time,
    // which reads memory in long rows and adds the parts up in the cache (4096², 1 thread: 20 GB/s for all, 44 for 8).
    private static void AcrossLanes(
        Schedule s,
        Stage stage,
        List<LoopRef> spatial,
        LoopRef[] ks,
        long columns,
        long width,
        long rows,
        int threads
    )
    {
        BlockRef block = stage;
        var write = block;
        var part = block;
        LoopRef[] outer = [];
        if (rows > 0 && s.Nest.Loop(ks[0]).ConstantExtent is { } extent && extent > rows)
        {
            var (ko, ki) = s.Split(ks[0], rows, extent % rows == 0 ? Tail.None : Tail.Peel);
            part = s.Rfactor(block, ko);
            InRegisters(s, part);
            (outer, ks) = ([ko], [ki, .. ks[1..]]);
        }
        else
        {
            write = s.CacheWrite(stage.Output, Scope.Register).Copy;
        }
        var lane = spatial[^1];
        // Loops that it shares with other stages have the copy below them already (one query of attention, 2,048 keys of 64 floats: 959
        // us one by one, 171 in vectors).
        var own = s.Nest.OwnLoops(s.Nest.Block(block));
        var tile = spatial.Count > 1 && own.Any(l => l.Ref == spatial[^2]) ? spatial[^2] : null;
        if (columns > width)
            (tile, lane) = s.Split(lane, width, columns % width == 0 ? Tail.None : Tail.Peel);
        if (outer.Length > 0 && tile is not null)
        {
            // Blocks of rows go on from one another, so threads share columns.
            LoopRef[] share = [];
            if (threads > 1 && spatial.Count == 1 && s.Nest.Loop(tile).ConstantExtent is { } tiles && tiles >= threads)
            {
                // What divides here need not do so in other shapes of the class.
                (var each, tile) = s.Split(tile, (tiles + threads - 1) / threads, Tail.Peel);
                share = [each];
            }
            s.Reorder([.. share, .. outer, tile, .. ks, lane]);
        }
        else
            s.Reorder([.. outer, .. ks, lane]);
        s.Vectorize(lane);
        if (tile is not null)
            s.ReverseComputeAt(write, tile);
        else if (outer.Length > 0)
            s.ReverseComputeAt(write, outer[0]);
        s.DecomposeReduction(part, ks[0]);
        if (outer.Length > 0)
            s.Unroll(ks[0]);
        if (
            Around(s, write) is { IsEmpty: false } copy
            && copy[^1] is { Kind: LoopKind.Serial, ConstantExtent: > 1 } last
        )
            s.Vectorize(last);
    }

    // Several results of a column (values with their indices): row by row of a stretch of columns whose results
    // stay in the cache (argmax of 4096 x 4096 over the rows, 1 thread: 33 ms, column by column 62).
    private static void ByRows(
        Schedule s,
        BlockRef block,
        List<LoopRef> spatial,
        LoopRef[] ks,
        long columns,
        long width
    )
    {
        const long Stretch = 512;
        var column = spatial[^1];
        LoopRef[] tile = [];
        if (columns > Stretch)
        {
            (var far, column) = LoopRecipes.SplitTile(s, column, Stretch, columns);
            tile = [far];
        }
        s.Reorder([.. spatial.SkipLast(1), .. tile, .. ks, column]);
        s.DecomposeReduction(block, ks[0]);
        if (s.Nest.Loop(column).ConstantExtent is not { } stretch)
            return;
        if (stretch > width)
            column = LoopRecipes.SplitTile(s, column, width, stretch).Inner;
        s.Vectorize(column);
    }
}
