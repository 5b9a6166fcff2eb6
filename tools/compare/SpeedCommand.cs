using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare;

/// <summary>Times functions in both libraries in turns: of each the best turn counts, the ratio is the median of the pairs'.</summary>
internal static class SpeedCommand
{
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Rest = TimeSpan.FromMilliseconds(15);

    public static Command Create()
    {
        var threads = new Option<int>("--threads")
        {
            Description = "Threads of each library",
            DefaultValueFactory = _ => 1,
        };
        var turns = new Option<int>("--turns") { Description = "Turns of each", DefaultValueFactory = _ => 9 };
        var filter = new Option<string?>("--filter") { Description = "Only functions whose name holds this" };
        var skip = new Option<int>("--skip") { Description = "So many of them are left out first" };
        var take = new Option<int>("--take")
        {
            Description = "So many of them at most",
            DefaultValueFactory = _ => int.MaxValue,
        };
        var command = new Command("speed", "Times, in turns") { threads, turns, filter, skip, take };
        command.SetAction(parsed =>
            Run(
                parsed.GetValue(threads),
                parsed.GetValue(turns),
                parsed.GetValue(filter),
                parsed.GetValue(skip),
                parsed.GetValue(take)
            )
        );
        return command;
    }

    private static int Run(int threads, int turns, string? filter, int skip, int take)
    {
        torch.set_num_threads(threads);
        Tensor.SetNumThreads(threads);
        Console.WriteLine($"{"function", -44} {"picograd", 10} {"libtorch", 10}  libtorch / picograd");
        double logs = 0;
        int count = 0;
        foreach (
            var contest in Contests()
                .Where(c => filter is null || c.Name.Contains(filter, StringComparison.Ordinal))
                .Skip(skip)
                .Take(take)
        )
        {
            var (here, there) = (contest.Ours(), contest.Theirs());
            var (n, m) = (Calls(here), Calls(there));
            double bestHere = double.PositiveInfinity;
            double bestThere = double.PositiveInfinity;
            var ratios = new List<double>();
            for (int i = 0; i < turns; i++)
            {
                double a = Turned(here, n);
                double b = Turned(there, m);
                ratios.Add(b / a);
                bestHere = Math.Min(bestHere, a);
                bestThere = Math.Min(bestThere, b);
            }
            ratios.Sort();
            double ratio = ratios[ratios.Count / 2];
            logs += Math.Log(ratio);
            count++;
            Console.WriteLine(
                FormattableString.Invariant(
                    $"{contest.Name, -44} {Text(bestHere), 10} {Text(bestThere), 10}  {ratio:F2}"
                )
            );
        }
        if (count == 0)
        {
            Console.Error.WriteLine($"compare: no function's name holds '{filter}'.");
            return 2;
        }
        Console.WriteLine(
            FormattableString.Invariant($"{count} functions, geometric mean {Math.Exp(logs / count):F2}")
        );
        return 0;
    }

    private static int Calls(Action run)
    {
        run();
        run();
        for (int n = 1; ; n *= 2)
        {
            double each = Time(run, n);
            if (each * n >= Turn.TotalSeconds || n >= 1 << 20)
                return Math.Max(1, (int)(Turn.TotalSeconds / each));
        }
    }

    // Threads of the other library wait for more work for some milliseconds, busily.
    private static double Turned(Action run, int calls)
    {
        Thread.Sleep(Rest);
        run();
        return Time(run, calls);
    }

    private static double Time(Action run, int calls)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < calls; i++)
            run();
        return Stopwatch.GetElapsedTime(start).TotalSeconds / calls;
    }

    private static string Text(double seconds) =>
        seconds >= 1e-3
            ? (seconds * 1e3).ToString("G3", CultureInfo.InvariantCulture) + " ms"
            : (seconds * 1e6).ToString("G3", CultureInfo.InvariantCulture) + " µs";

    private static IEnumerable<Contest> Contests() =>
        [
            .. Cases.OperatorContests.All(),
            .. Functions(),
            .. Cases.NormContests.All(),
            .. Cases.LayerContests.All(),
            .. Cases.MemoryContests.All(),
            .. Cases.RowContests.All().Select(c => Contest.Of(c.Name, c.Ours, c.Theirs)),
        ];

    // Of elements that are in the second cache, at their own range.
    private static IEnumerable<Contest> Functions()
    {
        const long Elements = 16384;
        foreach (
            var (type, name, there) in new[]
            {
                (DType.Float32, "f32", ScalarType.Float32),
                (DType.Float64, "f64", ScalarType.Float64),
            }
        )
        {
            foreach (var f in Cases.FunctionCases.All)
            {
                yield return Contest.Of(
                    $"{f.Name} {name}, {Elements} elements",
                    () =>
                    {
                        var x = (Tensor.Rand(Elements) * (f.High - f.Low) + f.Low).To(type).Keep();
                        return () => f.Ours(x);
                    },
                    () =>
                    {
                        var x = (torch.rand(Elements) * (f.High - f.Low) + f.Low).to_type(there);
                        return () => f.Theirs(x);
                    }
                );
            }
            foreach (var (function, ours, theirs) in Cases.FunctionCases.OfTwo)
            {
                yield return Contest.Of(
                    $"{function} {name}, {Elements} elements",
                    () =>
                    {
                        var (a, b) = (
                            (Tensor.Rand(Elements) * 4).To(type).Keep(),
                            (Tensor.Rand(Elements) * 4).To(type).Keep()
                        );
                        return () => ours(a, b);
                    },
                    () =>
                    {
                        var (a, b) = (
                            (torch.rand(Elements) * 4).to_type(there),
                            (torch.rand(Elements) * 4).to_type(there)
                        );
                        return () => theirs(a, b);
                    }
                );
            }
        }
    }
}
