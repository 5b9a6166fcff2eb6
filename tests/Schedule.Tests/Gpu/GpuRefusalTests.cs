using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Tests.RefusalTests;
using Xunit;

namespace Picograd.Tests.Gpu;

/// <summary>What bind refuses says which loop, why, and what would be legal.</summary>
public class GpuRefusalTests
{
    [Theory]
    [InlineData("its extent is 8", "32, the lanes of a warp", "bind C.n lane")]
    [InlineData("C.m around it is thread.x", "a warpgroup around its warps", "bind C.m thread.x", "bind C.n warp")]
    [InlineData("C.m around it is warp", "thread kinds together", "bind C.m warp", "bind C.n thread.x")]
    [InlineData("reduce axis k of block C", "rfactor", "bind C.k block.x")]
    [InlineData("spatial axis n and a reduce axis", "split it", "C.nk = fuse C.n C.k", "bind C.nk thread.x")]
    [InlineData("its extent is 2048", "1 to 1024", "C.k.o, C.k.i = split C.k 2048", "bind C.k.i thread.x")]
    public void Bind_refuses(string reason, string legal, params string[] steps) =>
        Assert.Contains(legal, Refusals.Of("matmul", reason, steps).Legal);

    [Fact]
    public void Threads_of_a_block_are_at_most_1024() =>
        Assert.Contains(
            "at most 1024 threads",
            Refusals
                .Of(
                    "matmul",
                    "a block would have 2048 threads",
                    "C.m.o, C.m.i = split C.m 64",
                    "C.n.o, C.n.i = split C.n 32",
                    "bind C.m.i thread.y",
                    "bind C.n.i thread.x"
                )
                .Legal
        );

    [Fact]
    public void Hints_of_block_loops_have_limits()
    {
        var s = new Schedule(SampleAlgorithms.All["matmul"]());
        s.Bind("C.m", LoopKind.BlockX);
        s.Annotate("C.m", "min_blocks", "2");
        Assert.Contains("min_blocks=2", s.Nest.ToString());
        Assert.Throws<ScheduleException>(() => s.Annotate("C.m", "min_blocks", "33"));
        Assert.Throws<ScheduleException>(() => s.Annotate("C.m", "threads", "2"));
    }
}
