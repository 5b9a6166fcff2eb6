using System.CommandLine;
using System.Globalization;

namespace Picograd.Examples;

/// <summary>What the command lines of the examples have in common.</summary>
internal static class Example
{
    /// <summary>Where the data lies: the folder that PICOGRAD_DATA names, unless --data says otherwise.</summary>
    public static Option<string> Data { get; } =
        new("--data")
        {
            Description = "Folder with the data; by default what the environment variable PICOGRAD_DATA names",
            DefaultValueFactory = _ => Environment.GetEnvironmentVariable("PICOGRAD_DATA") ?? "",
        };

    /// <summary>A picture of the run.</summary>
    public static Option<string?> Plot { get; } = new("--plot") { Description = "File for a picture, .svg or .png" };

    /// <summary>Start of all random numbers.</summary>
    public static Option<long> Seed { get; } =
        new("--seed") { Description = "Start of all random numbers", DefaultValueFactory = _ => 1 };

    /// <summary>An option with a value that it has where it is not given.</summary>
    public static Option<T> Option<T>(string name, T value, string description) =>
        new(name) { Description = description, DefaultValueFactory = _ => value };

    /// <summary>Parses the command line and runs the example. What is wrong with a file or a value is one sentence, and the exit code 2.</summary>
    public static int Run(RootCommand command, string[] args, Action<ParseResult> action)
    {
        command.Does(action);
        return command.Run(args);
    }

    /// <summary>What a command does. A file or a value that is wrong is one sentence, and the exit code 2.</summary>
    public static void Does(this Command command, Action<ParseResult> action) =>
        command.SetAction(parsed =>
        {
            try
            {
                action(parsed);
                return 0;
            }
            catch (Exception e) when (IsOfInput(e))
            {
                Console.Error.WriteLine(
                    $"{typeof(Example).Assembly.GetName().Name}: {e.Message.ReplaceLineEndings(" ")}"
                );
                return 2;
            }
        });

    // Files that cannot be read or written, or have not what they should (also other tensors or shapes), and values out of range.
    private static bool IsOfInput(Exception e) =>
        e
            is UsageException
                or IOException
                or UnauthorizedAccessException
                or InvalidDataException
                or FormatException
                or ArgumentException
                or KeyNotFoundException
                or NotSupportedException;

    /// <summary>Parses the command line and runs the command that it names.</summary>
    public static int Run(this RootCommand command, string[] args)
    {
        CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        return command.Parse(args).Invoke(new() { EnableDefaultExceptionHandler = false });
    }

    /// <summary>A file of the data.</summary>
    /// <exception cref="FileNotFoundException">There is none; says where it was looked for.</exception>
    public static string File(ParseResult parsed, string name)
    {
        string folder = parsed.GetValue(Data)!;
        if (folder.Length == 0)
            throw new UsageException("--data is missing, and PICOGRAD_DATA is not set; name the folder with the data.");
        string path = Path.Combine(folder, name);
        return System.IO.File.Exists(path)
            ? path
            : throw new FileNotFoundException($"there is no {name} in {Path.GetFullPath(folder)}.", path);
    }

    /// <summary>The value of an option that must lie in a range.</summary>
    public static T Within<T>(this ParseResult parsed, Option<T> option, T least, T most)
        where T : IComparable<T>
    {
        var value = parsed.GetValue(option)!;
        return value.CompareTo(least) >= 0 && value.CompareTo(most) <= 0
            ? value
            : throw new UsageException($"{option.Name} is {value}, but must be from {least} to {most}.");
    }

    /// <summary>How many pictures to train on: 0 for all, or enough for a batch.</summary>
    public static int Pictures(this ParseResult parsed, Option<int> limit, int batch) =>
        parsed.Within(limit, 0, int.MaxValue) is var count && (count == 0 || count >= batch)
            ? count
            : throw new UsageException(
                $"{limit.Name} is {count}, but must be 0, for all, or at least {batch}, the pictures of a step."
            );
}

/// <summary>A command line that cannot be followed; the message says why.</summary>
internal sealed class UsageException(string message) : Exception(message);
