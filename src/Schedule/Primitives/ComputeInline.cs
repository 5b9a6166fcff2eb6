using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>compute_inline block</c>: each read of the block's output becomes the block's value at the index read; the block,
/// its loops and its buffer go away.
/// </summary>
public sealed class ComputeInline : Primitive
{
    public override string Name => "compute_inline";

    public override string Usage => "compute_inline block";

    public override string Requirements =>
        """
            The block is a map (no reduction, scatter or scan) with one output, an intermediate that no other block
            writes, indexed by axes of the block, each once. Its predicate is always true. Readers may index the
            buffer in any way; no intrinsic or prefetch uses it.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            "compute_inline B",
            """
            for C.i in 0..8:
              for C.j in 0..12:
                block C(i = C.i, j = C.j):
                  C[i, j] = A[i, j] * 2.0 + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 1, 1);
        var block = nest.Block(Arg(nest, step, 0));
        RequireOwnAxes(nest, block);
        var buffer = Check(nest, block);
        Expr value = Op.Cast(buffer.Type, block.Values[0]);
        var axes = block.Indices.Cast<Var>().ToArray();

        Expr Inline(Expr e) =>
            e.Map(node =>
                node is Load load && load.Buffer == buffer
                    ? value.Substitute(axes.Zip(load.Indices, (a, i) => (a, Inline(i))).ToDictionary())
                    : null
            );

        var body = nest
            .Body.Remove(block)
            .MapUp(s =>
            {
                if (s is not Block reader || !reader.Reads.Contains(buffer))
                    return s;
                var simplifier = new Simplifier(nest.AxisRanges(reader));
                return reader with
                {
                    Indices = [.. reader.Indices.Select(i => simplifier.Visit(Inline(i)))],
                    Values = [.. reader.Values.Select(v => simplifier.Visit(Inline(v)))],
                };
            });
        var result = nest with { Body = body, Intermediates = nest.Intermediates.Remove(buffer) };
        return (result.WithoutStaleStoreAt(), []);
    }

    private Buffer Check(LoopNest nest, Block block)
    {
        if (!block.IsMap())
            throw Refuse(
                nest,
                block,
                $"block {block.Name} is not a map: {WhyNoMap(block)}",
                "blocks that set each element once from other buffers; compute_at for the rest"
            );
        if (block.Outputs.Length > 1)
            throw Refuse(
                nest,
                block,
                $"block {block.Name} writes several buffers: {string.Join(", ", block.Outputs.Select(o => o.Name))}",
                "blocks with one output"
            );
        var buffer = block.Output;
        if (!nest.Intermediates.Contains(buffer))
            throw Refuse(
                nest,
                block,
                $"block {block.Name} writes {buffer.Name}, an output of the algorithm",
                "blocks that write an intermediate; reverse_compute_inline folds an output's block into its producer"
            );
        if (nest.WritersOf(buffer) is { Length: > 1 } writers)
            throw Refuse(
                nest,
                block,
                $"{buffer.Name} is written by several blocks: {string.Join(", ", writers.Select(w => w.Name))}"
            );
        if (!nest.HoldsAlways(block) || nest.Body.PathTo(block)!.Value.OfType<If>().Any())
            throw Refuse(
                nest,
                block,
                $"block {block.Name} runs only where a predicate holds",
                "inline before its loops are split"
            );
        if (!block.ArePlainAxes(block.Indices))
            throw Refuse(
                nest,
                block,
                $"block {block.Name} writes {buffer.Name}[{string.Join(", ", block.Indices)}], which is not its axes, each once",
                "inline before transform_layout and swizzle"
            );
        var known = block.Indices.Cast<Var>().Concat(nest.ParameterRanges.Keys).ToHashSet();
        if (block.Values[0].FreeVars().FirstOrDefault(v => !known.Contains(v)) is { } stray)
            throw Refuse(
                nest,
                block,
                $"the value of block {block.Name} depends on {stray.Name}, which is not an index of {buffer.Name}"
            );
        if (nest.OtherUsesOf(buffer).FirstOrDefault() is { } use)
            throw Refuse(
                nest,
                use,
                $"{buffer.Name} is used by a statement that is not a block",
                "inline before tensorize and prefetch"
            );
        if (nest.ReadersOf(buffer).IsEmpty)
            throw Refuse(nest, block, $"no block reads {buffer.Name}, so there is nothing to inline into");
        int at = nest.OrderOf(block);
        foreach (var read in block.Reads)
        {
            if (nest.WritersOf(read).FirstOrDefault(w => nest.OrderOf(w) > at) is { } later)
                throw Refuse(
                    nest,
                    later,
                    $"block {later.Name} changes {read.Name} after block {block.Name} has read it"
                );
        }
        return buffer;
    }

    private static string WhyNoMap(Block block) =>
        block.Reducer is not null ? $"it reduces with {block.Reducer.Name}"
        : block.Axes.FirstOrDefault(a => a.Kind != AxisKind.Spatial) is { } axis
            ? $"its axis {axis.Name} is {axis.Kind.ToString().ToLowerInvariant()}"
        : "it reads its own output";
}
