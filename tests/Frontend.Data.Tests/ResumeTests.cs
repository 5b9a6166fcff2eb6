using System.Diagnostics;
using Picograd.Data;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// A run of four epochs is two, a checkpoint, and two more in another process, to the bit: with dropout, shuffling, random transforms by
/// workers, a scheduler, averages and gradient scaling.
/// </summary>
public class ResumeTests
{
    private const string Variable = "PICOGRAD_RESUME_FROM";

    private sealed class Run
    {
        public Run()
        {
            var generator = new Generator(7);
            Model = new Sequential(
                new Linear(6, 12, generator: generator),
                new BatchNorm1d(12),
                new ReLU(),
                new Dropout(0.4),
                new Linear(12, 3, generator: generator)
            );
            Optimizer = new AdamW(Model.Parameters, 0.02, amsgrad: true);
            Scheduler = new OneCycleLR(Optimizer, 0.05, totalSteps: 40);
            Average = new AveragedModel(Model, AveragedModel.Ema(0.8));
            Order = new Generator(4);
            var data = new TensorDataset(
                Tensor.Randn([40, 6], new Generator(2)),
                Tensor.RandInt(0, 3, [40], new Generator(3))
            );
            var noisy = new MappedDataset<Tensor[], Tensor[]>(
                data,
                s => [s[0] + (float)SampleRandom.Current.NextDouble(), s[1]]
            );
            Loader = new DataLoader(noisy, 5, shuffle: true, numWorkers: 2, generator: Order, seed: 11);
        }

        public Sequential Model { get; }

        public AdamW Optimizer { get; }

        public OneCycleLR Scheduler { get; }

        public AveragedModel Average { get; }

        public GradScaler Scaler { get; } = new(64, growthInterval: 3);

        public Generator Order { get; }

        public DataLoader Loader { get; }

        public OrderedDictionary<string, object?> Parts =>
            new()
            {
                ["model"] = Model,
                ["optimizer"] = Optimizer,
                ["scheduler"] = Scheduler,
                ["average"] = Average,
                ["scaler"] = Scaler,
                ["order"] = Order,
                ["drops"] = Generator.Default,
            };

        public void Epochs(int count)
        {
            for (int epoch = 0; epoch < count; epoch++)
            {
                foreach (var (x, y) in Loader)
                {
                    Optimizer.ZeroGrad();
                    Tensor loss;
                    using (Tensor.Autocast())
                        loss = F.CrossEntropy(Model.Call(x), y);
                    Scaler.Scale(loss).Backward();
                    Scaler.Unscale_(Optimizer);
                    Clipping.ClipGradNorm_(Model.Parameters, 1);
                    Scaler.Step(Optimizer);
                    Scaler.Update();
                    Scheduler.Step();
                    Average.UpdateParameters(Model);
                }
            }
        }

        public string State =>
            string.Join(
                "\n",
                Model
                    .StateDict()
                    .Concat(Average.StateDict())
                    .Select(p =>
                        $"{p.Key} {string.Join(' ', p.Value.ToDoubles().Select(BitConverter.DoubleToInt64Bits))}"
                    )
            ) + $"\n{Optimizer.Lr:R} {Scaler.GetScale():R}";
    }

    [Fact]
    public async Task Two_epochs_and_two_in_another_process_are_four()
    {
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } file)
        {
            // The other process.
            Tensor.ManualSeed(99);
            var resumed = new Run();
            var rest = Checkpoint.Load(file, resumed.Parts);
            resumed.Loader.Epoch = (long)rest["epoch"]!;
            resumed.Epochs(2);
            File.WriteAllText(file + ".txt", resumed.State);
            return;
        }
        using var folder = new Folder();
        Tensor.ManualSeed(1);
        var whole = new Run();
        whole.Epochs(4);
        Tensor.ManualSeed(1);
        var first = new Run();
        first.Epochs(2);
        var state = first.Parts;
        state["epoch"] = first.Loader.Epoch;
        Checkpoint.Save(folder["run.ckpt"], state);
        Assert.NotEqual(whole.State, first.State);
        // dotnet exec of the test host is what 'dotnet test' starts; here the runner itself is started once more.
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [Variable] = folder["run.ckpt"] },
        };
        foreach (
            string argument in new[]
            {
                "vstest",
                typeof(ResumeTests).Assembly.Location,
                $"--Tests:{nameof(Two_epochs_and_two_in_another_process_are_four)}",
            }
        )
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(new CancellationTokenSource(240_000).Token);
        Assert.True(File.Exists(folder["run.ckpt.txt"]), await output + await error);
        Assert.Equal(whole.State, File.ReadAllText(folder["run.ckpt.txt"]));
    }
}
