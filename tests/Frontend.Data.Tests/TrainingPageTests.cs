using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Picograd.Data;
using Xunit;

namespace Picograd.Tests;

/// <summary>docs/training.md: its program is the one that runs here, letter by letter.</summary>
public sealed class TrainingPageTests
{
    [Fact]
    public void The_program_learns_and_goes_on_from_its_checkpoint()
    {
        using var here = new Folder();
        string folder = here["run"];
        double last = Train(folder, 3);
        Assert.InRange(last, 0, 0.55);
        Assert.True(File.Exists(Path.Combine(folder, "loss.svg")));
        Assert.Equal(3L, Checkpoint.Load(Path.Combine(folder, "run.ckpt"))["epoch"]);
        // Three epochs and one more are four, to the bit.
        Assert.Equal(Train(here["whole"], 4), Train(folder, 4));
    }

    [Fact]
    public void The_page_shows_it()
    {
        string root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", ".."));
        string page = File.ReadAllText(Path.Combine(root, "docs", "training.md")).ReplaceLineEndings("\n");
        string shown = Regex
            .Match(page, "^```csharp\n(.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)
            .Groups[1]
            .Value;
        string source = File.ReadAllText(ThisFile()).ReplaceLineEndings("\n");
        const string Begin = "        // The page begins.\n";
        int at = source.LastIndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        string code = source[at..source.LastIndexOf("        // The page ends.\n", StringComparison.Ordinal)];
        Assert.Equal(Regex.Replace(code, "^        ", "", RegexOptions.Multiline), shown);
    }

    private static double Train(string folder, int epochs)
    {
        // The page begins.
        Directory.CreateDirectory(folder);
        var x = Tensor.Randn([512, 2], new Generator(1));
        var labels = (x[.., 0] * x[.., 1] > 0).To(DType.Int64); // what is to be learned: whether both have one sign

        Tensor.ManualSeed(2);
        var model = new Sequential(new Linear(2, 32), new Tanh(), new Linear(32, 2));
        var optimizer = new AdamW(
            [
                new ParamGroup(model.Parameters.Where(p => p.Rank > 1)),
                new ParamGroup(model.Parameters.Where(p => p.Rank == 1)) { WeightDecay = 0 },
            ],
            lr: 0.02
        );
        var schedule = new CosineAnnealingLR(optimizer, tMax: 8);
        var order = new Generator(3);
        var loader = new DataLoader(new TensorDataset(x, labels), 32, shuffle: true, numWorkers: 2, generator: order);

        var parts = new OrderedDictionary<string, object?>
        {
            ["model"] = model,
            ["optimizer"] = optimizer,
            ["schedule"] = schedule,
            ["order"] = order,
        };
        string checkpoint = Path.Combine(folder, "run.ckpt");
        int first = File.Exists(checkpoint) ? (int)(long)Checkpoint.Load(checkpoint, parts)["epoch"]! : 0;

        using var events = new SummaryWriter(folder); // tensorboard --logdir FOLDER
        using var interrupt = new Interrupt(); // Ctrl-C: stop after the epoch
        var losses = new List<double>();
        for (int epoch = first; epoch < epochs && !interrupt.Requested; epoch++)
        {
            using var progress = new ProgressLine(loader.Count, $"epoch {epoch + 1}");
            foreach (var (inputs, targets) in loader)
            {
                using var scope = Tensor.Scope();
                optimizer.ZeroGrad();
                var loss = F.CrossEntropy(model.Forward(inputs), targets);
                loss.Backward();
                Clipping.ClipGradNorm_(model.Parameters, maxNorm: 1);
                optimizer.Step();
                losses.Add(loss.Item());
                events.AddScalar("loss", losses[^1], losses.Count);
                progress.Step(("loss", losses[^1]), ("lr", optimizer.Lr));
            }
            schedule.Step();
            Checkpoint.Save(checkpoint, new(parts) { ["epoch"] = epoch + 1 });
        }
        Plots.Loss(Path.Combine(folder, "loss.svg"), losses);
        // The page ends.
        return losses[^1];
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
