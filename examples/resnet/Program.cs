// ResNet-8, the small residual network of MLPerf Tiny (He and others, 2015): names what is on a picture with trained weights, or is
// trained on handwritten digits.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var picture = new Argument<string>("picture") { Description = "A picture of any size; it is shrunk to 32 x 32" };
var classify = new Command("classify", "Names what is on a picture (mlperf-tiny-resnet8-cifar10.safetensors)")
{
    picture,
    Example.Data,
};
var epochs = Example.Option("--epochs", 3, "How often to go through the pictures");
var limit = Example.Option("--limit", 0, "Trains on the first N pictures only; 0 for all");
var rate = Example.Option("--lr", 0.003, "Highest learning rate");
var train = new Command("train", "Trains on MNIST: 10,000 pictures, tested on 10,000 others")
{
    Example.Data,
    epochs,
    limit,
    rate,
    Example.Seed,
    Example.Plot,
};
classify.Does(Classify);
train.Does(Train);
return new RootCommand("A residual network.") { classify, train }.Run(args);

void Classify(ParseResult parsed)
{
    string[] names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
    var model = ResNet8.LoadKeras(Example.File(parsed, "mlperf-tiny-resnet8-cifar10.safetensors"));
    using var off = Tensor.NoGrad();
    var image = Transforms.Resize(32, 32)(ImageFile.Load(parsed.GetValue(picture)!).To(DType.Float32));
    double[] shares = model.Forward(image.Unsqueeze(0)).Softmax(-1)[0].ToDoubles();
    foreach (var (share, name) in shares.Zip(names).OrderByDescending(s => s.First))
        Console.WriteLine($"{share, 8:P2}  {name}");
}

void Train(ParseResult parsed)
{
    const int Batch = 64;
    double lr = parsed.Within(rate, 0, 1000);
    Tensor.ManualSeed(parsed.GetValue(Example.Seed));
    var training = Digits(parsed, "mnist-train10k", parsed.Pictures(limit, Batch));
    var test = Digits(parsed, "mnist-t10k", 0);
    var model = new ResNet8(channels: 1);
    var optimizer = new AdamW(model.Parameters, lr);
    var loader = new DataLoader(training, Batch, shuffle: true, dropLast: true);
    int turns = parsed.Within(epochs, 1, 1000);
    var schedule = new OneCycleLR(optimizer, maxLr: lr, totalSteps: (int)(turns * loader.Count));
    var losses = new List<double>();
    for (int epoch = 1; epoch <= turns; epoch++)
    {
        using var progress = new ProgressLine(loader.Count, $"epoch {epoch}/{turns}");
        foreach (var (images, labels) in loader)
        {
            using var scope = Tensor.Scope();
            optimizer.ZeroGrad();
            var loss = F.CrossEntropy(model.Forward(images), labels);
            loss.Backward();
            optimizer.Step();
            schedule.Step();
            losses.Add(loss.Item());
            progress.Step(("loss", losses[^1]));
        }
    }
    if (parsed.GetValue(Example.Plot) is { } plot)
        Plots.Loss(plot, losses, "ResNet-8 on MNIST");

    model.Eval();
    using var off = Tensor.NoGrad();
    double right = 0;
    foreach (var (images, labels) in new DataLoader(test, 500))
    {
        using var scope = Tensor.Scope();
        right += model.Forward(images).ArgMax(1).Eq(labels).Sum().Item();
    }
    Console.WriteLine($"accuracy on {test.Count} pictures: {right / test.Count:P2}");
}

TensorDataset Digits(ParseResult parsed, string name, int limit)
{
    var images = Idx.Load(Example.File(parsed, $"{name}-images-idx3-ubyte.gz"));
    var labels = Idx.Load(Example.File(parsed, $"{name}-labels-idx1-ubyte.gz"));
    int count = limit == 0 ? (int)images.Size(0) : Math.Min(limit, (int)images.Size(0));
    return new TensorDataset(images[..count].To(DType.Float32).Unsqueeze(1) / 255, labels[..count].To(DType.Int64));
}

