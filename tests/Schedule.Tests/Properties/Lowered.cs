using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;

namespace Picograd.Tests.Properties;

/// <summary>A nest after each of the passes that back ends share.</summary>
internal static class Lowered
{
    // Small nests stay far below it; beyond, unrolling refuses.
    private const int UnrollLimit = 4000;

    /// <summary>Name of a pass and the nest after it, in order; ends early where a pass says that it cannot go on.</summary>
    public static IEnumerable<(string Stage, LoopNest Nest)> Stages(LoopNest nest)
    {
        // Stores say nothing of threads that reduce together; the passes of GPUs take such nests.
        if (nest.Blocks.Any(b => ThreadReductions.Outermost(b, nest.LoopsAround(b)) is not null))
            yield break;
        (string, Func<LoopNest, LoopNest>)[] passes =
        [
            ("storage placement", StoragePlacement.Run),
            ("expand calls", ExpandCalls.Run),
            ("lower blocks", LowerBlocks.Run),
            ("guard sums", GuardSums.Run),
            ("loop partition", LoopPartition.Run),
            ("hoist tests", HoistTests.Run),
            // Stretches of two, so that small nests have them too.
            ("block sums", new BlockSums(registerBytes: 64, block: 2, tileBlock: 3).Run),
            ("carry scans", CarryScans.Run),
            ("simplify conditions", SimplifyConditions.Run),
            ("expand math", ExpandMath.Run),
            ("contract fma", ContractFma.Run),
            ("unroll", new UnrollLoops(UnrollLimit).Run),
        ];
        foreach (var (name, pass) in passes)
        {
            LoopNest after;
            try
            {
                after = pass(nest);
            }
            catch (Exception e) when (e is LoweringException or ScheduleException)
            {
                yield break;
            }
            if (ReferenceEquals(after.Body, nest.Body))
                continue;
            nest = after;
            yield return (name, nest);
        }
    }
}
