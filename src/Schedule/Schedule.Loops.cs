using System.Globalization;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules;

// Wrappers of the loop primitives; see the classes of the same names for what they require.
public sealed partial class Schedule
{
    public (string Outer, string Inner) Split(string loop, long factor, Tail? tail = null)
    {
        var made = Apply(Step.Of("split", loop, Text(factor)).With("tail", Text(tail)));
        return (made[0], made[1]);
    }

    public (string OuterA, string OuterB, string InnerA, string InnerB) Tile(
        string a,
        string b,
        long factorA,
        long factorB,
        Tail? tail = null
    )
    {
        var made = Apply(Step.Of("tile", a, b, Text(factorA), Text(factorB)).With("tail", Text(tail)));
        return (made[0], made[1], made[2], made[3]);
    }

    public string Fuse(string outer, string inner) => Apply(Step.Of("fuse", outer, inner))[0];

    public Schedule FuseSiblings(string first, string second) => Do(Step.Of("fuse_siblings", first, second));

    public Schedule SkipZeros(string loop) => Do(Step.Of("skip_zeros", loop));

    /// <returns>A loop of one iteration, right around the block or loop.</returns>
    public string UnitLoop(string blockOrLoop) => Apply(Step.Of("unit_loop", blockOrLoop))[0];

    public Schedule Reorder(params string[] loops) => Do(Step.Of("reorder", loops));

    public Schedule Unroll(string loop) => Do(Step.Of("unroll", loop));

    public Schedule Peel(string loop) => Do(Step.Of("peel", loop));

    public Schedule Vectorize(string loop) => Do(Step.Of("vectorize", loop));

    /// <param name="loop">A serial loop.</param>
    /// <param name="threads">Use no more than so many workers; null: all.</param>
    /// <param name="partition">static or dynamic; null leaves it to the back end.</param>
    public Schedule Parallel(string loop, int? threads = null, string? partition = null) =>
        Do(
            Step.Of("parallel", loop)
                .With("threads", threads?.ToString(CultureInfo.InvariantCulture))
                .With("partition", partition)
        );

    public Schedule Bind(string loop, LoopKind kind) => Do(Step.Of("bind", loop, kind.Text()));

    public Schedule Annotate(string loop, string key, string value) => Do(Step.Of("annotate", loop).With(key, value));

    /// <returns>Names of the loops, blocks and buffers of the copy.</returns>
    public IReadOnlyList<string> Specialize(string parameterOrLoop, long value) =>
        Apply(Step.Of("specialize", parameterOrLoop, Text(value)));

    public Schedule Prefetch(string buffer, string loop, int distance) =>
        Do(Step.Of("prefetch", buffer, loop, Text(distance)));

    /// <param name="loop">Serial, over copies and what reads them.</param>
    /// <param name="stages">Iterations under way at once.</param>
    /// <param name="mode">sync, cp.async or bulk; null: sync.</param>
    /// <returns>Names of the loop before and of what it copies with.</returns>
    public IReadOnlyList<string> Pipeline(string loop, int stages, string? mode = null) =>
        Apply(Step.Of("pipeline", loop).With("stages", Text(stages)).With("mode", mode));

    /// <returns>Names of the loop before and of what it copies with.</returns>
    public IReadOnlyList<string> DoubleBuffer(string loop) => Apply(Step.Of("double_buffer", loop));

    private Schedule Do(Step step)
    {
        Apply(step);
        return this;
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string? Text(Tail? tail) =>
        tail == Tail.ShiftInwards ? "shift" : tail?.ToString().ToLowerInvariant();
}
