using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>outer, inner = split loop factor [tail=none|guard|peel|predicate|shift|pad]</c>: the loop becomes two, the inner
/// with extent factor. Default tail: none where the factor divides, else guard.
/// </summary>
public sealed class Split : Primitive
{
    public override string Name => "split";

    public override string Usage => "outer, inner = split loop factor [tail=none|guard|peel|predicate|shift|pad]";

    public override string Requirements =>
        """
            The loop is serial. factor >= 1. Where the factor does not divide the extent, no extent below depends on the
            loop, and the tail says what happens beyond it (default guard). tail=none: the factor divides the extent.
            tail=guard, peel, predicate: a predicate; peel makes lowering cut off the last tile, predicate asks for lane
            masks. tail=shift: the extent is constant and at least factor; the last tile starts earlier, so all blocks
            below only map and read nothing that they write. tail=pad: every block below has an axis bound to the loop
            itself; a spatial one indexes only intermediates written nowhere else, which grow to whole tiles (0 or the
            identity beyond the extent), a reduce one combines the identity there.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "C.m.o, C.m.i = split C.m 4 tail=peel",
            """
            for C.m.o in 0..2 peel:
              for C.m.i in 0..4:
                for C.n in 0..8:
                  for C.k in 0..10:
                    block C(m = C.m.o * 4 + C.m.i, n = C.n, k:reduce = C.k) where C.m.o * 4 + C.m.i < 6:
                      C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "tail");
        ArgCount(nest, step, 2, 2);
        var loop = nest.Loop(Arg(nest, step, 0));
        long factor = IntArg(nest, step, 1, 1, int.MaxValue);
        var tail = ParseTail(nest, step.Option("tail"));
        string outer = ResultName(nest, step, 0, loop.Name + ".o");
        string inner = ResultName(nest, step, 1, loop.Name + ".i");
        return (Apply(nest, loop, factor, tail, outer, inner), [outer, inner]);
    }

    /// <summary>The rewrite itself, for primitives that split among other things.</summary>
    internal static LoopNest Apply(LoopNest nest, For loop, long factor, Tail? wish, string outerName, string innerName)
    {
        Concurrency.RequireSerial(nest, loop, "split before giving a loop a kind");
        var around = nest.LoopsAround(loop);
        var simplifier = new Simplifier(nest.Ranges(around));
        bool divides = simplifier.Visit(Op.Mod(loop.Extent, factor)).IsConst(0);
        var tail = divides ? Tail.None : wish ?? Tail.Guard;
        if (!divides && loop.Body.Nodes().OfType<For>().FirstOrDefault(f => f.Extent.Uses(loop.Var)) is { } dependent)
            throw new ScheduleException(
                nest,
                dependent,
                $"the extent {dependent.Extent} of {dependent.Name} depends on {loop.Name}, which would run past its end",
                $"a factor that divides the extent {loop.Extent} of {loop.Name}"
            );
        var outer = new Var(outerName);
        var inner = new Var(innerName);
        Expr index = outer * factor + inner;
        Expr outerExtent = simplifier.Visit(Op.CeilDiv(loop.Extent, factor));
        switch (tail)
        {
            case Tail.None when !divides:
                throw new ScheduleException(
                    nest,
                    loop,
                    $"tail=none, but {factor} does not divide the extent {loop.Extent} of {loop.Name}",
                    "a divisor of the extent, or tail=guard|peel|predicate|shift|pad"
                );
            case Tail.None:
                break;
            case Tail.ShiftInwards:
                index = Shifted(nest, loop, outer, inner, factor);
                break;
            case Tail.Pad:
                (nest, loop) = Padding.Grow(nest, loop, simplifier.Visit(outerExtent * factor));
                break;
            default:
                loop = loop with { Body = Guarded(loop.Body, Op.Lt(index, loop.Extent)) };
                break;
        }
        var body = loop.Body.Substitute(new Dictionary<Var, Expr> { [loop.Var] = index });
        var replacement = new For(outer, outerExtent, LoopKind.Serial, new For(inner, factor, LoopKind.Serial, body))
        {
            Peel = tail == Tail.Peel || (loop.Peel && tail == Tail.None),
        };
        return nest.Replace(nest.Loop(loop.Name), replacement);
    }

    internal static Tail? ParseTail(LoopNest nest, string? text) =>
        text switch
        {
            null => null,
            "none" => Tail.None,
            "guard" => Tail.Guard,
            "peel" => Tail.Peel,
            "predicate" => Tail.Predicate,
            "shift" => Tail.ShiftInwards,
            "pad" => Tail.Pad,
            _ => throw new ScheduleException(
                nest,
                null,
                $"unknown tail '{text}'",
                "none, guard, peel, predicate, shift, pad"
            ),
        };

    // Blocks carry their guard themselves, so that loops stay perfectly nested; other statements get an If.
    private static Stmt Guarded(Stmt body, Expr guard) =>
        body.MapUp(s =>
            s switch
            {
                Block b => b with { Predicate = Op.And(guard, b.Predicate) },
                Store or Call => new If(guard, s),
                _ => s,
            }
        );

    private static Expr Shifted(LoopNest nest, For loop, Var outer, Var inner, long factor)
    {
        if (loop.ConstantExtent is not { } extent || extent < factor)
            throw new ScheduleException(
                nest,
                loop,
                $"tail=shift needs a constant extent of at least {factor}, {loop.Name} has {loop.Extent}",
                "a smaller factor, or tail=guard|peel|predicate"
            );
        var written = Dependence.Accesses(loop.Body).Where(a => a.IsWrite).Select(a => a.Buffer).ToHashSet();
        foreach (var stmt in loop.Body.Nodes())
        {
            bool repeatable = stmt switch
            {
                Block b => !b.IsReduction
                    && b.Axes.All(a => a.Kind == AxisKind.Spatial)
                    && !b.Reads.Any(b.Outputs.Contains),
                Store s => !s.Value.Loads().Any(l => l.Buffer == s.Buffer),
                Call => false,
                _ => true,
            };
            if (!repeatable)
                throw new ScheduleException(
                    nest,
                    stmt,
                    $"tail=shift would compute points {(stmt is Block b ? $"of block {b.Name} " : "")}twice, and it is not a pure map",
                    "tail=guard|peel|predicate"
                );
        }
        // A second pass over a point must find what the first found: nothing read before it is written below.
        foreach (var access in Dependence.Accesses(loop.Body).Where(a => !a.IsWrite))
        {
            if (written.Contains(access.Buffer) && !WrittenBefore(loop.Body, access))
                throw new ScheduleException(
                    nest,
                    access.Statement,
                    $"tail=shift would run iterations of {loop.Name} twice, and {access.Buffer.Name} is read there before it is written",
                    "tail=guard|peel|predicate"
                );
        }
        var ranges = nest.Ranges(nest.Loops);
        var same = nest.Parameters.Concat(nest.LoopsAround(loop).Select(l => l.Var)).ToHashSet();
        foreach (var group in Dependence.Accesses(loop.Body).GroupBy(a => a.Buffer))
        {
            if (
                !group.Any(a => a.IsWrite)
                || group.FirstOrDefault(a => !a.IsWrite) is not { } read
                || Dependence.IsPrivate(nest, loop, group.Key, LoopKind.Serial)
                || Dependence.Determined(group, ranges, same).Contains(loop.Var)
            )
                continue;
            throw new ScheduleException(
                nest,
                read.Statement,
                $"tail=shift would run iterations of {loop.Name} twice, and they pass values on in {group.Key.Name}",
                "tail=guard|peel|predicate"
            );
        }
        return Op.Min(outer * factor, extent - factor) + inner;
    }

    private static bool WrittenBefore(Stmt body, BufferAccess read)
    {
        foreach (var access in Dependence.Accesses(body))
        {
            if (ReferenceEquals(access.Statement, read.Statement))
                return false;
            if (access.IsWrite && access.Buffer == read.Buffer)
                return true;
        }
        return false;
    }
}
