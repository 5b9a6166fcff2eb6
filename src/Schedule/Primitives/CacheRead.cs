using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>cache, copy = cache_read buffer block scope</c>: a new block copies the buffer to a new intermediate, as early as
/// its writers allow, and the block reads that instead.
/// </summary>
public sealed class CacheRead : Primitive
{
    public override string Name => "cache_read";

    public override string Usage =>
        "cache, copy = cache_read buffer block heap|stack|register|shared|fragment [also=block,…] [as=dtype]";

    public override string Requirements =>
        """
            The block reads the buffer and does not write it. Where it shares loops with writers of the buffer, what it
            reads below them is a box known exactly. also: further blocks that read the copy, all of them behind the
            first; the buffer is an input then, of which there is only one state. as: the copy is of another dtype, to which
            the block converts every element that it reads of the buffer, and is converted once instead.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            ["split C.m 3"],
            "A.stack, A.stack.copy = cache_read A C stack",
            """
            buffer A.stack: f32[6, 10] stack
            for A.stack.copy.m in 0..6:
              for A.stack.copy.k in 0..10:
                block A.stack.copy(m = A.stack.copy.m, k = A.stack.copy.k):
                  A.stack[m, k] = A[m, k]
            for C.m.o in 0..2:
              for C.m.i in 0..3:
                for C.n in 0..8:
                  for C.k in 0..10:
                    block C(m = C.m.o * 3 + C.m.i, n = C.n, k:reduce = C.k):
                      C[m, n] sum= A.stack[m, k] * B[k, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "also", "as");
        var buffer = nest.Buffer(Arg(nest, step, 0));
        var block = nest.Block(Arg(nest, step, 1));
        var scope = BlockLoops.ParseScope(nest, Arg(nest, step, 2));
        if (!block.Reads.Contains(buffer))
            throw Refuse(
                nest,
                block,
                $"block {block.Name} does not read {buffer.Name}",
                $"it reads {string.Join(", ", block.Reads.Select(b => b.Name))}"
            );
        if (block.Outputs.Contains(buffer))
            throw Refuse(nest, block, $"block {block.Name} reads {buffer.Name} and writes it", "cache_write");
        if (nest.WritersOf(buffer) is [_, ..] writers && writers.All(w => nest.OrderOf(w) > nest.OrderOf(block)))
            throw Refuse(
                nest,
                block,
                $"block {block.Name} reads what earlier iterations wrote to {buffer.Name}, where there are any",
                $"{buffer.Name} itself, as set_scope places it"
            );

        var path = nest.Body.PathTo(block)!.Value;
        var at = path.First(s => s is not Seq && !BufferAccess.Below(s).Any(a => a.IsWrite && a.Buffer == buffer));
        var outer = nest.LoopsAround(at);
        Region? read = null;
        if (!outer.IsEmpty)
        {
            var analysis = new RegionAnalysis(nest, outer);
            read = analysis.Hull(
                BufferAccess
                    .Below(nest.Body)
                    .Where(a => a.IsRead && a.Buffer == buffer && ReferenceEquals(a.Statement, block))
            );
            if (read is null)
                throw Refuse(
                    nest,
                    block,
                    $"block {block.Name} reads {buffer.Name} only where its conditions never hold",
                    "buffers that are read"
                );
            if (!read.Exact || !read.Limits.IsEmpty || !read.Guards.IsEmpty)
                throw Refuse(
                    nest,
                    at,
                    $"what block {block.Name} reads of {buffer.Name} below loop {outer[^1].Name} is not a box known exactly",
                    $"cache_read before {buffer.Name}'s writers move below loop {outer[^1].Name}"
                );
        }
        var also = Others(nest, step, buffer, block);
        string cacheName = ResultName(nest, step, 0, $"{buffer.Name}.{BlockLoops.ScopeName(scope)}");
        var type = TypeOf(nest, step) ?? buffer.Type;
        var cache = new Buffer(cacheName, type, buffer.Shape, scope);
        var names = nest with { Intermediates = nest.Intermediates.Add(cache) };
        var writer = nest.WritersOf(buffer) is [var first, ..] ? first : null;
        if (read is not null && writer is not null && BlockLoops.HasLayout(writer))
            throw Refuse(
                nest,
                writer,
                $"{buffer.Name} has a layout of its own, and its writers share loops with block {block.Name}",
                "cache_read before compute_at or reverse_compute_at"
            );
        var index = block.Loads.First(l => l.Buffer == buffer).Indices;
        var copy = BlockLoops.Copy(
            ResultName(names, step, 1, $"{cacheName}.copy"),
            [buffer],
            [cache],
            BlockLoops.DimensionNames(block, index),
            writer
        );
        copy = copy with { Values = [.. copy.Values.Select(v => Op.Cast(type, v))] };
        var ranges = read is null
            ? new Dictionary<Var, AxisRange>()
            : read.Dims.Select((s, d) => (copy.Axes[d].Var, AxisRange.Of(s))).ToDictionary();
        var (loops, _) = BlockLoops.Make(names, copy, ranges, outer, (_, wish) => names.FreshName(wish));
        var result = BlockLoops.Insert(names, at, loops, after: false);
        foreach (string name in also.Prepend(block.Name))
        {
            var reader = result.Block(name);
            var caching = reader with
            {
                Indices = [.. reader.Indices.Select(e => Cached(e, buffer, cache))],
                Values = [.. reader.Values.Select(e => Cached(e, buffer, cache))],
            };
            if (caching.Reads.Contains(buffer))
                throw Refuse(
                    nest,
                    reader,
                    $"as={type.Name()}: block {name} does not convert all that it reads of {buffer.Name} to {type.Name()}",
                    "cache_read without as"
                );
            result = result.Replace(reader, caching);
        }
        return (StoreAt.Kept(result), [cacheName, copy.Name]);
    }

    private DType? TypeOf(LoopNest nest, Step step) =>
        step.Option("as") is not { } name ? null
        : DTypes.Parse(name) is { } type && type.Name() == name ? type
        : throw new ScheduleException(
            nest,
            null,
            $"as={name} is no dtype",
            string.Join(", ", DTypes.All.Select(t => t.Name())),
            Name
        );

    // Reads of the buffer, with the conversion that the copy has done, become reads of the copy.
    private static Expr Cached(Expr e, Buffer buffer, Buffer cache) =>
        cache.Type == buffer.Type
            ? e.ReplaceBuffer(buffer, cache)
            : e.Map(node =>
                node is Cast { A: Load l } c && l.Buffer == buffer && c.To == cache.Type
                    ? new Load(cache, [.. l.Indices.Select(i => Cached(i, buffer, cache))])
                    : null
            );

    private ImmutableArray<string> Others(LoopNest nest, Step step, Buffer buffer, Block first)
    {
        if (step.Option("also") is not { } list)
            return [];
        if (!nest.Algorithm.Inputs.Contains(buffer))
            throw Refuse(nest, first, $"also: {buffer.Name} is no input", "inputs of the algorithm");
        ImmutableArray<string> others = [.. list.Split(',')];
        foreach (string name in others)
        {
            var other = nest.Block(name);
            if (!other.Reads.Contains(buffer))
                throw Refuse(nest, other, $"also: block {name} does not read {buffer.Name}", "its readers");
            if (nest.OrderOf(other) <= nest.OrderOf(first))
                throw Refuse(nest, other, $"also: block {name} does not come after block {first.Name}", "later blocks");
        }
        return others;
    }
}
