using System.Collections.Immutable;
using System.Text;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// A primitive at work: the nest before, one step, the nest after. The tests replay every example and compare the nest
/// with <see cref="After"/>; docs/primitives.md is written from them.
/// </summary>
/// <param name="Sample">Key of <see cref="SampleAlgorithms.All"/>.</param>
/// <param name="Setup">Steps applied first, as trace lines.</param>
/// <param name="Step">The step shown, as a trace line.</param>
/// <param name="After">The nest after it, as printed.</param>
public sealed record PrimitiveExample(string Sample, ImmutableArray<string> Setup, string Step, string After)
{
    public PrimitiveExample(string sample, string step, string after)
        : this(sample, [], step, after) { }

    /// <summary>The nest that the step is applied to.</summary>
    public LoopNest Before()
    {
        var nest = InitialNest.Of(SampleAlgorithms.All[Sample]());
        foreach (string line in Setup)
            nest = Run(nest, line);
        return nest;
    }

    /// <summary>The nest that the step really gives.</summary>
    public LoopNest Result() => Run(Before(), Step);

    private static LoopNest Run(LoopNest nest, string line)
    {
        var step = Schedules.Ir.Step.Parse(line);
        return PrimitiveRegistry.Get(step.Primitive).Apply(nest, step);
    }
}

/// <summary>docs/primitives.md: every primitive with its form, its requirements and its example.</summary>
public static class PrimitiveDocs
{
    public static string Markdown()
    {
        var text = new StringBuilder();
        text.Append(
            """
            # Schedule primitives

            Each step rewrites a valid loop nest to another that computes the same, or refuses and says why. A step is one
            line of a trace: `results = primitive arguments option=value`. Without the results' names it makes up its own.

            This page is generated from the primitives themselves; the tests check that it is up to date (set
            `PICOGRAD_UPDATE=1` to write it again).

            """.ReplaceLineEndings("\n")
        );
        foreach (var primitive in PrimitiveRegistry.All.Values.OrderBy(p => p.Name, StringComparer.Ordinal))
        {
            text.Append($"\n## {primitive.Name}\n\n`{primitive.Usage}`\n\n{Unwrap(primitive.Requirements)}\n");
            if (primitive.Example is not { } example)
                continue;
            string setup = example.Setup.IsEmpty
                ? ""
                : $", after {string.Join(" and ", example.Setup.Select(s => $"`{s}`"))}";
            text.Append($"\nOn the sample `{example.Sample}`{setup}:\n\n```\n{Text(example.Before().ToString())}```\n");
            text.Append($"\n`{example.Step}` gives\n\n```\n{Text(example.After)}```\n");
        }
        return text.ToString();
    }

    private static string Text(string nest) => nest.ReplaceLineEndings("\n").TrimEnd('\n') + "\n";

    private static string Unwrap(string prose) =>
        string.Join("\n", prose.ReplaceLineEndings("\n").Split('\n').Select(line => line.Trim()));
}
