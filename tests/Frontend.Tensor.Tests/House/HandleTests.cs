using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.House;

/// <summary>Rules get loops, blocks and buffers of stages and primitives: they make up no names of what is there.</summary>
public class HandleTests
{
    private static readonly string[] Choosing = ["Patterns/", "Recipes/", "Rules/", "Defaults/"];

    private static readonly string[] ByName =
    [
        $"{nameof(LoopRef)}.op_Implicit(string)",
        $"{nameof(BlockRef)}.op_Implicit(string)",
        $"{nameof(BufferRef)}.op_Implicit(string)",
        $"{nameof(LoopRef)}..ctor",
        $"{nameof(BlockRef)}..ctor",
        $"{nameof(BufferRef)}..ctor",
        $"{nameof(Schedule)}.{nameof(Schedule.Apply)}",
    ];

    [Fact]
    public void Rules_make_up_no_names()
    {
        var uses = Uses().Where(r => Choosing.Any(f => r.From.StartsWith(f, StringComparison.Ordinal)));
        Assert.Empty(uses.Select(r => $"{r.From} uses {r.What}"));
    }

    // The test above would hold if such uses were not seen.
    [Fact]
    public void Uses_of_names_are_seen()
    {
        var seen = Uses().Select(r => r.What).ToHashSet();
        Assert.Contains(ByName[0], seen);
        Assert.Contains(ByName[3], seen);
    }

    private static IEnumerable<SourceReference> Uses() =>
        SourceReferences.Of(typeof(LoopNest).Assembly.Location, "/src/Schedule/").Where(r => ByName.Contains(r.What));
}
