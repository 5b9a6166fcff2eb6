using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules;

namespace Picograd.Tests;

/// <summary>The examples of README.md: they stand there letter by letter as they stand here, and here they run.</summary>
public sealed class ReadmeExamples
{
    private static void Model(TextWriter output)
    {
        // README: model
        var generator = new Generator(seed: 1);
        var x = Tensor.Rand([256, 2], generator) * 4 - 2;
        var y = x[.., 0..1] * x[.., 1..2]; // what is to be learned: the product of two numbers

        var model = new Sequential(
            new Linear(2, 64, generator: generator),
            new Tanh(),
            new Linear(64, 1, generator: generator)
        );
        var optimizer = new Adam(model.Parameters, lr: 0.01);
        for (int step = 1; step <= 500; step++)
        {
            using var scope = Tensor.Scope(); // frees what a step makes
            var loss = F.MseLoss(model.Forward(x), y);
            optimizer.ZeroGrad();
            loss.Backward();
            optimizer.Step();
            if (step % 100 == 0)
                output.WriteLine($"step {step}: loss {loss.Item():F4}");
        }
        // README: end
    }

    private static unsafe void Schedule(TextWriter output)
    {
        // README: schedule
        var matmul = OperatorSpec.Parse("matmul m=96 n=128 k=64").Build();
        var s = new Schedule(matmul);
        var (tile, copy) = s.CacheWrite("C", Scope.Register); // sums live in registers
        var (mo, mi) = s.Split("C.m", 6);
        var (no, ni) = s.Split("C.n", 16);
        s.Reorder(mo, no, "C.k", mi, ni).Unroll(mi).Vectorize(ni);
        s.ReverseComputeAt(copy, no); // each tile is stored as soon as it is ready
        output.WriteLine(s.Nest); // the loops
        output.WriteLine(Trace.Of(s.Nest)); // the schedule as text, for: tune op … --trace FILE
        using var kernel = new CpuBackend(CpuTarget.Detect(), threads: 1).Compile(s.Nest); // machine code
        // README: end
        using var memory = new Tune.OperatorMemory(OperatorSpec.Parse("matmul m=96 n=128 k=64"));
        kernel.Run(memory.Addresses, null);
        var a = (float*)memory.Addresses[0];
        var b = (float*)memory.Addresses[1];
        var c = (float*)memory.Addresses[2];
        double expected = 0;
        for (int k = 0; k < 64; k++)
            expected += (double)a[95 * 64 + k] * b[k * 128 + 127];
        Assert.Equal(expected, c[95 * 128 + 127], 1e-4);
    }

    private static void Gpu(TextWriter output, string where)
    {
        // README: gpu
        var device = Device.Parse(where); // cuda, cuda:1, or cpu
        var net = new Sequential(new Linear(64, 128), new Tanh(), new Linear(128, 10));
        net.ToDevice(device);
        var scores = net.Forward(Tensor.Randn([32, 64], new Generator(1), device: device));
        output.WriteLine($"{scores.Device}: {scores.Softmax(1).Amax().Item():F3}"); // the random numbers are those of the CPU
        // README: end
    }

    /// <summary>On the CPU; the same on a GPU is what the front end's own tests do.</summary>
    [Fact]
    public void Devices_are_chosen_by_name()
    {
        using var kernels = new Tune.ServedKernels(null, 1, untuned: true);
        using var output = new StringWriter();
        Gpu(output, "cpu");
        Assert.Matches(@"^cpu: 0\.\d{3}\s*$", output.ToString());
    }

    [Fact]
    public void The_model_learns()
    {
        using var kernels = new Tune.ServedKernels(null, 1, untuned: true);
        using var output = new StringWriter();
        Model(output);
        var losses = Regex
            .Matches(output.ToString(), @"loss ([0-9.]+)")
            .Select(m => double.Parse(m.Groups[1].Value))
            .ToList();
        Assert.Equal(5, losses.Count);
        Assert.True(losses[^1] < losses[0] / 2, $"the loss went from {losses[0]} to {losses[^1]}");
    }

    [Fact]
    public void The_schedule_compiles_prints_and_replays()
    {
        using var output = new StringWriter();
        Schedule(output);
        string text = output.ToString();
        Assert.Contains("vector", text);
        Assert.Contains("unrolled", text);
        string trace = text[text.IndexOf("picograd-trace", StringComparison.Ordinal)..];
        Trace.Parse(trace).Replay(OperatorSpec.Parse("matmul m=96 n=128 k=64").Build());
    }

    [Theory]
    [InlineData("model", 20)]
    [InlineData("schedule", 10)]
    [InlineData("gpu", 5)]
    public void Readme_shows_what_runs_here(string name, int lines)
    {
        string[] source = File.ReadAllLines(ThisFile());
        int begin = Array.FindIndex(source, l => l.Trim() == $"// README: {name}") + 1;
        int end = Array.FindIndex(source, begin, l => l.Trim() == "// README: end");
        var code = source[begin..end].Select(l => l.Length > 8 ? l[8..] : "").ToList();
        string readme = File.ReadAllText(Path.Combine(Root(), "README.md")).ReplaceLineEndings("\n");
        Assert.Contains(string.Join('\n', code), readme);
        Assert.InRange(code.Count, lines - 1, lines + 1);
    }

    [Fact]
    public void Pages_that_readme_and_architecture_point_to_exist()
    {
        foreach (string page in new[] { "README.md", "docs/architecture.md" })
        {
            string text = File.ReadAllText(Path.Combine(Root(), page));
            string folder = Path.GetDirectoryName(Path.Combine(Root(), page))!;
            foreach (Match link in Regex.Matches(text, @"\]\((?!http)([^)#]+)\)"))
            {
                string target = Path.Combine(folder, link.Groups[1].Value);
                Assert.True(
                    File.Exists(target) || Directory.Exists(target),
                    $"{page} points to {link.Groups[1].Value}"
                );
            }
        }
    }

    private static string Root() => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
