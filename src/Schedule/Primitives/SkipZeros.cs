using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>skip_zeros loop</c>: iterations of a loop in which a mask makes all that is added 0 are left out: a condition around the body
/// (the blocks of a causal mask above its diagonal). That leaves 0 · x out, which is 0 for all x but infinities and NaN; the trace
/// says so: finite=true.
/// </summary>
public sealed class SkipZeros : Primitive
{
    public override string Name => "skip_zeros";

    public override string Usage => "skip_zeros loop";

    public override string Requirements =>
        """
            The loop is serial. What is written below it and used outside of an iteration are sums, initialised elsewhere
            (decompose_reduction), all of values that are 0 unless one and the same linear comparison of axes holds:
            select(axes, value, 0), or exp(select(axes, value, -Infinity)), times anything, by way of maps and sums below the
            loop too. Factors, and what is added to an exponent, are taken as finite: 0 * Infinity is left out.
            """;

    public override PrimitiveExample Example =>
        new(
            "masked",
            [
                "split C.i 4",
                "split C.j 4",
                "reorder C.j.o C.i.i C.c C.j.i",
                "compute_at T C.j.o",
                "decompose_reduction C C.j.o",
            ],
            "skip_zeros C.j.o",
            """
            buffer T: f32[8, 12] heap
            for C.i.o in 0..2:
              for C.init.i.i in 0..4:
                for C.init.c in 0..3:
                  block C.init(i = C.i.o * 4 + C.init.i.i, c = C.init.c):
                    C[i, c] = 0.0
              for C.j.o in 0..3:
                if C.i.o * -1 + C.j.o < 2:
                  for T.i in 0..4:
                    for T.j in 0..4:
                      block T(i = C.i.o * 4 + T.i, j = C.j.o * 4 + T.j):
                        T[i, j] = select(j <= i + 2, A[i, j], 0.0)
                  for C.i.i in 0..4:
                    for C.c in 0..3:
                      for C.j.i in 0..4:
                        block C(i = C.i.o * 4 + C.i.i, c = C.c, j:reduce = C.j.o * 4 + C.j.i):
                          C[i, c] sum= T[i, j] * V[j, c] (no init)
            """
        );

    protected override Step Record(Step step) => step.With("finite", "true");

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "finite");
        ArgCount(nest, step, 1, 1);
        var loop = nest.Loop(Arg(nest, step, 0));
        Concurrency.RequireSerial(nest, loop, "skip_zeros takes serial loops");
        if (loop.Body.Nodes().FirstOrDefault(s => s is not (For or Seq or Block)) is { } other)
            throw Refuse(nest, other, "this is neither a loop nor a block", "skip_zeros before it");
        var inside = loop.Body.Nodes().OfType<Block>().ToList();
        var sums = new List<Block>();
        foreach (var block in inside)
        {
            if (block.Outputs.All(o => Dependence.IsPrivate(nest, loop, o, LoopKind.Serial)))
                continue;
            if (block.Reducer is not { IsSum: true } || block.Outputs.Length != 1)
                throw Refuse(nest, block, $"block {block.Name} is no sum, and what it writes outlasts an iteration");
            if (block.Init)
                throw Refuse(
                    nest,
                    block,
                    $"block {block.Name} sets its initial value below loop {loop.Name}",
                    $"decompose_reduction {block.Name} first, at {loop.Name} or a loop around it"
                );
            sums.Add(block);
        }
        if (sums.Count == 0)
            throw Refuse(nest, loop, $"nothing that loop {loop.Name} computes outlasts an iteration");
        var zeros = new ZeroValues(nest, inside);
        Dictionary<string, LinearForm>? common = null;
        foreach (var sum in sums)
        {
            var own = Slacks(nest, loop, sum, zeros);
            if (common is null)
                common = own;
            else
                // What any sum adds has to be computed.
                common = common
                    .Where(c => own.ContainsKey(c.Key))
                    .ToDictionary(c => c.Key, c => c.Value.Constant >= own[c.Key].Constant ? c.Value : own[c.Key]);
            if (common.Count == 0)
                throw Refuse(
                    nest,
                    sum,
                    $"no comparison of axes is known without which block {sum.Name}, as all others, adds 0 in all of an iteration"
                );
        }
        var ranges = nest.Ranges(nest.LoopsAround(loop).Add(loop));
        var condition = common!
            .Values.Select(slack => Simplifier.Simplify(Op.Le(0, slack.ToExpr()), ranges))
            .Aggregate(Op.True, Op.And);
        // Where every iteration adds something, there is nothing to ask.
        return condition.IsTrue()
            ? (nest, [])
            : (nest.Replace(loop, loop with { Body = new If(condition, loop.Body) }), []);
    }

    // The largest slack that any point of an iteration has, by its terms: below 0 nothing is added.
    private static Dictionary<string, LinearForm> Slacks(LoopNest nest, For loop, Block sum, ZeroValues zeros)
    {
        var found = new Dictionary<string, LinearForm>();
        var around = nest.LoopsAround(sum);
        var below = around.Skip(around.IndexOf(loop) + 1).ToDictionary(l => l.Var);
        var ranges = nest.Ranges(around);
        var bindings = sum.Bindings.ToDictionary(b => b.Key, b => b.Value);
        foreach (var form in zeros.Unless(sum))
        {
            var bound = LinearForm.Of(form.ToExpr().Substitute(bindings));
            Expr most = bound.Constant;
            bool known = true;
            foreach (var (atom, coefficient) in bound.Terms)
            {
                if (atom is Var one && ranges.TryGetValue(one, out var range) && range.IsPoint)
                    most += coefficient * range.Min;
                else if (atom is Var v && below.TryGetValue(v, out var inner))
                    most += coefficient > 0 ? coefficient * (Interval.Of(inner.Extent, ranges).Max - 1) : 0;
                else if (atom is Var)
                    most += coefficient * atom;
                else
                    known = false;
            }
            if (!known)
                continue;
            var slack = LinearForm.Of(most);
            string terms = slack.WithConstant(0).ToExpr().ToString()!;
            // Of two conditions on the same terms either will do.
            if (!found.TryGetValue(terms, out var before) || slack.Constant < before.Constant)
                found[terms] = slack;
        }
        return found;
    }
}
