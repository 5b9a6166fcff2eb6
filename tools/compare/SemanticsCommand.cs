using System.CommandLine;
using Picograd.Compare.Cases;

namespace Picograd.Compare;

/// <summary>
/// Draws cases of every function of the tensor surface and compares dtypes, shapes, values, gradients and refusals. Ends with 1
/// if one differs that <see cref="OnPurpose"/> does not explain.
/// </summary>
internal static class SemanticsCommand
{
    public static Command Create()
    {
        var each = new Option<int>("--cases") { Description = "Cases of each function", DefaultValueFactory = _ => 20 };
        var seed = new Option<int>("--seed")
        {
            Description = "The same seed draws the same cases",
            DefaultValueFactory = _ => 1,
        };
        var halves = new Option<int>("--halves")
        {
            Description = "How many of a hundred floats are float16 or bfloat16",
            DefaultValueFactory = _ => 20,
        };
        var filter = new Option<string?>("--filter") { Description = "Only functions whose name holds this" };
        var show = new Option<bool>("--show") { Description = "Every case, before it runs" };
        var command = new Command("semantics", "Values, gradients, dtypes, shapes and refusals")
        {
            each,
            seed,
            halves,
            filter,
            show,
        };
        command.SetAction(parsed =>
            Run(
                parsed.GetValue(each),
                parsed.GetValue(seed),
                parsed.GetValue(halves),
                parsed.GetValue(filter),
                parsed.GetValue(show)
            )
        );
        return command;
    }

    private static int Run(int each, int seed, int halves, string? filter, bool show)
    {
        Subject[] subjects =
        [
            .. ElementwiseCases.All,
            .. ReductionCases.All,
            .. ViewCases.All,
            .. IndexCases.All,
            .. ProductCases.All,
            .. ImageCases.All,
            .. RearrangingCases.All,
            .. OrderCases.All,
            .. SurfaceCases.All,
            .. LinearAlgebraCases.All,
            .. FourierCases.All,
            .. MoreSurfaceCases.All,
            .. SpecialCases.All,
            .. ProgramCases.All,
            .. LayerCases.All,
            .. OptimizerCases.All,
            .. ScatterCases.All,
            .. DrawnCases.All,
        ];
        var chosen = subjects.Where(s => filter is null || s.Name.Contains(filter, StringComparison.Ordinal)).ToArray();
        if (chosen.Length == 0)
        {
            Console.Error.WriteLine(
                $"compare: no function's name holds '{filter}'; there are {string.Join(", ", subjects.Select(s => s.Name))}."
            );
            return 2;
        }
        int cases = 0;
        int unexplained = 0;
        var onPurpose = new Dictionary<string, int>();
        foreach (var subject in chosen)
            for (int i = 0; i < each; i++)
            {
                // Each case has a seed of its own: the others do not change it.
                var trial = subject.Draw(new Draw(HashCode(subject.Name, seed, i), halves));
                if (show)
                    Console.WriteLine(trial);
                cases++;
                if (Comparison.Of(trial) is not { } difference)
                    continue;
                if (OnPurpose.Of(trial.ToString(), difference) is { } known)
                {
                    onPurpose[known.Reason] = onPurpose.GetValueOrDefault(known.Reason) + 1;
                    continue;
                }
                unexplained++;
                Console.WriteLine($"{subject.Name} {i}: {trial}\n    {difference}");
            }
        foreach (var (reason, count) in onPurpose.OrderByDescending(p => p.Value))
            Console.WriteLine($"on purpose, {count}: {reason}");
        int agree = cases - unexplained - onPurpose.Values.Sum();
        Console.WriteLine(
            $"{chosen.Length} functions, {cases} cases: {agree} agree, {onPurpose.Values.Sum()} differ on purpose, {unexplained} differ"
        );
        return unexplained == 0 ? 0 : 1;
    }

    /// <summary>The same in every process, unlike <see cref="string.GetHashCode()"/>.</summary>
    private static int HashCode(string name, int seed, int at)
    {
        uint hash = 2166136261;
        foreach (char c in $"{name}/{seed}/{at}")
            hash = (hash ^ c) * 16777619;
        return (int)hash;
    }
}
