// Trains a small convolutional network on handwritten digits; --help says how.
using System.Globalization;
using Picograd;
using Picograd.Data;

const string Help = """
    mnist-cnn --data FOLDER [--epochs 3] [--batch 64] [--lr 0.002] [--limit 0] [--out FOLDER] [--resume]

    Trains on FOLDER/mnist-train10k-images-idx3-ubyte.gz (or train-images-idx3-ubyte.gz) with its labels file and tests on
    mnist-t10k-images-idx3-ubyte.gz (or t10k-images-idx3-ubyte.gz).
      --limit N    the first N pictures only, 0 for all
      --out        where the checkpoint, event files for TensorBoard and plots go; by default nothing is written
      --resume     goes on from the checkpoint in --out, with the same bits as if it had not stopped
    Ctrl-C ends it after the step under way, and saves.
    """;
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
if (args.Contains("--help") || args.Contains("-h"))
{
    Console.WriteLine(Help);
    return 0;
}
if (Option("--data") is not { } folder)
    return Refuse("--data is missing; see --help");
if (
    !int.TryParse(Option("--epochs") ?? "3", out int epochs)
    || !int.TryParse(Option("--batch") ?? "64", out int batch)
    || !double.TryParse(Option("--lr") ?? "0.002", out double rate)
    || !long.TryParse(Option("--limit") ?? "0", out long limit)
    || epochs < 0
    || batch < 1
    || limit < 0
)
    return Refuse("--epochs, --batch and --limit are whole numbers, --lr is a number");
string? outFolder = Option("--out");
string checkpoint = Path.Combine(outFolder ?? "", "mnist-cnn.ckpt");
if (args.Contains("--resume") && !File.Exists(checkpoint))
    return Refuse($"there is nothing to resume: no {checkpoint}");

TensorDataset train;
TensorDataset test;
try
{
    train = Digits(["mnist-train10k", "train"]);
    test = Digits(["mnist-t10k", "t10k"]);
}
catch (Exception e) when (e is InvalidDataException or IOException)
{
    return Refuse(e.Message);
}

Tensor.ManualSeed(1);
var model = new Sequential(
    new Conv2d(1, 8, 3, padding: 1),
    new ReLU(),
    new MaxPool2d(2),
    new Conv2d(8, 16, 3, padding: 1),
    new ReLU(),
    new MaxPool2d(2),
    new Flatten(),
    new Linear(16 * 7 * 7, 10)
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
if (args.Contains("--resume"))
{
    var saved = Checkpoint.Load(checkpoint, Parts());
    (epoch, done, order.Position) = ((int)(long)saved["epoch"]!, (int)(long)saved["done"]!, (long)saved["order"]!);
}

using var events = outFolder is null ? null : new SummaryWriter(Path.Combine(outFolder, "events"));
using var interrupt = new Interrupt();
var losses = new List<double>();
while (epoch < epochs && !interrupt.Requested)
{
    // From here the order of this epoch is drawn, also when it is gone on with.
    long position = order.Position;
    using (var progress = new ProgressLine(loader.Count, $"epoch {epoch + 1}/{epochs}"))
    {
        foreach (var (images, labels) in loader.Skip(done))
        {
            using var scope = Tensor.Scope();
            optimizer.ZeroGrad();
            var loss = F.CrossEntropy(model.Forward(images), labels);
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
Console.WriteLine($"accuracy on {test.Count} pictures: {Accuracy():P2}");
return 0;

double Accuracy()
{
    using var off = Tensor.NoGrad();
    double right = 0;
    foreach (var (images, labels) in new DataLoader(test, 500))
    {
        using var scope = Tensor.Scope();
        right += model.Forward(images).ArgMax(1).Eq(labels).Sum().Item();
    }
    return right / test.Count;
}

TensorDataset Digits(string[] names)
{
    string name =
        names.FirstOrDefault(n => File.Exists(Path.Combine(folder, $"{n}-images-idx3-ubyte.gz")))
        ?? throw new InvalidDataException($"{folder} has no {names[0]}-images-idx3-ubyte.gz");
    var images = Idx.Load(Path.Combine(folder, $"{name}-images-idx3-ubyte.gz"));
    var labels = Idx.Load(Path.Combine(folder, $"{name}-labels-idx1-ubyte.gz"));
    long count = limit == 0 ? images.Shape[0] : Math.Min(limit, images.Shape[0]);
    return new TensorDataset(
        (images[..(int)count].To(DType.Float32) / 255 - 0.1307).Unsqueeze(1) / 0.3081,
        labels[..(int)count].To(DType.Int64)
    );
}

string? Option(string name) =>
    Array.IndexOf(args, name) is >= 0 and var at && at + 1 < args.Length ? args[at + 1] : null;

int Refuse(string why)
{
    Console.Error.WriteLine($"mnist-cnn: {why}.");
    return 2;
}
