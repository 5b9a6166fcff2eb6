using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>What happens to the iterations of a split loop beyond a multiple of the factor.</summary>
public enum Tail
{
    /// <summary>There are none: the factor must divide the extent.</summary>
    None,

    /// <summary>A predicate on the block.</summary>
    Guard,

    /// <summary>As Guard; lowering cuts the outer loop so that only its last part tests.</summary>
    Peel,

    /// <summary>As Guard, meant for a vectorised inner loop: the predicate becomes a lane mask.</summary>
    Predicate,

    /// <summary>The last tile starts earlier and computes some points twice.</summary>
    ShiftInwards,

    /// <summary>Whole tiles are computed; only intermediates, which grow to a multiple, may be written.</summary>
    Pad,
}

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
            The loop is serial. factor >= 1. tail=none: factor divides the extent. tail=shift: the extent is constant and
            at least factor, and all blocks below only map (no reduction, scan or scatter is computed twice).
            tail=pad: every block below writes an intermediate only, indexed by the split axis itself, and reads with the
            axis only what is guarded.
            """;

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "tail");
        var loop = nest.Loop(Arg(nest, step, 0));
        long factor = IntArg(nest, step, 1, 1, int.MaxValue);
        if (loop.Kind != LoopKind.Serial)
            throw Refuse(nest, loop, $"loop {loop.Name} is {loop.Kind.Text()}", "split before binding, serial loops");
        bool divides = Op.Mod(loop.Extent, factor).IsConst(0);
        var tail =
            step.Option("tail") is { } text ? ParseTail(nest, text)
            : divides ? Tail.None
            : Tail.Guard;
        var outer = new Var(ResultName(nest, step, 0, loop.Name + ".o"));
        var inner = new Var(ResultName(nest, step, 1, loop.Name + ".i"));
        Expr index = outer * factor + inner;
        Expr outerExtent = Op.CeilDiv(loop.Extent, factor);
        var body = loop.Body;
        if (!divides)
        {
            switch (tail)
            {
                case Tail.None:
                    throw Refuse(
                        nest,
                        loop,
                        $"tail=none, but {factor} does not divide the extent {loop.Extent} of {loop.Name}",
                        $"a divisor of the extent, or tail=guard|peel|predicate|shift|pad"
                    );
                case Tail.ShiftInwards:
                    index = Shifted(nest, loop, outer, inner, factor);
                    break;
                case Tail.Pad:
                    throw Refuse(
                        nest,
                        loop,
                        "tail=pad needs pad_einsum on the block first",
                        "tail=guard|peel|predicate"
                    );
                default:
                    var guard = Op.Lt(index, loop.Extent);
                    body = body.MapUp(s => s is Block b ? b with { Predicate = Op.And(guard, b.Predicate) } : s);
                    break;
            }
        }
        body = body.Substitute(new Dictionary<Var, Expr> { [loop.Var] = index });
        var replacement = new For(outer, outerExtent, LoopKind.Serial, new For(inner, factor, LoopKind.Serial, body))
        {
            Peel = !divides && tail == Tail.Peel,
            Annotations = loop.Annotations,
        };
        return (nest.Replace(loop, replacement), [outer.Name, inner.Name]);
    }

    private static Expr Shifted(LoopNest nest, For loop, Var outer, Var inner, long factor)
    {
        if (loop.ConstantExtent is not { } extent || extent < factor)
            throw new ScheduleException(
                nest,
                loop,
                $"tail=shift needs a constant extent of at least {factor}, {loop.Name} has {loop.Extent}"
            );
        foreach (var block in loop.Body.Nodes().OfType<Block>())
        {
            if (
                block.IsReduction
                || block.Axes.Any(a => a.Kind != AxisKind.Spatial)
                || block.Reads.Any(block.Outputs.Contains)
            )
                throw new ScheduleException(
                    nest,
                    block,
                    $"tail=shift would compute points of block {block.Name} twice, and it is not a pure map",
                    "tail=guard|peel|predicate"
                );
        }
        return Op.Min(outer * factor, extent - factor) + inner;
    }

    private static Tail ParseTail(LoopNest nest, string text) =>
        text switch
        {
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
}
