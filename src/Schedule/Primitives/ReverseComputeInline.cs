using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>reverse_compute_inline block [producer]</c>: folds an element-wise block into the block that makes what it reads:
/// the producer computes and writes the block's result at once; the block, its loops and the buffer between go away.
/// </summary>
public sealed class ReverseComputeInline : Primitive
{
    public override string Name => "reverse_compute_inline";

    public override string Usage => "reverse_compute_inline block [producer]";

    public override string Requirements =>
        """
            The block and the producer are maps with one output that no other block writes. The block alone reads the
            producer's output, an intermediate, at its own axes, each once, covering it whole, and its predicate is
            always true. Whatever else it reads is complete before the producer starts. The producer must be named
            where several blocks would do.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            "reverse_compute_inline C",
            """
            for B.i in 0..8:
              for B.j in 0..12:
                block B(i = B.i, j = B.j):
                  C[i, j] = A[i, j] * 2.0 + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 1, 2);
        var block = nest.Block(Arg(nest, step, 0));
        RequireOwnAxes(nest, block);
        CheckConsumer(nest, block);
        var producer = step.Args.Length > 1 ? nest.Block(step.Args[1]) : SoleProducer(nest, block);
        if (WhyNot(nest, block, producer) is { } reason)
            throw Refuse(
                nest,
                producer,
                reason,
                "compute_at or reverse_compute_at, which move a block without folding it"
            );
        var between = producer.Output;
        var index = block.Values[0].Loads().First(l => l.Buffer == between).Indices;
        var place = index.Zip(producer.Indices, (axis, at) => ((Var)axis, at)).ToDictionary();
        Expr made = Op.Cast(between.Type, producer.Values[0]);
        var simplifier = new Simplifier(nest.AxisRanges(producer));

        // Reads of the buffer between all have the same index, which is where the producer writes.
        Expr Fold(Expr e) =>
            e.Map(node =>
                node is Load load && load.Buffer == between ? made
                : node is Var v && place.TryGetValue(v, out var at) ? at
                : null
            );

        var folded = producer with
        {
            Outputs = block.Outputs,
            Indices = [.. block.Indices.Select(i => simplifier.Visit(Fold(i)))],
            Values = [simplifier.Visit(Fold(block.Values[0]))],
        };
        var result = nest with
        {
            Body = nest.Body.Replace(producer, folded).Remove(block),
            Intermediates = nest.Intermediates.Remove(between),
        };
        return (result.WithoutStaleStoreAt(), []);
    }

    private void CheckConsumer(LoopNest nest, Block block)
    {
        if (!block.IsMap() || block.Outputs.Length != 1)
            throw Refuse(
                nest,
                block,
                $"block {block.Name} is not a map with one output",
                "blocks that set each element once; compute_inline goes the other way, into the consumer"
            );
        if (!nest.HoldsAlways(block) || nest.Body.PathTo(block)!.Value.OfType<If>().Any())
            throw Refuse(
                nest,
                block,
                $"block {block.Name} runs only where a predicate holds",
                "fold before its loops are split"
            );
        var known = block.Axes.Select(a => a.Var).Concat(nest.Parameters).ToHashSet();
        if (
            block.Indices.Concat(block.Values).SelectMany(e => e.FreeVars()).FirstOrDefault(v => !known.Contains(v)) is
            { } loop
        )
            throw Refuse(nest, block, $"block {block.Name} uses {loop.Name}, a loop that would go away with it");
        if (nest.WritersOf(block.Output).Length != 1)
            throw Refuse(nest, block, $"block {block.Name} is not the only one that writes {block.Output.Name}");
    }

    private Block SoleProducer(LoopNest nest, Block block)
    {
        var writers = block
            .Reads.Where(nest.Intermediates.Contains)
            .SelectMany(r => nest.WritersOf(r))
            .Distinct(ReferenceEqualityComparer.Instance)
            .Cast<Block>()
            .ToArray();
        if (writers.Length == 0)
            throw Refuse(nest, block, $"block {block.Name} reads no intermediate, so it has no producer to go into");
        var fit = writers.Where(w => WhyNot(nest, block, w) is null).ToArray();
        return (fit.Length, writers.Length) switch
        {
            (1, _) => fit[0],
            (_, 1) => writers[0],
            _ => throw Refuse(
                nest,
                block,
                $"block {block.Name} reads the outputs of several blocks, of which {fit.Length} could take it in",
                $"name one as second argument: {string.Join(", ", (fit.Length > 0 ? fit : writers).Select(w => w.Name))}"
            ),
        };
    }

    private static string? WhyNot(LoopNest nest, Block block, Block producer)
    {
        var between = producer.Output;
        if (!producer.IsMap() || producer.Outputs.Length != 1)
            return $"block {producer.Name}, the producer, is not a map with one output";
        if (!nest.Intermediates.Contains(between))
            return $"block {producer.Name} writes {between.Name}, which is an output of the algorithm";
        var loads = block.Values[0].Loads().Where(l => l.Buffer == between).ToArray();
        if (loads.Length == 0)
            return $"block {block.Name} does not read {between.Name}, the output of block {producer.Name}";
        if (block.Indices.Any(i => i.Loads().Any(l => l.Buffer == between)))
            return $"block {block.Name} uses {between.Name} to say where it writes";
        if (nest.WritersOf(between).Length != 1)
            return $"{between.Name} is written by several blocks";
        if (nest.ReadersOf(between) is { Length: > 1 } readers)
            return $"{between.Name} is read by several blocks: {string.Join(", ", readers.Select(r => r.Name))}";
        if (nest.OtherUsesOf(between).Any())
            return $"{between.Name} is used by a statement that is not a block";
        if (nest.Body.PathTo(producer)!.Value.OfType<If>().Any())
            return $"block {producer.Name}, the producer, runs only under a condition";
        var index = loads[0].Indices;
        if (
            loads.Any(l => l != loads[0])
            || !block.ArePlainAxes(index)
            || index.Length != block.Axes.Length
            || index.Select((v, d) => block.Axis(v).Extent == between.Shape[d]).Contains(false)
        )
            return $"block {block.Name} reads {string.Join(" and ", loads.Distinct())}, which is not each element once, at its axes";
        if (
            !producer.ArePlainAxes(producer.Indices)
            || producer.Indices.Length != producer.Axes.Length
            || producer.Indices.Select((v, d) => producer.Axis(v).Extent == between.Shape[d]).Contains(false)
        )
            return $"block {producer.Name} writes {between.Name}[{string.Join(", ", producer.Indices)}], which is not its axes, each once";
        return WhyTooEarly(nest, block, producer);
    }

    // The block will run where the producer runs: everything else that it reads must be there by then.
    private static string? WhyTooEarly(LoopNest nest, Block block, Block producer)
    {
        int at = nest.OrderOf(producer);
        var loops = nest.LoopsAround(producer);
        foreach (var read in block.Reads.Where(r => r != producer.Output))
        {
            foreach (var writer in nest.WritersOf(read))
            {
                bool together = nest.LoopsAround(writer)
                    .Any(l => loops.Contains(l, ReferenceEqualityComparer.Instance));
                if (nest.OrderOf(writer) > at || together)
                    return $"block {block.Name} also reads {read.Name}, which block {writer.Name} has not completed when block {producer.Name} runs";
            }
        }
        return null;
    }
}
