using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Tests.Properties;

/// <summary>
/// Draws arguments for a primitive on a nest: plausible ones, legal or not. Null where the nest has nothing to name.
/// </summary>
internal static partial class StepGenerator
{
    private static readonly string?[] Tails = [null, "none", "guard", "peel", "predicate", "shift", "pad"];
    private static readonly string[] Scopes = ["heap", "stack", "register", "shared", "fragment"];

    private static readonly string[] Kinds =
    [
        .. Enum.GetValues<LoopKind>().Where(k => k.IsGpu()).Select(k => k.Text()),
    ];

    /// <summary>One generator a primitive, by its name.</summary>
    public static IReadOnlyDictionary<string, Func<Random, LoopNest, Step?>> All { get; } =
        new Dictionary<string, Func<Random, LoopNest, Step?>>
        {
            ["annotate"] = Annotate,
            ["bind"] = (r, n) => LoopStep("bind", r, n, Pick(r, Kinds)),
            ["cache_read"] = CacheRead,
            ["cache_write"] = (r, n) => BufferStep("cache_write", r, Written(n), Pick(r, Scopes)),
            ["compute_at"] = (r, n) => BlockAndLoop("compute_at", r, n),
            ["compute_inline"] = (r, n) => Pick(r, n.Blocks) is { } b ? Step.Of("compute_inline", b.Name) : null,
            ["decompose_padding"] = (r, n) => BlockAndOwnLoop("decompose_padding", r, n),
            ["decompose_reduction"] = (r, n) => BlockAndOwnLoop("decompose_reduction", r, n),
            ["double_buffer"] = (r, n) => Sequence("double_buffer", r, n),
            ["fuse"] = Fuse,
            ["fuse_siblings"] = FuseSiblings,
            ["online_softmax"] = OnlineSoftmax,
            ["pad_einsum"] = PadEinsum,
            ["parallel"] = Parallel,
            ["pipeline"] = (r, n) => Sequence("pipeline", r, n)?.With("stages", Text(r.Next(2, 5))),
            ["prefetch"] = PrefetchAhead,
            ["reorder"] = Reorder,
            ["reverse_compute_at"] = (r, n) => BlockAndLoop("reverse_compute_at", r, n),
            ["reverse_compute_inline"] = (r, n) =>
                Pick(r, n.Blocks) is { } b ? Step.Of("reverse_compute_inline", b.Name) : null,
            ["rfactor"] = Rfactor,
            ["set_scope"] = (r, n) => BufferStep("set_scope", r, n.Intermediates, Pick(r, Scopes)),
            ["skip_zeros"] = (r, n) => LoopStep("skip_zeros", r, n),
            ["specialize"] = Specialize,
            ["split"] = Split,
            ["storage_align"] = StorageAlign,
            ["store_at"] = StoreAt,
            ["swizzle"] = Swizzle,
            ["tensorize"] = Tensorize,
            ["tile"] = Tile,
            ["transform_layout"] = TransformLayout,
            ["unit_loop"] = (r, n) => LoopStep("unit_loop", r, n),
            ["peel"] = (r, n) => LoopStep("peel", r, n),
            ["unroll"] = (r, n) => LoopStep("unroll", r, n),
            ["vectorize"] = Vectorize,
        };

    /// <summary>Steps towards a situation, by the names that <see cref="Situation"/> uses.</summary>
    public static IReadOnlyDictionary<string, Func<Random, LoopNest, Step?>> Aimed { get; } =
        new Dictionary<string, Func<Random, LoopNest, Step?>>
        {
            ["copy inside"] = CopyInside,
            ["key loop out"] = KeyLoopOut,
        };

    private static T? Pick<T>(Random random, IEnumerable<T> from)
        where T : class
    {
        var list = from as IReadOnlyList<T> ?? [.. from];
        return list.Count == 0 ? null : list[random.Next(list.Count)];
    }

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Factor(Random random) => Text(new long[] { 1, 2, 2, 3, 4, 4, 5, 8 }[random.Next(8)]);

