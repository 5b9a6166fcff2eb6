using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Interpret;

/// <summary>
/// A distributed call: the lanes of each warp (or warpgroup) bring their parts of the operands together as tiles, the
/// meaning runs on the tiles, and the lanes take their parts of the output back.
/// </summary>
internal sealed class CollectiveCallNode(
    Intrinsic intrinsic,
    CollectiveOperand[] operands,
    int register,
    Node meaning,
    Site site
) : Node
{
    public override void Execute(Team team)
    {
        int lanes = intrinsic.Lanes;
        foreach (var group in team.Active.GroupBy(f => lanes == 32 ? f.Context.Warp : f.Context.Warpgroup))
        {
            var frames = new Frame?[lanes];
            foreach (var frame in group)
                frames[frame.Context.LaneOf(lanes)] = frame;
            var first = group.First();
            if (group.Key is null || frames.Any(f => f is null))
                throw first.Run.Fault(
                    SanitizerKind.DivergentBarrier,
                    $"{frames.Count(f => f is not null)} of the {lanes} lanes that execute {intrinsic.Name} together come here",
                    null,
                    [],
                    site,
                    first
                );
            Execute(frames!);
        }
    }

    private void Execute(Frame[] frames)
    {
        var scratch = frames[0].Fork(frames[0].Context);
        foreach (var operand in operands)
        {
            var extents = operand.Tile.Shape.Select(e => ((IntImm)e).Value).ToArray();
            scratch.Buffers[operand.TileSlot] = new Storage(
                operand.Tile,
                new HostArray(operand.Tile.Type, extents),
                false,
                false,
                scratch.Run
            );
            if (operand.Reads)
                Move(operand, frames, scratch, gather: true);
        }
        meaning.Execute(new Team([scratch], []));
        Move(operands[0], frames, scratch, gather: false);
    }

    private void Move(CollectiveOperand operand, Frame[] frames, Frame scratch, bool gather)
    {
        var tile = scratch.Buffers[operand.TileSlot]!;
        for (int lane = 0; lane < operand.Layout.Lanes; lane++)
        {
            var frame = frames[lane];
            var part = frame.Buffers[operand.Slot]!;
            for (int r = 0; r < operand.Layout.Registers; r++)
            {
                (scratch.Vars[operand.Row], scratch.Vars[operand.Column]) = operand.Layout.ElementAt(lane, r);
                frame.Vars[register] = r;
                if (gather)
                    tile.StoreFloat(operand.InTile, part.LoadFloat(operand.InPart, frame, site), scratch, site);
                else
                    part.StoreFloat(operand.InPart, tile.LoadFloat(operand.InTile, scratch, site), frame, site);
            }
        }
    }
}

/// <summary>An operand with a layout: where lanes have their parts, and the tile that they make.</summary>
/// <param name="Layout">Of the operand.</param>
/// <param name="Slot">Buffer of the part.</param>
/// <param name="InPart">Index of a register in it.</param>
/// <param name="Tile">The operand as the intrinsic declares it.</param>
/// <param name="TileSlot">Its storage.</param>
/// <param name="Row">Slot of the row's number.</param>
/// <param name="Column">Slot of the column's number.</param>
/// <param name="InTile">Index of an element.</param>
/// <param name="Reads">Whether the instruction reads it.</param>
internal sealed record CollectiveOperand(
    FragmentLayout Layout,
    int Slot,
    IntFn[] InPart,
    Buffer Tile,
    int TileSlot,
    int Row,
    int Column,
    IntFn[] InTile,
    bool Reads
);
