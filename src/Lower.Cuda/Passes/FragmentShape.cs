using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// How a fragment buffer becomes registers: dimensions with a direction are cut into tiles, whose elements are in the
/// registers of lanes; the others stay. A buffer with one direction only (a statistic a row) is held by all lanes that have
/// the same position along it, each a copy.
/// </summary>
/// <param name="Buffer">In fragment scope.</param>
/// <param name="Directions">By dimension.</param>
/// <param name="Registers">Of one tile, a lane.</param>
/// <param name="Lanes">32 or 128.</param>
internal sealed record FragmentShape(
    Buffer Buffer,
    ImmutableSortedDictionary<int, FragmentDirection> Directions,
    long Registers,
    int Lanes
)
{
    /// <summary>Of a buffer that instructions use as rows × columns along two of its dimensions.</summary>
    public static FragmentShape Of(Buffer buffer, FragmentLayout layout, int rows, int columns) =>
        new(
            buffer,
            ImmutableSortedDictionary<int, FragmentDirection>
                .Empty.Add(rows, FragmentDirection.Rows(layout))
                .Add(columns, FragmentDirection.Columns(layout)),
            layout.Registers,
            layout.Lanes
        );

    /// <summary>Of a buffer that only loops over elements use, each dimension along the direction that its loops have.</summary>
    public static FragmentShape Of(Buffer buffer, IEnumerable<(int Dim, FragmentDirection Direction)> dims, int lanes)
    {
        var directions = ImmutableSortedDictionary.CreateBuilder<int, FragmentDirection>();
        long registers = 1;
        foreach (var (dim, direction) in dims.OrderByDescending(d => d.Dim))
        {
            directions[dim] = direction.Alone(registers);
            registers *= direction.Registers;
        }
        return new(buffer, directions.ToImmutable(), registers, lanes);
    }

    /// <summary>
    /// The register buffer: [… extents in tiles …, lanes, registers]; without the dimension of lanes where it is
    /// allocated below their loop.
    /// </summary>
    public Buffer ToRegisters(bool ofOneLane)
    {
        var shape = ImmutableArray.CreateBuilder<Expr>();
        for (int d = 0; d < Buffer.Rank; d++)
        {
            if (!Directions.TryGetValue(d, out var direction))
            {
                shape.Add(Buffer.Shape[d]);
                continue;
            }
            if (Buffer.Shape[d] is not IntImm { Value: var extent })
                throw new LoweringException(
                    "fragment-shape",
                    $"{Buffer} is a fragment, but dimension {d} has no constant extent"
                );
            shape.Add((extent + direction.Period - 1) / direction.Period);
        }
        if (!ofOneLane)
            shape.Add(Lanes);
        shape.Add(Registers);
        return new Buffer(Buffer.Name, Buffer.Type, shape.ToImmutable(), Scope.Register);
    }

    /// <summary>Where the register buffer has an element (of the lane, if it has the dimension).</summary>
    public ImmutableArray<Expr> Place(ImmutableArray<Expr> indices, Buffer registers, Expr lane, Simplifier simplifier)
    {
        var place = ImmutableArray.CreateBuilder<Expr>();
        Expr number = 0;
        for (int d = 0; d < indices.Length; d++)
        {
            if (!Directions.TryGetValue(d, out var direction))
            {
                place.Add(indices[d]);
                continue;
            }
            place.Add(simplifier.Visit(Op.FloorDiv(indices[d], direction.Period)));
            number += direction.Number(indices[d]);
        }
        if (registers.Rank > indices.Length + 1)
            place.Add(lane);
        place.Add(simplifier.Visit(number));
        return place.ToImmutable();
    }
}
