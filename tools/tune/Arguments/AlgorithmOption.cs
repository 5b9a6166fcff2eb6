using System.CommandLine;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Text;

namespace Picograd.Tune;

/// <summary><c>--algorithm FILE</c>: a problem that no operator names, as the text of its algorithm.</summary>
internal static class AlgorithmOption
{
    // So many points are evaluated to find out whether the algorithm stays within its buffers.
    private const double MostPoints = 4e6;

    public static Option<string?> Create() =>
        new("--algorithm")
        {
            Description = "A file with the text of an algorithm, instead of SPEC; docs/algorithms.md has the grammar",
            HelpName = "FILE",
        };

    /// <summary>What SPEC and --algorithm name together, at least one.</summary>
    /// <exception cref="UsageException">Neither is given, or the file holds no algorithm that can be run.</exception>
    public static IReadOnlyList<Problem> Problems(ParseResult parsed, Argument<string[]> spec, Option<string?> option)
    {
        bool hasWords = parsed.GetValue(spec) is { Length: > 0 };
        if (parsed.GetValue(option) is not { } file)
        {
            return hasWords
                ? [.. SpecWords.Texts(parsed, spec).Select(Algorithms.Problem.OfOperator)]
                : throw new UsageException(
                    $"{SpecWords.Name} is missing: give an operator, such as matmul m=256 n=3072 k=768, or {option.Name} FILE."
                );
        }
        var read = Read(option.Name, file);
        return hasWords ? [.. SpecWords.Texts(parsed, spec).Select(Algorithms.Problem.OfOperator), read] : [read];
    }

    /// <summary>Exactly one.</summary>
    public static Problem Problem(ParseResult parsed, Argument<string[]> spec, Option<string?> option)
    {
        if (parsed.GetValue(option) is null && parsed.GetValue(spec) is { Length: > 0 })
            return SpecWords.ParseOne(parsed, spec);
        var problems = Problems(parsed, spec, option);
        return problems.Count == 1
            ? problems[0]
            : throw new UsageException(
                $"{problems.Count} problems are given ({string.Join("; ", problems)}), but this command takes one."
            );
    }

    /// <summary>Whether a text is an algorithm's.</summary>
    public static bool IsAlgorithm(string text) =>
        text.Split('\n').Select(l => l.Trim()).FirstOrDefault(l => l.Length > 0 && l[0] != '#') is { } first
        && first.Split([' ', '\t'], 2)[0] == "algorithm";

    /// <summary>The problem of a file.</summary>
    public static Problem Read(string argument, string file) =>
        Parse($"{argument} '{file}'", TextFile.Read(argument, file));

    /// <summary>The problem of a text.</summary>
    /// <exception cref="UsageException">The text is no algorithm, or one that cannot be run.</exception>
    public static Problem Parse(string where, string text)
    {
        Problem problem;
        try
        {
            problem = Algorithms.Problem.Parse(text);
        }
        catch (AlgorithmTextException e)
        {
            throw new UsageException($"{where}: {e.Message.TrimEnd('.')}.", e);
        }
        // Of a range its ends, which everything in between lies between.
        var parameters = problem.Algorithm.Parameters;
        Problem[] ends = problem.IsRange
            ? [problem.At([.. parameters.Select(p => p.Min)]), problem.At([.. parameters.Select(p => p.Max)])]
            : [problem];
        foreach (var end in ends)
            OperatorMemory.RequireRoom(end);
        try
        {
            // What reads or writes out of bounds would do so in kernels, too.
            foreach (var end in ends)
                SampledEvaluator.Run(end.Algorithm, end.MakeInputs(1), MostPoints, 1);
        }
        catch (EvaluationException e)
        {
            throw new UsageException($"{where} cannot be evaluated: {e.Message.Split('\n')[0].TrimEnd('.')}.", e);
        }
        return problem;
    }
}
