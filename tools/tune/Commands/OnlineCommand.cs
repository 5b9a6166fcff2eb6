using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Picograd.Dispatch;
using Picograd.Dispatch.Profiles;

namespace Picograd.Tune;

/// <summary>
/// Hidden: tunes beside a program that runs with PICOGRAD_TUNE=online, which starts it. Profiles of that program come in, as blocks
/// of a profile file each of which holds everything so far; a line goes out for each winner that was stored and beats the default:
/// <c>stored cpu matmul m=32 n=200 k=30</c>. It ends when its input does. All of that is done by this command once more in a process
/// that the first one paces.
/// </summary>
internal static class OnlineCommand
{
    public const string Name = "online";
    private const string Paced = "--paced";

    public static Command Create(ToolConsole console)
    {
        var db = CommonOptions.Db();
        var seed = CommonOptions.Seed();
        var share = new Option<string?>("--share")
        {
            Description = "Of one core, on average, 0.01 to 1; default 0.25",
            HelpName = "PART",
        };
        var paced = new Option<int?>(Paced) { Description = "This is the process that is paced, by that one" };
        var command = new Command(Name, "Tunes what a running program reports") { db, seed, share, paced };
        command.Hidden = true;
        command.SetAction(parsed =>
        {
            double part = ShareOf(parsed, share);
            if (parsed.GetValue(paced) is not { } pacing)
                return new PacedProcess(part).Run(Itself(parsed, db, seed), console.Cancel);
            // Ended before it could be told.
            if (ProcessControl.IsSupported && !ProcessControl.BeginGroup(pacing))
                return TuneCommand.Failure;
            // What is printed elsewhere must not get between the answers.
            var answers = Console.Out;
            Console.SetOut(Console.Error);
            using var tuner = new OnlineTuner(
                console with
                {
                    Out = console.Error,
                    IsTerminal = false,
                    // The program's warning quotes what is said last.
                    TellsProgress = false,
                },
                parsed.GetValue(db),
                CommonOptions.SeedOf(parsed, seed),
                (device, spec) =>
                {
                    answers.WriteLine($"stored {device} {spec}");
                    answers.Flush();
                }
            );
            Serve(tuner, Console.In, console.Cancel);
            return TuneCommand.Success;
        });
        return command;
    }

    private static ProcessStartInfo Itself(ParseResult parsed, Option<string?> db, Option<string?> seed)
    {
        var program = TuningRun.Program([
            Name,
            Paced,
            Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
            .. parsed.GetValue(db) is { } address ? (string[])[db.Name, address] : [],
            .. parsed.GetValue(seed) is { } number ? (string[])[seed.Name, number] : [],
        ]);
        return new ProcessStartInfo(program.File, program.Arguments) { UseShellExecute = false };
    }

    private static void Serve(OnlineTuner tuner, TextReader input, CancellationToken cancel)
    {
        OperatorProfile? latest = null;
        OperatorProfile? before = null;
        using var news = new AutoResetEvent(false);
        var reader = new Thread(() =>
        {
            try
            {
                while (ReadBlock(input) is { } block)
                {
                    // Before the first one the program prepares itself, with much that it does once.
                    if (before is not null)
                    {
                        Volatile.Write(ref latest, Between(before, block));
                        news.Set();
                    }
                    before = block;
                }
            }
            catch (FormatException e)
            {
                // A program of another version, whose warning quotes this.
                Console.Error.WriteLine($"tune: the profile of the program cannot be read: {e.Message}.");
                Environment.Exit(TuneCommand.Failure);
            }
            // The program is gone. A search that is under way has nobody to tell.
            Environment.Exit(TuneCommand.Success);
        })
        {
            IsBackground = true,
        };
        reader.Start();
        while (!cancel.IsCancellationRequested)
        {
            WaitHandle.WaitAny([news, cancel.WaitHandle]);
            while (!cancel.IsCancellationRequested && tuner.TuneNext(Volatile.Read(ref latest)!)) { }
        }
    }

    /// <summary>What ran between two reports, each of which holds everything before it.</summary>
    private static OperatorProfile Between(OperatorProfile earlier, OperatorProfile later)
    {
        var before = earlier.Operators.ToDictionary(KeyOf);
        return later with
        {
            Operators =
            [
                .. later
                    .Operators.Select(o =>
                        before.TryGetValue(KeyOf(o), out var b)
                            ? o with
                            {
                                Calls = o.Calls - b.Calls,
                                Milliseconds = o.Milliseconds - b.Milliseconds,
                            }
                            : o
                    )
                    .Where(o => o.Calls > 0),
            ],
        };

        static (string, string, string, KernelSource, string?) KeyOf(RecordedOperator o) =>
            (o.Spec, o.Device, o.Target, o.Source, o.Record);
    }

    private static OperatorProfile? ReadBlock(TextReader input)
    {
        var lines = new List<string>();
        while (input.ReadLine() is { } line)
        {
            lines.Add(line);
            if (OperatorProfile.IsEnd(line))
                return OperatorProfile.Parse(string.Join('\n', lines));
        }
        return null;
    }

    private static double ShareOf(ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) is not { } text ? 0.25
        : double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double share)
        && share is >= 0.01 and <= 1
            ? share
        : throw new UsageException($"{option.Name} is '{text}', but must be a number from 0.01 to 1.");
}