    // A maximum and some of the sums after it.
    private static Step? Rfactor(Random random, LoopNest nest)
    {
        var step = BlockAndOwnLoop("rfactor", random, nest);
        return step is not null && random.Next(3) == 0
            ? step.With("at", Pick(random, nest.LoopsAround(nest.Block(step.Args[0])))?.Name)
            : step;
    }

    // Two loops of one sequence, mostly in their order.
    private static Step? FuseSiblings(Random random, LoopNest nest)
    {
        if (Pick(random, nest.Body.Nodes().OfType<Seq>().Where(s => s.Items.OfType<For>().Count() > 1)) is not { } seq)
            return null;
        string[] loops = [.. seq.Items.OfType<For>().Select(l => l.Name)];
        int first = random.Next(loops.Length - 1);
        return Step.Of(
            "fuse_siblings",
            loops[first],
            loops[random.Next(5) == 0 ? 0 : random.Next(first + 1, loops.Length)]
        );
    }

    private static Step? OnlineSoftmax(Random random, LoopNest nest)
    {
        if (Maximum(random, nest) is not { } max || Pick(random, KeyLoops(nest, max)) is not { } loop)
            return null;
        var sums = nest.Blocks.Where(b => b.Reducer is { IsSum: true } && random.Next(4) > 0).Select(b => b.Name);
        var step = Step.Of("online_softmax", [max.Name, loop.Name, .. sums]);
        return random.Next(3) == 0 ? step.With("skip", "1") : step;
    }

    private static Step? KeyLoopOut(Random random, LoopNest nest)
    {
        if (Maximum(random, nest) is not { } max || KeyLoops(nest, max) is not [var loop, ..])
            return null;
        var others = nest.LoopsAround(max).Where(l => l != loop).Select(l => l.Name);
        return Step.Of("reorder", [loop.Name, .. others]);
    }

    private static Block? Maximum(Random random, LoopNest nest) =>
        Pick(random, nest.Blocks.Where(b => b.Reducer is { Name: "max" }));

    private static List<For> KeyLoops(LoopNest nest, Block max) =>
        [.. nest.LoopsAround(max).Where(l => max.ReduceAxes.Any(a => a.Binding.Uses(l.Var)))];

    // Serial loops twice as often as any: most primitives want them.
    private static For? Loop(Random random, LoopNest nest)
    {
        var serial = nest.Loops.Where(l => l.Kind == LoopKind.Serial).ToList();
        return serial.Count > 0 && random.Next(3) > 0 ? Pick(random, serial) : Pick(random, nest.Loops);
    }

    private static Step? LoopStep(string primitive, Random random, LoopNest nest, params string?[] more) =>
        Loop(random, nest) is { } loop ? Step.Of(primitive, [loop.Name, .. more.OfType<string>()]) : null;

    private static Step? BufferStep(string primitive, Random random, IEnumerable<Buffer> from, params string?[] more) =>
        Pick(random, from) is { } buffer ? Step.Of(primitive, [buffer.Name, .. more.OfType<string>()]) : null;

    private static IEnumerable<Buffer> Written(LoopNest nest) => nest.Algorithm.Outputs.Concat(nest.Intermediates);

    // Pipelines want a loop over a sequence.
    private static Step? Sequence(string primitive, Random random, LoopNest nest)
    {
        var loops = nest.Loops.Where(l => l.Body is Seq).ToList();
        var loop = loops.Count > 0 ? Pick(random, loops) : Loop(random, nest);
        return loop is null ? null : Step.Of(primitive, loop.Name);
    }

    private static Step? PrefetchAhead(Random random, LoopNest nest)
    {
        if (Pick(random, nest.Blocks) is not { } block || Pick(random, block.Reads) is not { } buffer)
            return null;
        var loop = Pick(random, nest.LoopsAround(block));
        return loop is null ? null : Step.Of("prefetch", buffer.Name, loop.Name, Text(random.Next(1, 9)));
    }

