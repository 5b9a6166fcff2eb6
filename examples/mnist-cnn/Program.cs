// Trains a small convolutional network on handwritten digits; --help says how.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var epochsOption = Example.Option("--epochs", 6, "How often to go through the pictures");
var batchOption = Example.Option("--batch", 64, "Pictures a step");
var rateOption = Example.Option("--lr", 0.004, "Highest learning rate");
var limitOption = Example.Option("--limit", 0, "Trains on the first N pictures only; 0 for all");
var outOption = new Option<string?>("--out")
{
    Description = "Folder for the checkpoint, event files for TensorBoard and plots; by default nothing is written",
};
var resumeOption = Example.Option(
    "--resume",
    false,
    "Go on from the checkpoint in --out, with the same bits as if it had not stopped"
);
var trainedOption = Example.Option(
    "--trained",
    false,
    "Test the network of mnist-cnn.safetensors, which others trained, instead"
);
var command = new RootCommand(
    """
    Trains a small convolutional network on handwritten digits: mnist-train10k-images-idx3-ubyte.gz (or train-images-idx3-ubyte.gz) with its
    labels file; tests it on mnist-t10k-images-idx3-ubyte.gz (or t10k-images-idx3-ubyte.gz). Ctrl-C ends it after the step under way, and saves.
    """
)
{
    Example.Data,
    epochsOption,
    batchOption,
    rateOption,
    limitOption,
    outOption,
    resumeOption,
    trainedOption,
    Example.Seed,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        int epochs = parsed.Within(epochsOption, 0, 100_000);
        int batch = parsed.Within(batchOption, 1, 100_000);
        double rate = parsed.Within(rateOption, 0, 1000);
        int limit = parsed.Pictures(limitOption, batch);
        string? outFolder = parsed.GetValue(outOption);
        string checkpoint = Path.Combine(outFolder ?? "", "mnist-cnn.ckpt");
        if (parsed.GetValue(resumeOption) && !File.Exists(checkpoint))
            throw new UsageException($"there is nothing to resume: no {checkpoint}");

        var test = Digits(parsed, ["mnist-t10k", "t10k"], 0);
        if (parsed.GetValue(trainedOption))
        {
            var trained = new TrainedCnn();
            trained.LoadStateDict(Safetensors.Load(Example.File(parsed, "mnist-cnn.safetensors")));
            Console.WriteLine($"accuracy on {test.Count} pictures: {Accuracy(trained, test):P2}");
            return;
        }
        var train = Digits(parsed, ["mnist-train10k", "train"], limit);
        Tensor.ManualSeed(parsed.GetValue(Example.Seed));
        var model = new Sequential(
            new Conv2d(1, 16, 3, padding: 1),
            new BatchNorm2d(16),
            new ReLU(),
            new MaxPool2d(2),
            new Conv2d(16, 32, 3, padding: 1),
            new BatchNorm2d(32),
            new ReLU(),
            new MaxPool2d(2),
            new Flatten(),
            new Linear(32 * 7 * 7, 10)
        );
        var optimizer = new AdamW(model.Parameters, rate);
        var order = new Generator(2);
        var loader = new DataLoader(train, batch, shuffle: true, generator: order, numWorkers: 1, dropLast: true);
        var schedule = new OneCycleLR(optimizer, maxLr: rate, totalSteps: (int)Math.Max(1, epochs * loader.Count));
        OrderedDictionary<string, object?> Parts() =>
            new()
            {
                ["model"] = model,
                ["optimizer"] = optimizer,
                ["schedule"] = schedule,
            };
        var (epoch, done) = (0, 0);
        if (parsed.GetValue(resumeOption))
        {
            var saved = Checkpoint.Load(checkpoint, Parts());
            (epoch, done, order.Position) = (
                (int)(long)saved["epoch"]!,
                (int)(long)saved["done"]!,
                (long)saved["order"]!
            );
        }

        using var events = outFolder is null ? null : new SummaryWriter(Path.Combine(outFolder, "events"));
        using var interrupt = new Interrupt();
        var losses = new List<double>();
        while (epoch < epochs && !interrupt.Requested)
        {
            model.Train();
            // From here the order of this epoch is drawn, also when it is gone on with.
            long position = order.Position;
            using (var progress = new ProgressLine(loader.Count, $"epoch {epoch + 1}/{epochs}"))
            {
                foreach (var (images, labels) in loader.Skip(done))
                {
                    using var scope = Tensor.Scope();
                    optimizer.ZeroGrad();
                    var loss = F.CrossEntropy(model.Forward(Shifted(images, schedule.LastEpoch)), labels);
                    loss.Backward();
                    Clipping.ClipGradNorm_(model.Parameters, 1);
                    optimizer.Step();
                    schedule.Step();
                    losses.Add(loss.Item());
                    events?.AddScalar("loss", losses[^1], schedule.LastEpoch);
                    progress.Step(("loss", losses[^1]));
                    done++;
                    if (interrupt.Requested)
                        break;
                }
            }
            if (done == loader.Count)
                (epoch, done, position) = (epoch + 1, 0, order.Position);
            if (outFolder is not null)
                Checkpoint.Save(
                    checkpoint,
                    new(Parts())
                    {
                        ["epoch"] = epoch,
                        ["done"] = done,
                        ["order"] = position,
                    }
                );
        }
        if (outFolder is not null && losses.Count > 0)
        {
            Plots.Loss(Path.Combine(outFolder, "loss.svg"), losses);
            Plots.Gradients(Path.Combine(outFolder, "gradients.svg"), model);
        }
        Console.WriteLine($"accuracy on {test.Count} pictures: {Accuracy(model, test):P2}");
    }
);

