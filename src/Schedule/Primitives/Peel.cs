using System.Collections.Immutable;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>peel loop</c>: lowering cuts the loop at both ends, where the conditions below it begin and cease to hold always, so that
/// what lies between has no tests (windows inside of an image). The first and the last iterations keep theirs.
/// </summary>
public sealed class Peel : Primitive
{
    public override string Name => "peel";

    public override string Usage => "peel loop";

    public override string Requirements =>
        """
            The loop is serial and its extent a constant. Only comparisons that are linear in the loop count; where the
            conditions never hold all at once, the loop is cut in two.
            """;

    public override PrimitiveExample Example =>
        new(
            "window",
            "peel Y.x",
            """
            for Y.x in 0..16 peel=both:
              for Y.k in 0..3:
                block Y(x = Y.x, k:reduce = Y.k):
                  Y[x] sum= select(0 <= x + k - 1 && x + k - 1 < 16, A[x + k - 1] * B[k], 0.0)
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 1, 1);
        var loop = nest.Loop(Arg(nest, step, 0));
        Concurrency.RequireSerial(nest, loop, "peel takes serial loops");
        Concurrency.RequireConstant(nest, loop, "cut");
        return (nest.Replace(loop, loop with { Peel = true, PeelBegin = true }), []);
    }
}