    private static Step? Specialize(Random random, LoopNest nest)
    {
        var parameter = Pick(random, nest.Algorithm.Parameters);
        if (parameter is null)
            return null;
        var loop = random.Next(2) == 0 ? Pick(random, nest.Loops.Where(l => l.Extent == parameter.Var)) : null;
        // The value of the run is three below the bound; any other leaves the general form to run.
        long value = Math.Clamp(parameter.Max - 3 + random.Next(2), parameter.Min, parameter.Max);
        return Step.Of("specialize", loop?.Name ?? parameter.Name, Text(value));
    }

    private static Step? Annotate(Random random, LoopNest nest)
    {
        var parallel = nest.Loops.Where(l => l.Kind == LoopKind.Parallel).ToList();
        var loop = parallel.Count > 0 ? Pick(random, parallel) : Pick(random, nest.Loops);
        if (loop is null)
            return null;
        return random.Next(2) == 0
            ? Step.Of("annotate", loop.Name).With("threads", Text(random.Next(1, 5)))
            : Step.Of("annotate", loop.Name).With("partition", random.Next(2) == 0 ? "static" : "dynamic");
    }

    private static Step? Split(Random random, LoopNest nest) =>
        LoopStep("split", random, nest, Factor(random))?.With("tail", Tails[random.Next(Tails.Length)]);

    private static Step? Tile(Random random, LoopNest nest)
    {
        var outer = Pick(random, nest.Loops.Where(l => l.Body is For));
        return outer is null
            ? null
            : Step.Of("tile", outer.Name, ((For)outer.Body).Name, Factor(random), Factor(random))
                .With("tail", Tails[random.Next(Tails.Length)]);
    }

    private static Step? Fuse(Random random, LoopNest nest)
    {
        var outer = Pick(random, nest.Loops.Where(l => l.Body is For));
        return outer is null ? null : Step.Of("fuse", outer.Name, ((For)outer.Body).Name);
    }

    private static Step? Reorder(Random random, LoopNest nest)
    {
        if (Pick(random, nest.Blocks) is not { } block)
            return null;
        var around = nest.LoopsAround(block).Select(l => l.Name).ToArray();
        // The loops of a chain end at the block; a start somewhere along it.
        string[] names = around[random.Next(around.Length + 1)..];
        if (names.Length < 2)
            return null;
        random.Shuffle(names);
        return Step.Of("reorder", random.Next(2) == 0 ? names : names[..random.Next(2, names.Length + 1)]);
    }

    private static Step? Parallel(Random random, LoopNest nest)
    {
        var step = LoopStep("parallel", random, nest);
        if (step is not null && random.Next(3) == 0)
            step = step.With("threads", Text(random.Next(1, 4)));
        return step is not null && random.Next(3) == 0 ? step.With("partition", "dynamic") : step;
    }

    private static Step? Vectorize(Random random, LoopNest nest)
    {
        var innermost = nest.Loops.Where(l => l.Body is Block).ToList();
        var loop = innermost.Count > 0 && random.Next(3) > 0 ? Pick(random, innermost) : Pick(random, nest.Loops);
        return loop is null ? null : Step.Of("vectorize", loop.Name);
    }

    private static Step? BlockAndOwnLoop(string primitive, Random random, LoopNest nest)
    {
        if (Pick(random, nest.Blocks) is not { } block)
            return null;
        return Pick(random, nest.LoopsAround(block)) is { } loop ? Step.Of(primitive, block.Name, loop.Name) : null;
    }

    private static Step? BlockAndLoop(string primitive, Random random, LoopNest nest)
    {
        if (Pick(random, nest.Blocks) is not { } block)
            return null;
        var own = nest.LoopsAround(block).Select(l => l.Name).ToHashSet();
        var others = nest.Loops.Where(l => !own.Contains(l.Name)).ToList();
        var loop = random.Next(5) > 0 && others.Count > 0 ? Pick(random, others) : Pick(random, nest.Loops);
        return loop is null ? null : Step.Of(primitive, block.Name, loop.Name);
    }

    private static Step? StoreAt(Random random, LoopNest nest) =>
        Pick(random, nest.Intermediates) is { } buffer && Pick(random, nest.Loops) is { } loop
            ? Step.Of("store_at", buffer.Name, loop.Name)
            : null;