// Moved by up to two pixels, as far as the number of the step says, so that a run that goes on draws the same.
static Tensor Shifted(Tensor images, int step)
{
    var random = new Random(step);
    return F.Pad(images, [2, 2, 2, 2], value: -0.1307 / 0.3081)
        .Narrow(2, random.Next(5), 28)
        .Narrow(3, random.Next(5), 28);
}

static double Accuracy(Module model, TensorDataset test)
{
    using var off = Tensor.NoGrad();
    model.Eval();
    double right = 0;
    foreach (var (images, labels) in new DataLoader(test, 500))
    {
        using var scope = Tensor.Scope();
        right += model.Forward(images).ArgMax(1).Eq(labels).Sum().Item();
    }
    return right / test.Count;
}

static TensorDataset Digits(ParseResult parsed, string[] names, long limit)
{
    string folder = parsed.GetValue(Example.Data)!;
    string name = names.FirstOrDefault(n => File.Exists(Path.Combine(folder, $"{n}-images-idx3-ubyte.gz"))) ?? names[0];
    var images = Idx.Load(Example.File(parsed, $"{name}-images-idx3-ubyte.gz"));
    var labels = Idx.Load(Example.File(parsed, $"{name}-labels-idx1-ubyte.gz"));
    long count = limit == 0 ? images.Shape[0] : Math.Min(limit, images.Shape[0]);
    return new TensorDataset(
        (images[..(int)count].To(DType.Float32) / 255 - 0.1307).Unsqueeze(1) / 0.3081,
        labels[..(int)count].To(DType.Int64)
    );
}

/// <summary>The network of mnist-cnn.safetensors (tracel-ai/burn).</summary>
public sealed class TrainedCnn : Module
{
    private readonly Conv2d _conv1 = new(1, 8, 3);
    private readonly Conv2d _conv2 = new(8, 16, 3);
    private readonly Conv2d _conv3 = new(16, 24, 3);
    private readonly BatchNorm2d _norm1 = new(24);
    private readonly Linear _fc1 = new(24 * 22 * 22, 32);
    private readonly Linear _fc2 = new(32, 10);
    private readonly BatchNorm1d _norm2 = new(10);

    public override Tensor Forward(Tensor x)
    {
        x = _conv3.Forward(_conv2.Forward(_conv1.Forward(x).Relu()).Relu()).Relu();
        x = _fc1.Forward(_norm1.Forward(x).Flatten(1)).Relu();
        return _norm2.Forward(_fc2.Forward(x)).LogSoftmax(-1);
    }
}
