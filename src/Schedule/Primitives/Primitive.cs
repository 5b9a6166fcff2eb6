using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// A schedule primitive: a pure function from a valid nest to a valid nest that computes the same. Subclasses sit one a
/// file in this folder with their requirements and a before / after example, which the tests run.
/// </summary>
public abstract class Primitive
{
    public abstract string Name { get; }

    /// <summary>Form of the trace line, for help and errors.</summary>
    public abstract string Usage { get; }

    /// <summary>Requirements in a few lines of prose.</summary>
    public abstract string Requirements { get; }

    /// <summary>The primitive at work on a small nest; the tests run it and demand one of every primitive.</summary>
    public virtual PrimitiveExample? Example => null;

    /// <summary>
    /// Checks and rewrites. Returns the new nest and the names of what it made (loops, blocks, buffers), which replace
    /// the step's Results; where the step already gives result names, those are used.
    /// </summary>
    protected abstract (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step);

    /// <summary>The step as the trace keeps it, where that says more than was asked for (results are filled in).</summary>
    protected virtual Step Record(Step step) => step;

    /// <summary>Applies the step and appends it to the trace. Throws <see cref="ScheduleException"/>.</summary>
    public LoopNest Apply(LoopNest nest, Step step)
    {
        try
        {
            CheckResultNames(nest, step);
            var (result, names) = Rewrite(nest, step);
            if (!step.Results.IsEmpty && step.Results.Length != names.Length)
                throw Refuse(
                    nest,
                    null,
                    $"it makes {names.Length} results, the step names {step.Results.Length}",
                    Usage
                );
            result = result.WithoutStaleStoreAt() with
            {
                Trace = nest.Trace.Add(Record(step) with { Results = names }),
            };
            NestVerifier.Check(result);
            Concurrency.RequireStill(nest, result);
            return result;
        }
        catch (ScheduleException e) when (e.Primitive is null)
        {
            // Where no alternative can be named, what the primitive asks for is what would be legal.
            string legal =
                e.Legal ?? string.Join(' ', Requirements.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
            throw new ScheduleException(e.Nest ?? nest, e.At, e.Reason, legal, step.ToString());
        }
    }

    protected ScheduleException Refuse(LoopNest nest, Stmt? at, string reason, string? legal = null) =>
        new(nest, at, reason, legal);

    protected string Arg(LoopNest nest, Step step, int index) =>
        index < step.Args.Length
            ? step.Args[index]
            : throw new ScheduleException(nest, null, $"argument {index + 1} is missing", Usage);

    protected long IntArg(LoopNest nest, Step step, int index, long min, long max)
    {
        string text = Arg(nest, step, index);
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value))
            throw new ScheduleException(nest, null, $"argument {index + 1} '{text}' is not a whole number", Usage);
        if (value < min || value > max)
            throw new ScheduleException(nest, null, $"argument {index + 1} is {value}", $"{min} to {max}");
        return value;
    }

    /// <summary>Refuses a wrong number of arguments.</summary>
    protected void ArgCount(LoopNest nest, Step step, int min, int max)
    {
        if (step.Args.Length < min || step.Args.Length > max)
            throw Refuse(nest, null, $"{step.Args.Length} arguments given", Usage);
    }

    /// <summary>Refuses to move a block whose expressions use loops around it directly, as those of a pipeline do.</summary>
    protected static void RequireOwnAxes(LoopNest nest, Block block)
    {
        var own = block.Axes.Select(a => a.Var).Concat(nest.Parameters).ToHashSet();
        var used = block
            .Indices.Concat(block.Values)
            .SelectMany(e => e.FreeVars())
            .FirstOrDefault(v => !own.Contains(v));
        if (used is not null)
            throw new ScheduleException(
                nest,
                block,
                $"block {block.Name} uses loop {used.Name} itself, in whose pipeline it is, and cannot leave it",
                "move the block before pipelining the loop"
            );
    }

    private static void CheckResultNames(LoopNest nest, Step step)
    {
        for (int i = 0; i < step.Results.Length; i++)
        {
            string name = step.Results[i];
            if (name.Length == 0 || !name.All(c => char.IsLetterOrDigit(c) || c is '_' or '.'))
                throw new ScheduleException(
                    nest,
                    null,
                    $"the result name '{name}' is not a name",
                    "letters, digits, '_' and '.'"
                );
            if (step.Results.IndexOf(name) < i)
                throw new ScheduleException(nest, null, $"the result name '{name}' is given twice");
        }
    }

    /// <summary>Name for result i: the one that the step asks for, else a fresh one from the wish.</summary>
    protected static string ResultName(LoopNest nest, Step step, int index, string wish)
    {
        if (index >= step.Results.Length)
            return nest.FreshName(wish);
        string name = step.Results[index];
        if (nest.FreshName(name) != name)
            throw new ScheduleException(nest, null, $"the result name '{name}' is taken");
        return name;
    }

    /// <summary>Refuses options that the primitive does not know.</summary>
    protected void KnownOptions(LoopNest nest, Step step, params string[] known)
    {
        foreach (string option in step.Options.Keys)
        {
            if (!known.Contains(option))
                throw new ScheduleException(
                    nest,
                    null,
                    $"unknown option '{option}'",
                    known.Length == 0 ? "no options" : string.Join(", ", known)
                );
        }
    }

    /// <summary>Simplifies an expression over the loops around it.</summary>
    protected static Expr Simplify(LoopNest nest, Expr e, IEnumerable<For> loops) =>
        Simplifier.Simplify(e, nest.Ranges(loops));
}
