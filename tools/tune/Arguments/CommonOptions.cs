using System.CommandLine;
using System.Globalization;
using Picograd.Dispatch;

namespace Picograd.Tune;

/// <summary>Options that several commands have, read with one wording of what is wrong.</summary>
internal static class CommonOptions
{
    public static Option<string?> Db() =>
        new("--db")
        {
            Description =
                "Database: a file, or litedb:FILE or sqlite:FILE; default: PICOGRAD_TUNEDB, else in the user's data folder",
            HelpName = "FILE",
        };

    public static Option<string?> Threads() =>
        new("--threads")
        {
            Description =
                $"Threads that kernels may use, 1 to {Environment.ProcessorCount}; default: one a physical core",
            HelpName = "N",
            CompletionSources =
            {
                _ =>
                    Enumerable
                        .Range(1, Environment.ProcessorCount)
                        .Select(n => n.ToString(CultureInfo.InvariantCulture)),
            },
        };

    public static Option<string?> Target() =>
        new("--target")
        {
            Description = "cpu (default), cuda or cuda:N",
            HelpName = "NAME",
            CompletionSources = { Targets.Cpu, Targets.Cuda },
        };

    public static Option<bool> Json() => new("--json") { Description = "One JSON object a line" };

    public static Option<string?> Seed() =>
        new("--seed") { Description = "Decides every random choice of the search; default 0", HelpName = "N" };

    /// <exception cref="UsageException">Not a whole number.</exception>
    public static int SeedOf(ParseResult parsed, Option<string?> option) =>
        (int)Whole(parsed, option, 0, int.MaxValue, 0);

    /// <summary>The number of threads; where it is not given, that of programs that name none.</summary>
    /// <exception cref="UsageException">Not a whole number, or more than the machine has.</exception>
    public static int ThreadsOf(ParseResult parsed, Option<string?> option)
    {
        int named = (int)Whole(parsed, option, 1, Environment.ProcessorCount, 0);
        try
        {
            return named > 0 ? named : Dispatcher.DefaultNumThreads;
        }
        catch (InvalidOperationException e)
        {
            // What the environment says is wrong.
            throw new UsageException(e.Message, e);
        }
    }

    /// <summary>A whole number within limits.</summary>
    /// <exception cref="UsageException">Not a whole number, or outside the limits.</exception>
    public static long Whole(ParseResult parsed, Option<string?> option, long least, long most, long fallback)
    {
        if (parsed.GetValue(option) is not { } text)
            return fallback;
        return
            long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            && value >= least
            && value <= most
            ? value
            : throw new UsageException(
                $"{option.Name} is '{text}', but must be a whole number from {least} to {most}."
            );
    }
}
