using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Patterns;

namespace Picograd.Schedules.Recipes;

/// <summary>What register tiles cost, by an estimate.</summary>
internal sealed partial class RegisterTiles
{
    /// <summary>Estimated cycles for all of the stage on one thread.</summary>
    public double Cost(RegisterTile tile)
    {
        if (IsDot(tile.Vector))
            return DotCost(tile);
        // Tiles of whole size and the rest of each axis, as (points of the tile, how many of them).
        long within = Within(tile.Vector);
        long groups = Extents.Of(tile.Vector) / within;
        double points = _pattern.Spatial.Aggregate(1.0, (n, a) => n * Extents.Of(a));
        double depth = _pattern.Reduced.Aggregate(1.0, (n, a) => n * Extents.Of(a));
        long width = tile.Vectors * _lanes;
        double outer = points / Extents.Of(tile.Vector) * groups;
        foreach (var (axis, _) in tile.Rows)
            outer /= Extents.Of(axis);
        double cycles = 0;
        foreach (var (vectors, times) in Parts((within + _lanes - 1) / _lanes, tile.Vectors))
            cycles += times * Rows(tile, vectors, [], 0);
        double total = cycles * outer * depth;
        // Copies: of packed operands, and of results that do not lie along the vectors.
        foreach (var operand in _pattern.Operands.Where(o => o.Uses(tile.Vector) && o.Dimension(tile.Vector) >= 0))
        {
            if (operand.Step(tile.Vector) != 1)
                total += (operand.Buffer.ConstantSize() ?? 0) * (0.5 + 2 * Distance(operand) / _lanes);
        }
        // Rows that are a multiple of a page apart have one set of the first-level cache between them (2048³: 72 ms by 6 rows, 82 by 14).
        if (
            tile.Rows is [var (row, count), ..]
            && count > 8
            && _pattern.Operands.Any(o =>
                !o.Uses(tile.Vector) && o.Step(row) is > 0 and var step && step * o.Buffer.Type.Size() % 4096 == 0
            )
        )
            total *= 1 + 0.01 * (count - 8);
        if (!IsDirect(tile.Vector))
            total += points * 0.35;
        return total;
    }

    // Besides the steps, each result is a sum of lanes.
    private double DotCost(RegisterTile tile)
    {
        double points = _pattern.Spatial.Aggregate(1.0, (n, a) => n * Extents.Of(a));
        double depth = _pattern.Reduced.Where(a => a != tile.Vector).Aggregate(1.0, (n, a) => n * Extents.Of(a));
        double outer = points;
        foreach (var (axis, _) in tile.Rows)
            outer /= Extents.Of(axis);
        double cycles = 0;
        foreach (var (vectors, times) in Parts((Extents.Of(tile.Vector) + _lanes - 1) / _lanes, tile.Vectors))
            cycles += times * Rows(tile, vectors, [], 0);
        double copies = 0;
        foreach (var operand in _pattern.Operands)
        {
            if (operand.Step(tile.Vector) is not (0 or 1))
                copies += operand.Buffer.ConstantSize() ?? 0;
        }
        // What is too much for the second-level cache comes again for all that a tile has no part of.
        double again = 0;
        foreach (var operand in _pattern.Operands)
        {
            double bytes = Bytes(operand);
            double times = _pattern
                .Spatial.Where(a => !operand.Uses(a) && tile.Rows.All(r => r.Axis != a))
                .Aggregate(1.0, (n, a) => n * Extents.Of(a));
            if (times > 1 && bytes > _target.L2Bytes / 2)
                again += bytes * times / 8;
        }
        // Each row is a stream of memory, of half as much in 16 bits.
        if (tile.Rows is [var (_, streams), ..])
            cycles *= 1 + 0.05 * _pattern.Operands.Max(Narrow) * (streams - 1);
        double ends = LaneSum + (tile.Vectors - 1) + 8.0 / (tile.Accumulators / tile.Vectors);
        return cycles * outer * depth + points * ends + copies + again;
    }

    private double Rows(RegisterTile tile, long vectors, ImmutableArray<(Axis Axis, long Points)> rows, int at)
    {
        if (at == tile.Rows.Length)
            return Step(tile, vectors, rows);
        double sum = 0;
        long groups = Extents.Of(tile.Rows[at].Axis) / Within(tile.Rows[at].Axis);
        foreach (var (points, times) in Parts(Within(tile.Rows[at].Axis), tile.Rows[at].Points))
            sum += times * Rows(tile, vectors, rows.Add((tile.Rows[at].Axis, points)), at + 1);
        return sum * groups;
    }