/// <summary>Three stages of 16, 32 and 64 channels, each one residual block; the mean over all places; a linear layer.</summary>
public sealed class ResNet8 : Module
{
    private readonly Conv2d _stem;
    private readonly BatchNorm2d _norm = new(16, eps: 1e-3);
    private readonly ResidualBlock[] _blocks = [new(16, 16, 1), new(16, 32, 2), new(32, 64, 2)];
    private readonly Linear _head = new(64, 10);

    public ResNet8(int channels = 3) => _stem = new(channels, 16, 3, padding: 1);

    /// <summary>Logits [n, 10] of pictures [n, channels, height, width].</summary>
    public override Tensor Forward(Tensor x)
    {
        x = _norm.Forward(_stem.Forward(x)).Relu();
        foreach (var block in _blocks)
            x = block.Forward(x);
        return _head.Forward(x.Mean([2, 3]));
    }

    /// <summary>Reads Keras's file: kernels are [height, width, in, out]; pictures are RGB from 0 to 255.</summary>
    public static ResNet8 LoadKeras(string path)
    {
        var file = Safetensors.Load(path);
        var state = new OrderedDictionary<string, Tensor>
        {
            ["head.weight"] = file["dense/kernel:0"].T,
            ["head.bias"] = file["dense/bias:0"],
        };
        // Convolutions and norms in the order in which Keras made them.
        string[] convolutions =
        [
            "stem",
            "blocks.0.first",
            "blocks.0.second",
            "blocks.1.first",
            "blocks.1.second",
            "blocks.1.shortcut",
            "blocks.2.first",
            "blocks.2.second",
            "blocks.2.shortcut",
        ];
        string[] norms =
        [
            "norm",
            "blocks.0.first_norm",
            "blocks.0.second_norm",
            "blocks.1.first_norm",
            "blocks.1.second_norm",
            "blocks.2.first_norm",
            "blocks.2.second_norm",
        ];
        string Numbered(string kind, int i) => i == 0 ? kind : $"{kind}_{i}";
        foreach (var (i, name) in convolutions.Index())
        {
            state[name + ".weight"] = file[Numbered("conv2d", i) + "/kernel:0"].Permute(3, 2, 0, 1);
            state[name + ".bias"] = file[Numbered("conv2d", i) + "/bias:0"];
        }
        foreach (var (i, name) in norms.Index())
        {
            string keras = Numbered("batch_normalization", i);
            state[name + ".weight"] = file[keras + "/gamma:0"];
            state[name + ".bias"] = file[keras + "/beta:0"];
            state[name + ".running_mean"] = file[keras + "/moving_mean:0"];
            state[name + ".running_var"] = file[keras + "/moving_variance:0"];
        }
        var model = new ResNet8();
        model.LoadStateDict(state, strict: false); // Keras does not count batches.
        model.Eval();
        return model;
    }

    private sealed class ResidualBlock(int from, int to, int stride) : Module
    {
        private readonly Conv2d _first = new(from, to, 3, stride: stride, padding: stride == 1 ? 1 : 0);
        private readonly BatchNorm2d _firstNorm = new(to, eps: 1e-3);
        private readonly Conv2d _second = new(to, to, 3, padding: 1);
        private readonly BatchNorm2d _secondNorm = new(to, eps: 1e-3);
        private readonly Conv2d? _shortcut = stride == 1 ? null : new(from, to, 1, stride: stride);

        public override Tensor Forward(Tensor x)
        {
            // TensorFlow's "same" with a stride of 2: what is missing is filled up behind first.
            var y = _first.Forward(stride == 1 ? x : F.Pad(x, [x.Size(3) % 2, 1, x.Size(2) % 2, 1]));
            y = _secondNorm.Forward(_second.Forward(_firstNorm.Forward(y).Relu()));
            return (y + (_shortcut?.Forward(x) ?? x)).Relu();
        }
    }
}
