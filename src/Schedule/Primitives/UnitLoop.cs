using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>unit = unit_loop block|loop</c>: a loop of one iteration right around a block or a loop. A stage of a GPU kernel
/// needs a loop to bind, and a single number has none.
/// </summary>
public sealed class UnitLoop : Primitive
{
    public override string Name => "unit_loop";

    public override string Usage => "unit = unit_loop block|loop";

    public override string Requirements =>
        """
            A block or a loop of the nest; the new loop, of one iteration, is right around it. No vector loop is around
            it.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            "unit_loop B",
            """
            buffer B: f32[8, 12] heap
            for B.i in 0..8:
              for B.j in 0..12:
                for B.unit in 0..1:
                  block B(i = B.i, j = B.j):
                    B[i, j] = A[i, j] * 2.0
            for C.i in 0..8:
              for C.j in 0..12:
                block C(i = C.i, j = C.j):
                  C[i, j] = B[i, j] + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 1, 1);
        string name = Arg(nest, step, 0);
        Stmt at = (Stmt?)nest.Loops.FirstOrDefault(l => l.Name == name) ?? nest.Block(name);
        if (nest.LoopsAround(at).FirstOrDefault(l => l.Kind == LoopKind.Vector) is { } lanes)
            throw Refuse(nest, lanes, $"{name} is below {lanes.Name}, which is a vector loop", "loops around it");
        var unit = new Var(ResultName(nest, step, 0, $"{name}.unit"));
        return (nest.Replace(at, new For(unit, 1, LoopKind.Serial, at)), [unit.Name]);
    }
}
