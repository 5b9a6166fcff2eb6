using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Schedules.Interpret;

/// <summary>
/// Lanes of a warp combine their values as a butterfly, see <see cref="LaneReduce"/>. All lanes of a warp, and there are
/// 32, have to be here.
/// </summary>
internal sealed class LaneReduceNode(LaneReduce statement, Target[] targets, Site site) : Node
{
    public override void Execute(Team team)
    {
        foreach (var warp in team.Active.GroupBy(f => f.Context.Warp))
        {
            var lanes = new Frame?[GpuInfo.WarpSize];
            foreach (var frame in warp)
                lanes[frame.Context.Lane] = frame;
            int missing = lanes.Count(l => l is null);
            if (missing == 0)
                Combine([.. lanes.Select(l => l!)]);
            else if (team.Active[0].Run.Checks(Sanitizers.Barrier))
                throw warp.First()
                    .Run.Fault(
                        SanitizerKind.DivergentBarrier,
                        $"{missing} lanes of a warp do not come to combine their values",
                        null,
                        [],
                        site,
                        warp.First()
                    );
        }
    }

    private void Combine(Frame[] lanes)
    {
        int count = targets.Length;
        var floats = new double[lanes.Length, count];
        var ints = new long[lanes.Length, count];
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            for (int i = 0; i < count; i++)
            {
                var storage = lanes[lane].Buffers[targets[i].Slot]!;
                if (targets[i].Combined.Float is not null)
                    floats[lane, i] = storage.LoadFloat(targets[i].Indices, lanes[lane], site);
                else
                    ints[lane, i] = storage.LoadInt(targets[i].Indices, lanes[lane], site);
            }
        }
        for (int step = statement.Stride; step < statement.Width * statement.Stride; step *= 2)
        {
            var (nextFloats, nextInts) = (new double[lanes.Length, count], new long[lanes.Length, count]);
            for (int lane = 0; lane < lanes.Length; lane++)
            {
                var (left, right) = (lane & ~step, lane | step);
                var frame = lanes[lane];
                for (int i = 0; i < count; i++)
                {
                    (frame.TempFloats[2 * i], frame.TempFloats[2 * i + 1]) = (floats[left, i], floats[right, i]);
                    (frame.TempInts[2 * i], frame.TempInts[2 * i + 1]) = (ints[left, i], ints[right, i]);
                }
                for (int i = 0; i < count; i++)
                {
                    var type = statement.Outputs[i].Type;
                    if (targets[i].Combined.Float is { } combine)
                        nextFloats[lane, i] = Numerics.Round(type, combine(frame));
                    else
                        nextInts[lane, i] = Numerics.Wrap(type, targets[i].Combined.Int!(frame));
                }
            }
            (floats, ints) = (nextFloats, nextInts);
        }
        for (int lane = 0; lane < lanes.Length; lane++)
        {
            for (int i = 0; i < count; i++)
            {
                var storage = lanes[lane].Buffers[targets[i].Slot]!;
                if (targets[i].Combined.Float is not null)
                    storage.StoreFloat(targets[i].Indices, floats[lane, i], lanes[lane], site);
                else
                    storage.StoreInt(targets[i].Indices, ints[lane, i], lanes[lane], site);
            }
        }
    }
}
