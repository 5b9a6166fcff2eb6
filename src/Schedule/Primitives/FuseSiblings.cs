using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>fuse_siblings first second</c>: two loops of one sequence become one, which in each iteration does what the first did and then
/// what the second did. Nests that do not read one another (the gradients of several inputs) come to share loops, below which what
/// they all read can be computed (compute_at).
/// </summary>
public sealed class FuseSiblings : Primitive
{
    public override string Name => "fuse_siblings";

    public override string Usage => "fuse_siblings first second";

    public override string Requirements =>
        """
            Both loops are serial, of the same extent, and stand in one sequence, the first before the second. Neither
            writes what the other reads or writes. What stands between them writes nothing that the second reads or writes,
            and reads nothing that the second writes.
            """;

    public override PrimitiveExample Example =>
        new(
            "moments",
            "fuse_siblings S.i Q.i",
            """
            buffer B: f32[4, 10] heap
            for B.i in 0..4:
              for B.j in 0..10:
                block B(i = B.i, j = B.j):
                  B[i, j] = A[i, j] * 2.0
            for S.i in 0..4:
              for S.j in 0..10:
                block S(i = S.i, j:reduce = S.j):
                  S[i] sum= B[i, j]
              for Q.j in 0..10:
                block Q(i = S.i, j:reduce = Q.j):
                  Q[i] sum= B[i, j] * B[i, j]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 2, 2);
        var first = nest.Loop(Arg(nest, step, 0));
        var second = nest.Loop(Arg(nest, step, 1));
        var (seq, from, to) = Places(nest, first, second);
        foreach (var loop in new[] { first, second })
            Concurrency.RequireSerial(nest, loop, "fuse_siblings takes serial loops");
        if (first.Extent != second.Extent)
            throw Refuse(
                nest,
                second,
                $"{first.Name} has {first.Extent} iterations, {second.Name} {second.Extent}",
                "loops of the same extent"
            );
        CheckApart(nest, seq, from, to);

        var names = new Dictionary<Var, Expr> { [second.Var] = first.Var };
        var both = first with
        {
            Peel = first.Peel || second.Peel,
            PeelBegin = first.PeelBegin || second.PeelBegin,
            Body = Seq.Of(first.Body, second.Body.Substitute(names)),
        };
        var items = seq.Items.RemoveAt(to).SetItem(from, both);
        var result = nest.Replace(seq, Seq.Of(items));
        foreach (var (buffer, loop) in nest.StoreAt.Where(s => s.Value == second.Name))
            result = result with { StoreAt = result.StoreAt.SetItem(buffer, first.Name) };
        return (StoreAt.Kept(result), []);
    }

    private (Seq Sequence, int First, int Second) Places(LoopNest nest, For first, For second)
    {
        if (first == second)
            throw Refuse(nest, first, $"loop {first.Name} is named twice");
        foreach (var seq in nest.Body.Nodes().OfType<Seq>())
        {
            int from = Index(seq, first);
            int to = Index(seq, second);
            if (from >= 0 && to > from)
                return (seq, from, to);
            if (from >= 0 && to >= 0)
                throw Refuse(nest, second, $"loop {second.Name} comes before loop {first.Name}");
            if (from >= 0)
            {
                var after = seq.Items.Skip(from + 1).OfType<For>().Select(l => l.Name).ToList();
                throw Refuse(
                    nest,
                    second,
                    $"loop {second.Name} is not in one sequence with loop {first.Name}",
                    after.Count == 0
                        ? $"no loop comes after {first.Name}"
                        : $"loops after {first.Name}: {string.Join(", ", after)}"
                );
            }
        }
        throw Refuse(nest, first, $"nothing stands beside loop {first.Name}", "loops of one sequence");

        static int Index(Seq seq, For loop) =>
            seq.Items.Select((s, i) => (s, i)).FirstOrDefault(p => ReferenceEquals(p.s, loop), (loop, -1)).i;
    }

    private void CheckApart(LoopNest nest, Seq seq, int from, int to)
    {
        var moved = Uses(seq.Items[to]);
        for (int i = from; i < to; i++)
        {
            var stays = Uses(seq.Items[i]);
            var shared = stays.Written.FirstOrDefault(b => moved.Written.Contains(b) || moved.Read.Contains(b));
            shared ??= moved.Written.FirstOrDefault(stays.Read.Contains);
            if (shared is null)
                continue;
            string second = ((For)seq.Items[to]).Name;
            string other = i == from ? $"loop {((For)seq.Items[from]).Name}" : "what stands between the loops";
            bool writes = stays.Written.Contains(shared);
            throw Refuse(
                nest,
                seq.Items[i],
                writes
                    ? $"{other} writes {shared.Name}, which loop {second} uses"
                    : $"{other} reads {shared.Name}, which loop {second} writes",
                "loops that do not use what the other writes; compute_at and reverse_compute_at join what reads to what writes"
            );
        }
    }

    private static (HashSet<Algorithms.Buffer> Read, HashSet<Algorithms.Buffer> Written) Uses(Stmt stmt)
    {
        var (read, written) = (new HashSet<Algorithms.Buffer>(), new HashSet<Algorithms.Buffer>());
        foreach (var access in BufferAccess.Below(stmt))
            (access.IsWrite ? written : read).Add(access.Buffer);
        return (read, written);
    }
}