    private static Step? CacheRead(Random random, LoopNest nest)
    {
        if (Pick(random, nest.Blocks) is not { } block || Pick(random, block.Reads) is not { } buffer)
            return null;
        return Step.Of("cache_read", buffer.Name, block.Name, Pick(random, Scopes)!);
    }

    private static Step? StorageAlign(Random random, LoopNest nest)
    {
        var buffer = Pick(random, nest.Intermediates.Where(b => b.Rank >= 2));
        if (buffer is null)
            return null;
        long factor = new long[] { 4, 8, 16 }[random.Next(3)];
        return Step.Of(
            "storage_align",
            buffer.Name,
            Text(random.Next(buffer.Rank)),
            Text(factor),
            Text(random.Next((int)factor))
        );
    }

    private static Step? Swizzle(Random random, LoopNest nest)
    {
        var buffer = Pick(random, nest.Intermediates.Where(b => b.Rank >= 2));
        if (buffer is null)
            return null;
        var step = Step.Of("swizzle", buffer.Name, Text(1 << random.Next(2)), Text(random.Next(1, 3)));
        return random.Next(3) == 0 ? step.With("row", Text(random.Next(buffer.Rank))) : step;
    }

    private static Step? TransformLayout(Random random, LoopNest nest)
    {
        var buffer = Pick(random, nest.Intermediates.Where(b => b.Rank >= 1));
        if (buffer is null)
            return null;
        string[] dims = [.. Enumerable.Range(0, buffer.Rank).Select(d => $"d{d}")];
        var places = new List<string>(dims);
        if (random.Next(3) > 0)
        {
            int d = random.Next(dims.Length);
            string by = Factor(random);
            places[d] = $"{dims[d]}/{by}";
            places.Insert(random.Next(places.Count + 1), $"{dims[d]}%{by}");
        }
        if (random.Next(2) == 0)
        {
            string[] shuffled = [.. places];
            random.Shuffle(shuffled);
            places = [.. shuffled];
        }
        var step = Step.Of("transform_layout", buffer.Name, $"{string.Join(",", dims)}->{string.Join(",", places)}");
        return random.Next(2) == 0 ? step.With("pad", "zero") : step;
    }

    private static Step? PadEinsum(Random random, LoopNest nest)
    {
        var sums = nest.Blocks.Where(b => b.Reducer is { IsSum: true }).ToList();
        var block = sums.Count > 0 ? Pick(random, sums) : Pick(random, nest.Blocks);
        return block is null
            ? null
            : Step.Of("pad_einsum", block.Name, string.Join(",", block.Axes.Select(_ => Factor(random))));
    }

    // Where a sum accumulates in a loop of an instruction's extent, that loop more often than any.
    private static Step? Tensorize(Random random, LoopNest nest)
    {
        var names = IntrinsicLibrary.All.Keys.Order(StringComparer.Ordinal).ToList();
        var fitting = nest
            .Loops.Where(l => l.Body is Block { Reducer.IsSum: true, Init: false })
            .SelectMany(l =>
                names
                    .Where(n => IntrinsicLibrary.All[n].Meaning.Axes is [var only] && only.Extent == l.Extent)
                    .Select(n => Step.Of("tensorize", l.Name, n))
            )
            .ToList();
        return fitting.Count > 0 && random.Next(4) > 0
            ? Pick(random, fitting)
            : LoopStep("tensorize", random, nest, Pick(random, names));
    }

    // The copy that cache_read made goes below a loop around the block that reads it.
    private static Step? CopyInside(Random random, LoopNest nest)
    {
        var copy = nest.Blocks.FirstOrDefault(b => b.Name.EndsWith(".copy", StringComparison.Ordinal));
        var reader = copy is null ? null : nest.Blocks.FirstOrDefault(b => b.Reads.Contains(copy.Output));
        var loop = reader is null ? null : Pick(random, nest.LoopsAround(reader));
        return loop is null ? null : Step.Of("compute_at", copy!.Name, loop.Name);
    }
}
