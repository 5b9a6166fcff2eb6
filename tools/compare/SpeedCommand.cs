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

    private sealed record Contest(string Name, Func<Func<Tensor>> Ours, Func<Func<TorchTensor>> Theirs);

    public static Command Create()
    {
        var threads = new Option<int>("--threads")
        {
            Description = "Threads of each library",
            DefaultValueFactory = _ => 1,
        };
        var turns = new Option<int>("--turns") { Description = "Turns of each", DefaultValueFactory = _ => 9 };
        var filter = new Option<string?>("--filter") { Description = "Only functions whose name holds this" };
        var command = new Command("speed", "Times, in turns") { threads, turns, filter };
        command.SetAction(parsed => Run(parsed.GetValue(threads), parsed.GetValue(turns), parsed.GetValue(filter)));
        return command;
    }

    private static int Run(int threads, int turns, string? filter)
    {
        torch.set_num_threads(threads);
        Tensor.SetNumThreads(threads);
        Console.WriteLine($"{"function", -44} {"picograd", 10} {"libtorch", 10}  libtorch / picograd");
        double logs = 0;
        int count = 0;
        foreach (
            var contest in Contests().Where(c => filter is null || c.Name.Contains(filter, StringComparison.Ordinal))
        )
        {
            var (ours, theirs) = (contest.Ours(), contest.Theirs());
            Action here = () =>
            {
                using var result = ours();
            };
            Action there = () =>
            {
                using var result = theirs();
            };
            var (n, m) = (Calls(here), Calls(there));
            double bestHere = double.PositiveInfinity;
            double bestThere = double.PositiveInfinity;
            var ratios = new List<double>();
            for (int i = 0; i < turns; i++)
            {
                double a = Time(here, n);
                double b = Time(there, m);
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
        [.. Operators(), .. Functions(), .. Cases.RowContests.All().Select(c => new Contest(c.Name, c.Ours, c.Theirs))];

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
                yield return new(
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
                yield return new(
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

    private static IEnumerable<Contest> Operators()
    {
        foreach (var (m, n, k) in new[] { (32L, 200L, 30L), (512, 512, 512), (256, 768, 3072), (1, 50257, 768) })
            yield return Of(
                $"MatMul {m}x{n}x{k}",
                [
                    [m, k],
                    [k, n],
                ],
                t => t[0].MatMul(t[1]),
                t => t[0].matmul(t[1])
            );
        yield return Of(
            "Linear 4x2304x768",
            [
                [4, 768],
                [2304, 768],
                [2304],
            ],
            t => F.Linear(t[0], t[1], t[2]),
            t => Functional.linear(t[0], t[1], t[2])
        );
        yield return Of(
            "MatMul 12x1024x64x1024",
            [
                [12, 1024, 64],
                [12, 64, 1024],
            ],
            t => t[0].MatMul(t[1]),
            t => t[0].matmul(t[1])
        );
        foreach (long[] shape in new long[][] { [1000], [1024, 1024], [4096, 4096] })
        {
            string size = string.Join('x', shape);
            yield return Of($"a + b {size}", [shape, shape], t => t[0] + t[1], t => t[0] + t[1]);
            yield return Of($"Exp {size}", [shape], t => t[0].Exp(), t => t[0].exp());
            yield return Of($"Tanh {size}", [shape], t => t[0].Tanh(), t => t[0].tanh());
            yield return Of($"Gelu {size}", [shape], t => t[0].Gelu(), t => t[0].gelu());
            yield return Of($"Sum {size}", [shape], t => t[0].Sum(), t => t[0].sum());
        }
        yield return Of(
            "Sum(0) 4096x768",
            [
                [4096, 768],
            ],
            t => t[0].Sum(0),
            t => t[0].sum(0)
        );
        yield return Of(
            "Sum(1) 4096x768",
            [
                [4096, 768],
            ],
            t => t[0].Sum(1),
            t => t[0].sum(1)
        );
        yield return Of(
            "Max(1) 4096x768",
            [
                [4096, 768],
            ],
            t => t[0].Amax(1),
            t => t[0].amax([1])
        );
        yield return Of(
            "Softmax 4096x1024",
            [
                [4096, 1024],
            ],
            t => t[0].Softmax(),
            t => t[0].softmax(-1)
        );
        yield return Of(
            "LogSoftmax 32x27",
            [
                [32, 27],
            ],
            t => t[0].LogSoftmax(),
            t => t[0].log_softmax(-1)
        );
        yield return Of(
            "Cumsum(1) 1024x1024",
            [
                [1024, 1024],
            ],
            t => t[0].Cumsum(1),
            t => t[0].cumsum(1)
        );
        yield return Of(
            "Transpose, contiguous 2048x2048",
            [
                [2048, 2048],
            ],
            t => t[0].T.Contiguous(),
            t => t[0].t().contiguous()
        );
        yield return Of(
            "Cat(1) 2 of 1024x512",
            [
                [1024, 512],
                [1024, 512],
            ],
            t => Tensor.Cat(t, 1),
            t => torch.cat(t, 1)
        );
        yield return Of(
            "attention 4x8x256x64, causal",
            [
                [4, 8, 256, 64],
                [4, 8, 256, 64],
                [4, 8, 256, 64],
            ],
            t => F.ScaledDotProductAttention(t[0], t[1], t[2], isCausal: true),
            t => Functional.scaled_dot_product_attention(t[0], t[1], t[2], is_casual: true)
        );
    }

    private static Contest Of(
        string name,
        long[][] shapes,
        Func<Tensor[], Tensor> ours,
        Func<TorchTensor[], TorchTensor> theirs
    ) =>
        new(
            name,
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => Tensor.Randn(s).Keep());
                return () => ours(inputs);
            },
            () =>
            {
                var inputs = Array.ConvertAll(shapes, s => torch.randn(s));
                return () => theirs(inputs);
            }
        );
}