    // Cycles of one step of the reduction over one tile: two multiply-adds and two loads a cycle, four from one to the next
    // that adds to the same register.
    private double Step(RegisterTile tile, long vectors, ImmutableArray<(Axis Axis, long Points)> rows)
    {
        double sums = vectors;
        foreach (var (_, points) in rows)
            sums *= points;
        double loads = 0;
        foreach (var operand in _pattern.Operands)
        {
            double places = 1;
            foreach (var (axis, points) in rows)
                places *= _pattern.Places(operand, axis, points);
            if (
                !operand.Uses(tile.Vector)
                || (Within(tile.Vector) < Extents.Of(tile.Vector) && operand.Dimension(tile.Vector) < 0)
            )
                loads += places;
            else if (operand.Step(tile.Vector) == 1 || CanPack(_pattern, operand, tile.Vector))
                loads +=
                    places
                    * vectors
                    * (
                        Slides(operand, tile.Vector) ? 1.5
                        : IsDot(tile.Vector) ? Widened(operand)
                        : 1
                    );
            else
                loads += places * vectors * 12 * (1 + 12 * AtEdges(tile));
        }
        double cycles =
            Math.Max(Math.Max(Math.Max(sums, loads) / 2, 4), IsDot(tile.Vector) ? Far(vectors, rows) : 0) + 0.5;
        foreach (var (axis, points) in rows)
        {
            // Which remainders the rows of a tile have is known if all tiles begin with the same.
            if (points % _pattern.Period(axis) != 0)
                cycles *= 3;
            // Rows that leave the image at different steps of an outer loop of a sum are tested one by one there.
            bool tested =
                _pattern.Guard is { } guard
                && _pattern
                    .Reduced.SkipLast(1)
                    .Any(r => Extents.Of(r) > 16 && guard.Conjuncts().Any(c => c.Uses(axis.Var) && c.Uses(r.Var)));
            if (tested)
                cycles *= 1.3;
        }
        return cycles;
    }

    // Loads of a dot product that an operand's vector is worth, with its conversion: each row of a tile has that of the others for
    // nothing (1 x 1000 x 1000 in float16: 112 µs by one row, 72 by 4, 66 by 8).
    private static double Widened(ContractionOperand operand) =>
        operand.Buffer.Type switch
        {
            DType.Float16 => 6,
            DType.BFloat16 => 3,
            _ => 1,
        };

    // Bytes of an operand's elements beside those that are added up, if they are in a cache; memory likes one row after the other best
    // (1 x 50257 x 768 in bfloat16: 2.1 ms by one row, 4.5 by two, 2.6 by 8).
    private double Narrow(ContractionOperand operand) =>
        Bytes(operand) > _target.L3Bytes / 2
            ? 1
            : (double)operand.Buffer.Type.Size() / _pattern.Stage.Output.Type.Size();

    // Cycles to read what is not in the first-level cache.
    private double Far(long vectors, ImmutableArray<(Axis Axis, long Points)> rows)
    {
        double cycles = 0;
        foreach (var operand in _pattern.Operands)
        {
            cycles += rows.Aggregate(
                Distance(operand) * Narrow(operand) * vectors,
                (n, r) => n * _pattern.Places(operand, r.Axis, r.Points)
            );
        }
        return cycles;
    }

    private static double Bytes(ContractionOperand operand) =>
        (double)(operand.Buffer.ConstantSize() ?? 0) * operand.Buffer.Type.Size();

    // Cycles for each vector of an operand, by the cache that holds it.
    private double Distance(ContractionOperand operand)
    {
        double bytes = Bytes(operand);
        return bytes > _target.L3Bytes / 2 ? 8
            : bytes > _target.L2Bytes / 2 ? 2.5
            : bytes > _target.L1Bytes / 2 ? 1.2
            : 0;
    }

    // How much of the vectors' axis lies in tiles at the edges of images, where each lane has its test (5 x 5 at stride 4, padding of
    // 4, 17 channels of 224 x 224 to 5: 10.7 ms along the width, 0.18 along the channels).
    private double AtEdges(RegisterTile tile) =>
        _pattern.Guard?.Uses(tile.Vector.Var) == true
            ? Math.Min(1, 2.0 * tile.Vectors * _lanes / Within(tile.Vector))
            : 0;

    // Vectors that slide start anywhere, and at the edges some of their lanes are off.
    private bool Slides(ContractionOperand operand, Axis axis) =>
        _pattern.Windows.Any(w => w.Load == operand.Load && w.Place == axis);

    private static IEnumerable<(long Points, long Times)> Parts(long extent, long tile)
    {
        if (extent >= tile)
            yield return (tile, extent / tile);
        if (extent % tile > 0)
            yield return (extent % tile, 1);
    }
}
