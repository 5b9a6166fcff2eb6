using System.Collections.Immutable;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>ao, bo, ai, bi = tile a b fa fb [tail=…]</c>: splits a by fa and b by fb and puts the inner loops inside.
/// </summary>
public sealed class Tile : Primitive
{
    public override string Name => "tile";

    public override string Usage => "ao, bo, ai, bi = tile a b fa fb [tail=none|guard|peel|predicate|shift|pad]";

    public override string Requirements =>
        """
            b is the whole body of a. Both splits are legal with the tail, and so is moving the inner loop of a inside the
            outer loop of b: see split and reorder.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "tile C.m C.n 3 4",
            """
            for C.m.o in 0..2:
              for C.n.o in 0..2:
                for C.m.i in 0..3:
                  for C.n.i in 0..4:
                    for C.k in 0..10:
                      block C(m = C.m.o * 3 + C.m.i, n = C.n.o * 4 + C.n.i, k:reduce = C.k):
                        C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "tail");
        ArgCount(nest, step, 4, 4);
        var a = nest.Loop(Arg(nest, step, 0));
        var b = nest.Loop(Arg(nest, step, 1));
        long fa = IntArg(nest, step, 2, 1, int.MaxValue);
        long fb = IntArg(nest, step, 3, 1, int.MaxValue);
        if (!ReferenceEquals(a.Body, b))
            throw Refuse(
                nest,
                a,
                $"{b.Name} is not the whole body of {a.Name}",
                a.Body is For next ? $"tile {a.Name} {next.Name}" : $"loops with only a loop inside; {a.Name} is none"
            );
        var tail = Split.ParseTail(nest, step.Option("tail"));
        string ao = ResultName(nest, step, 0, a.Name + ".o");
        string bo = ResultName(nest, step, 1, b.Name + ".o");
        string ai = ResultName(nest, step, 2, a.Name + ".i");
        string bi = ResultName(nest, step, 3, b.Name + ".i");
        var result = Split.Apply(nest, b, fb, tail, bo, bi);
        result = Split.Apply(result, result.Loop(a.Name), fa, tail, ao, ai);
        For[] chain = [result.Loop(ao), result.Loop(ai), result.Loop(bo), result.Loop(bi)];
        return (Reorder.Permute(result, chain, [chain[0], chain[2], chain[1], chain[3]]), [ao, bo, ai, bi]);
    }
}
