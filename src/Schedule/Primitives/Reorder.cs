using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>reorder loop loop …</c>: the loops named take, in the order given, the places that they have now in their chain.
/// </summary>
public sealed class Reorder : Primitive
{
    public override string Name => "reorder";

    public override string Usage => "reorder loop loop …";

    public override string Requirements =>
        """
            The loops lie in one chain, in which each loop from the first to the last is the whole body of the one around
            it; loops that are not named keep their places. No extent depends on a loop that would move inside. Loops whose
            iterations depend on each other (an ordered axis, a reduction that a fused loop mixes with a spatial axis) keep
            their order among themselves; the loops of a reduction move freely. Parallel, vector and GPU loops stay legal
            where they end up.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "reorder C.k C.m",
            """
            for C.k in 0..10:
              for C.n in 0..8:
                for C.m in 0..6:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C[m, n] sum= A[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        if (step.Args.Length < 2)
            throw Refuse(nest, null, "fewer than two loops given", Usage);
        var wanted = step.Args.Select(name => nest.Loop(name)).ToList();
        if (wanted.GroupBy(l => l.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw Refuse(nest, twice.First(), $"loop {twice.Key} is named twice");
        var chain = Chain(nest, wanted);
        return (Permute(nest, chain, wanted), []);
    }

    /// <summary>Puts the wanted loops of a chain in order and checks that the result is legal.</summary>
    internal static LoopNest Permute(LoopNest nest, IReadOnlyList<For> chain, IReadOnlyList<For> wanted)
    {
        var next = new Queue<For>(wanted);
        var order = chain.Select(l => wanted.Contains(l) ? next.Dequeue() : l).ToList();
        if (order.SequenceEqual(chain))
            return nest;
        CheckExtents(nest, order);
        CheckDependences(nest, chain, order);
        var body = chain[^1].Body;
        for (int i = order.Count - 1; i >= 0; i--)
            body = order[i] with { Body = body };
        var result = nest.Replace(chain[0], body);
        CheckKinds(nest, result, order);
        return result;
    }

    private static List<For> Chain(LoopNest nest, List<For> wanted)
    {
        var top = wanted.MinBy(l => nest.LoopsAround(l).Length)!;
        var chain = new List<For>();
        int left = wanted.Count;
        Stmt at = top;
        while (at is For loop)
        {
            chain.Add(loop);
            if (wanted.Contains(loop) && --left == 0)
                return chain;
            at = loop.Body;
        }
        var missing = wanted.First(l => !chain.Contains(l));
        throw new ScheduleException(
            nest,
            missing,
            $"{missing.Name} is not in one chain of loops with {top.Name}",
            $"loops below {top.Name} with nothing beside them: {string.Join(", ", chain.Select(l => l.Name))}"
        );
    }

    private static void CheckExtents(LoopNest nest, List<For> order)
    {
        for (int i = 0; i < order.Count; i++)
        {
            for (int j = i + 1; j < order.Count; j++)
            {
                if (order[i].Extent.Uses(order[j].Var))
                    throw new ScheduleException(
                        nest,
                        order[i],
                        $"the extent {order[i].Extent} of {order[i].Name} depends on {order[j].Name}, which would move inside it",
                        $"orders with {order[j].Name} outside {order[i].Name}"
                    );
            }
        }
    }

    private static void CheckDependences(LoopNest nest, IReadOnlyList<For> chain, List<For> order)
    {
        var body = chain[^1].Body;
        var ranges = nest.Ranges(nest.Loops);
        var same = nest.Parameters.Concat(nest.LoopsAround(chain[0]).Select(l => l.Var)).ToHashSet();
        foreach (var group in Dependence.Accesses(body).GroupBy(a => a.Buffer))
        {
            if (!group.Any(a => a.IsWrite) || Dependence.IsPrivate(nest, chain[^1], group.Key, LoopKind.Serial))
                continue;
            bool alone = group.All(a => a.IsWrite) && group.Count() == 1;
            if (alone && group.First().Statement is Block { Reducer: null })
                continue;
            var determined = Dependence.Determined(group, ranges, same);
            var carried = chain.Where(l => !determined.Contains(l.Var)).ToList();
            // A reduction's own updates commute, as long as the first of them, which sets the identity, stays first:
            // that is sure where its loops are not also part of where it writes.
            if (
                alone
                && group.First().Statement is Block block
                && !(block.Init && block.SpatialAxes.Any(a => carried.Any(l => a.Binding.Uses(l.Var))))
            )
                continue;
            if (carried.SequenceEqual(order.Where(carried.Contains)))
                continue;
            var writer = group.First(a => a.IsWrite).Statement;
            string names = string.Join(", ", carried.Select(l => l.Name));
            throw new ScheduleException(
                nest,
                writer,
                $"iterations of {names} depend on each other through {group.Key.Name}, and their order would change",
                $"orders in which {names} keep theirs"
            );
        }
    }

    private static void CheckKinds(LoopNest before, LoopNest after, List<For> order)
    {
        for (int i = 0; i < order.Count; i++)
        {
            for (int j = i + 1; j < order.Count; j++)
            {
                var (outer, inner) = (order[i], order[j]);
                bool vectorOutside = outer.Kind == LoopKind.Vector && inner.Kind.IsConcurrent();
                bool threadOutside =
                    outer.Kind.IsGpu() && inner.Kind.IsGpu() && Bind.Level(outer.Kind) > Bind.Level(inner.Kind);
                if (vectorOutside || threadOutside)
                    throw new ScheduleException(
                        before,
                        outer,
                        $"{inner.Name} is {inner.Kind.Text()} and cannot lie inside {outer.Name}, which is {outer.Kind.Text()}",
                        $"orders with {inner.Name} outside {outer.Name}"
                    );
            }
        }
        foreach (var loop in order.Where(l => l.Kind.IsConcurrent()))
        {
            try
            {
                Concurrency.Require(after, after.Loop(loop.Name), loop.Kind);
            }
            catch (ScheduleException e)
            {
                throw new ScheduleException(before, loop, $"after the move, {e.Reason}", e.Legal);
            }
        }
    }
}
