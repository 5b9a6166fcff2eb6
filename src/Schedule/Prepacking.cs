using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules;

/// <summary>
/// A program in two: one that makes the copy of an operand that its loops read (packed, converted), and one that reads the copy.
/// Who knows that the operand is what it was makes the copy once. Both compute what the whole does, to the bit.
/// </summary>
/// <param name="Input">Which of the algorithm's inputs is copied.</param>
/// <param name="Copy">The copy; its shape is constant.</param>
/// <param name="Pack">Writes the copy, its only output, and reads the operand alone of the algorithm's inputs.</param>
/// <param name="Main">The rest, the copy being its last input, behind the algorithm's own.</param>
public sealed record Prepacking(int Input, Buffer Copy, LoopNest Pack, LoopNest Main)
{
    // An element's copy costs about half a cycle, of which 32 multiply-adds are done in one: 5 % of a product of 320 rows.
    private const double MostUses = 320;

    // What is less is copied in a microsecond.
    private const long FewestElements = 2048;

    /// <summary>Elements of the copy.</summary>
    public long Elements => Copy.ConstantSize()!.Value;

    /// <summary>Where each element of the copy comes from; equal for programs that may share one.</summary>
    public string Layout { get; } = Describe(Pack, Input, Copy);

    /// <summary>
    /// The operands of which one may be copied beforehand, the largest first; none where nothing is copied, or copies are too small a
    /// part of the work.
    /// </summary>
    /// <param name="nest">A program by primitives, before any pass.</param>
    /// <param name="extents">Values of its symbolic extents; null for all that they may have.</param>
    public static ImmutableArray<Prepacking> Of(LoopNest nest, IReadOnlyList<long>? extents = null)
    {
        if (!MayHave(nest) || Whole(nest) is not { } whole)
            return [];
        var algorithm = whole.Algorithm;
        var ranges = algorithm.Parameters.Select(
            (p, i) =>
                (p.Var, Range: extents is null ? new Interval(p.Min, p.Max) : new Interval(extents[i], extents[i]))
        );
        var values = ranges.ToDictionary(r => r.Var, r => r.Range);
        double work = algorithm
            .Stages.Where(s => s.Kind == StageKind.Reduce)
            .Sum(s => s.Axes.Aggregate(1.0, (n, a) => n * Interval.Of(a.Extent, values).Max));
        var found = ImmutableArray.CreateBuilder<Prepacking>();
        foreach (var item in whole.Body is Seq all ? all.Items : [whole.Body])
        {
            if (
                Operand(whole, item) is not var (input, copy, block)
                || copy.ConstantSize() is not { } elements
                || elements < FewestElements
                || work > elements * MostUses
                || UsesParameters(whole, item)
            )
                continue;
            var pack = whole with
            {
                Algorithm = algorithm.WithArguments(algorithm.Inputs, [copy]),
                Body = item,
                Intermediates = [],
            };
            var main = whole with
            {
                Algorithm = algorithm.WithArguments(algorithm.Inputs.Add(copy), algorithm.Outputs),
                Body = whole.Body.Remove(block),
                Intermediates = whole.Intermediates.Remove(copy),
            };
            found.Add(new Prepacking(input, copy, pack, main));
        }
        return [.. found.OrderByDescending(f => f.Elements)];
    }

    /// <summary>Whether a program may have copies to keep, without looking closely.</summary>
    public static bool MayHave(LoopNest nest) =>
        nest.Intermediates.Any(b => b.Scope == Scope.Heap)
        && nest.Algorithm.Stages.Any(s => s.Kind == StageKind.Reduce);

    // An element-wise copy of one input, made before all else.
    private static (int Input, Buffer Copy, Block Block)? Operand(LoopNest nest, Stmt item)
    {
        var blocks = item.Nodes().OfType<Block>().ToList();
        if (
            blocks is not [{ IsReduction: false, Outputs: [var copy] } block]
            || item.Nodes().Any(s => s is not (For or Block))
            || !nest.Intermediates.Contains(copy)
            || copy.Scope != Scope.Heap
            || nest.StoreAt.ContainsKey(copy.Name)
            || nest.Blocks.Count(b => b.Outputs.Contains(copy)) != 1
        )
            return null;
        var read = block.Loads.Select(l => l.Buffer).Distinct().ToList();
        if (read is not [var operand] || nest.Algorithm.Inputs.IndexOf(operand) is not (>= 0 and var input))
            return null;
        bool changes = nest.Algorithm.Outputs.Any(o => nest.Algorithm.ReplacedBy(o) == operand);
        return changes ? null : (input, copy, block);
    }

    // A copy that depends on a length is none to be kept for others.
    private static bool UsesParameters(LoopNest nest, Stmt item) =>
        !nest.Algorithm.Parameters.IsEmpty
        && item.Nodes()
            .Any(s =>
                s is For f && nest.Parameters.Any(f.Extent.Uses)
                || s is Block b && b.Loads.Any(l => l.Indices.Any(i => nest.Parameters.Any(i.Uses)))
            );

    // Copies that are made for a tile at a time are made for all of them.
    private static LoopNest? Whole(LoopNest nest)
    {
        bool IsCopy(Step step) =>
            step.Primitive == "compute_at"
            && step.Args is [var name, ..]
            && nest.Blocks.FirstOrDefault(b => b.Name == name) is { IsReduction: false } block
            && block.Loads.All(l => nest.Algorithm.Inputs.Contains(l.Buffer));
        if (!nest.Trace.Any(IsCopy))
            return nest;
        var s = new Schedule(nest.Algorithm);
        try
        {
            foreach (var step in nest.Trace.Where(step => !IsCopy(step)))
                s.Apply(step);
        }
        catch (ScheduleException)
        {
            // Loops of the copy have other extents, for which a later step does not do.
            return null;
        }
        return s.Nest;
    }

    // By all that says which element goes where; arguments that the copy does not come from do not matter, nor does the trace.
    private static string Describe(LoopNest pack, int input, Buffer copy)
    {
        var operand = pack.Algorithm.Inputs[input];
        string strides = operand.Strides.IsDefault ? "" : $" strides[{string.Join(", ", operand.Strides)}]";
        return $"{operand}{strides}\n{NestPrinter.Print(pack with { Intermediates = [copy] })}";
    }
}
