using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>cache, copy = cache_write buffer scope</c>: the blocks that write the buffer write a new intermediate instead, and
/// a new block copies it to the buffer right after them. Of a tuple-valued reduction all outputs are cached together:
/// the results are one cache an output, then the copy block.
/// </summary>
public sealed class CacheWrite : Primitive
{
    public override string Name => "cache_write";

    public override string Usage => "cache, copy = cache_write buffer heap|stack|register|shared|fragment";

    public override string Requirements =>
        """
            The buffer is an output or intermediate and is written by blocks, next to each other: between them nothing
            else reads it. Where those blocks already sit below loops that they share with readers, the part that they
            write there is a box of whole results (no reduction goes on across those loops).
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "C.reg, C.copy = cache_write C register",
            """
            buffer C.reg: f32[6, 8] register
            for C.m in 0..6:
              for C.n in 0..8:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C.reg[m, n] sum= A[m, k] * B[k, n]
            for C.copy.m in 0..6:
              for C.copy.n in 0..8:
                block C.copy(m = C.copy.m, n = C.copy.n):
                  C[m, n] = C.reg[m, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        var buffer = nest.Buffer(Arg(nest, step, 0));
        var scope = BlockLoops.ParseScope(nest, Arg(nest, step, 1));
        if (nest.Algorithm.Inputs.Contains(buffer))
            throw Refuse(nest, null, $"buffer {buffer.Name} is an input: nothing writes it", "cache_read");
        if (nest.Algorithm.ReplacedBy(buffer) is not null)
            throw Refuse(
                nest,
                null,
                $"buffer {buffer.Name} is changed in place: its cache would lack what is not written",
                "cache_read of what is written there"
            );
        var writers = nest.WritersOf(buffer);
        var outputs = writers[0].Outputs;
        foreach (var writer in writers)
        {
            if (!writer.Outputs.SequenceEqual(outputs))
                throw Refuse(nest, writer, $"blocks that write {buffer.Name} write different other buffers with it");
        }
        if (
            BufferAccess
                .Below(nest.Body)
                .FirstOrDefault(a => a.IsWrite && a.Buffer == buffer && a.Statement is not Block) is
            { } other
        )
            throw Refuse(nest, other.Statement, $"{buffer.Name} is also written by a statement that is not a block");
        var site = WriteSite.Find(nest, writers, outputs);

        var caches = new Buffer[outputs.Length];
        var names = nest;
        for (int i = 0; i < caches.Length; i++)
        {
            string wish = $"{outputs[i].Name}.{BlockLoops.ScopeName(scope)}";
            caches[i] = new Buffer(ResultName(names, step, i, wish), outputs[i].Type, outputs[i].Shape, scope);
            names = names with { Intermediates = names.Intermediates.Add(caches[i]) };
        }
        var copy = BlockLoops.Copy(
            ResultName(names, step, caches.Length, $"{buffer.Name}.copy"),
            [.. caches],
            outputs,
            BlockLoops.DimensionNames(writers[0], writers[0].Indices),
            writers[0]
        );
        if (site.Written is not null && BlockLoops.HasLayout(writers[0]))
            throw Refuse(
                nest,
                writers[0],
                $"{buffer.Name} has a layout of its own, and its writers share loops with its readers",
                "cache_write before compute_at or reverse_compute_at"
            );
        var (loops, _) = BlockLoops.Make(
            names,
            copy,
            site.Ranges(copy),
            site.Outer,
            (_, wish) => names.FreshName(wish)
        );
        var result = BlockLoops.Insert(names, site.At, loops, after: true);
        for (int i = 0; i < caches.Length; i++)
        {
            var (old, cache) = (outputs[i], caches[i]);
            result = result with
            {
                Body = result.Body.MapUp(s =>
                    s is Block b && writers.Any(w => w.Name == b.Name) ? (Block)b.ReplaceBuffer(old, cache) : s
                ),
            };
        }
        return (StoreAt.Kept(result), [.. caches.Select(c => c.Name), copy.Name]);
    }
}
