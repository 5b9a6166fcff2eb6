using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Tests.Properties;

/// <summary>Small faults of the kind that a wrong primitive would make, put into a right nest.</summary>
internal static class Mutation
{
    /// <summary>Each gives the mutants of its kind; none where the nest has nothing to break in that way.</summary>
    public static IReadOnlyDictionary<string, Func<LoopNest, IEnumerable<LoopNest>>> All { get; } =
        new Dictionary<string, Func<LoopNest, IEnumerable<LoopNest>>>
        {
            ["loop one short"] = n => Each<For>(n, f => Wide(f) ? f with { Extent = f.Extent - 1 } : null),
            ["loop one long"] = n =>
                Each<For>(n, f => f.Body.Nodes().OfType<Block>().Any() ? f with { Extent = f.Extent + 1 } : null),
            ["init dropped"] = n => Each<Block>(n, b => b.Init ? b with { Init = false } : null),
            ["reduction in parallel"] = n =>
                Each<For>(n, f => Wide(f) && Reduces(f) ? f with { Kind = LoopKind.Parallel } : null),
            ["reduction in lanes"] = n =>
                Each<For>(n, f => Wide(f) && Reduces(f) ? f with { Kind = LoopKind.Vector } : null),
            ["written next to its place"] = n =>
                Each<Block>(
                    n,
                    b => b.Indices.IsEmpty ? null : b with { Indices = b.Indices.SetItem(0, b.Indices[0] + 1) }
                ),
            ["read next to its place"] = n => Each<Block>(n, ReadsNeighbour),
            ["statements swapped"] = n =>
                Each<Seq>(n, s => Depends(s) ? Seq.Of([s.Items[1], s.Items[0], .. s.Items.Skip(2)]) : null),
            ["statement dropped"] = n => Each<Seq>(n, s => Seq.Of(s.Items.RemoveAt(0))),
        };

    private static IEnumerable<LoopNest> Each<T>(LoopNest nest, Func<T, Stmt?> mutate)
        where T : Stmt
    {
        foreach (var statement in nest.Body.Nodes().OfType<T>())
        {
            if (mutate(statement) is { } mutant)
                yield return nest.Replace(statement, mutant);
        }
    }

    private static bool Wide(For f) => f.ConstantExtent > 1 && f.Kind == LoopKind.Serial;

    // Into one element on every iteration: a scatter may have no duplicates.
    private static bool Reduces(For f) =>
        f.Body is Block { IsReduction: true } b
        && b.Predicate.IsTrue()
        && !b.Indices.Any(i => i.Loads().Any())
        && b.ReduceAxes.Any(a => a.Binding == f.Var);

    private static bool Depends(Seq s)
    {
        if (s.Items.Length < 2)
            return false;
        var written = s.Items[0].Nodes().OfType<Block>().SelectMany(b => b.Outputs).ToHashSet();
        return s.Items[1].Nodes().OfType<Block>().Any(b => b.Reads.Any(written.Contains));
    }

    private static Block? ReadsNeighbour(Block block)
    {
        // Behind a condition the neighbour may never be read.
        if (block.Values is not [{ } value] || value.Nodes().Any(e => e is Select))
            return null;
        var load = value.Loads().FirstOrDefault(l => !l.Indices.IsEmpty && !l.Indices.Any(i => i.Loads().Any()));
        if (load is null)
            return null;
        var moved = new Load(load.Buffer, load.Indices.SetItem(0, load.Indices[0] + 1));
        return block with { Values = [value.Map(e => e is Load l && l == load ? moved : null)] };
    }
}
