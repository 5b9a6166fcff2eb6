// Draws handwritten digits out of noise (Ho and others, 2020), in all steps (DDPM) or in few (DDIM; Song and others, 2020).
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var file = Example.Option("--model", "diffusion.safetensors", "File of the trained model");
var steps = Example.Option("--steps", 2000, "Steps of training");
var batch = Example.Option("--batch", 64, "Pictures a step");
var width = Example.Option("--width", 32, "Channels at the full size; a multiple of 8");
var rate = Example.Option("--lr", 0.002, "Highest learning rate");
var limit = Example.Option("--limit", 0, "Trains on the first N pictures only; 0 for all");
var train = new Command("train", "Trains on mnist-train10k")
{
    Example.Data,
    file,
    steps,
    batch,
    width,
    rate,
    limit,
    Example.Seed,
    Example.Plot,
};
train.Does(Train);
var output = Example.Option("--out", "digits.png", "File for the picture");
var method = Example.Option("--method", "ddim", "ddpm or ddim");
method.AcceptOnlyFromAmong("ddpm", "ddim");
var drawing = Example.Option("--drawing-steps", 50, "Steps of DDIM, to 1000; DDPM takes 1000");
var rows = Example.Option("--rows", 4, "Rows of the digits 0 to 9");
var judge = Example.Option(
    "--judge",
    false,
    "Says how many of them the network of mnist-cnn.safetensors reads as what they are to be"
);
var sample = new Command("sample", "Draws digits")
{
    Example.Data,
    file,
    output,
    method,
    drawing,
    rows,
    judge,
    Example.Seed,
};
sample.Does(Sample);
return new RootCommand("Diffusion of handwritten digits.") { train, sample }.Run(args);

void Train(ParseResult parsed)
{
    double lr = parsed.Within(rate, 0, 1000);
    Tensor.ManualSeed(parsed.GetValue(Example.Seed));
    var images = Idx.Load(Example.File(parsed, "mnist-train10k-images-idx3-ubyte.gz"));
    var labels = Idx.Load(Example.File(parsed, "mnist-train10k-labels-idx1-ubyte.gz")).Long();
    long count = parsed.Within(limit, 0, int.MaxValue) is > 0 and var some
        ? Math.Min(some, images.Size(0))
        : images.Size(0);
    var x0 = images[..(int)count].Float().Unsqueeze(1) / 127.5 - 1;
    int channels = parsed.Within(width, 8, 1024);
    if (channels % 8 != 0)
        throw new UsageException("--width must be a multiple of 8.");
    var model = new DigitUnet(channels);
    int total = parsed.Within(steps, 1, 1_000_000);
    var optimizer = new AdamW(model.Parameters, lr);
    var schedule = new OneCycleLR(optimizer, maxLr: lr, totalSteps: total);
    // What is drawn with is a running mean of the parameters.
    var mean = new AveragedModel(model, AveragedModel.Ema(Math.Min(0.995, 1 - 4.0 / total)));
    var diffusion = new Diffusion();
    Console.WriteLine($"{model.ParameterCount} parameters");
    var losses = new List<double>();
    using var interrupt = new Interrupt();
    using (var progress = new ProgressLine(total, "diffusion"))
    {
        for (int step = 0; step < total && !interrupt.Requested; step++)
        {
            using var scope = Tensor.Scope();
            var chosen = Tensor.RandInt(count, [parsed.Within(batch, 1, 4096)]);
            var t = Tensor.RandInt(Diffusion.Steps, [chosen.Size(0)]);
            var x = x0[chosen];
            var noise = Tensor.RandnLike(x);
            optimizer.ZeroGrad();
            var loss = F.MseLoss(model.Forward(diffusion.Noised(x, noise, t), t, labels[chosen]), noise);
            loss.Backward();
            Clipping.ClipGradNorm_(model.Parameters, 1);
            optimizer.Step();
            schedule.Step();
            mean.UpdateParameters(model);
            losses.Add(loss.Item());
            progress.Step(("loss", losses[^1]));
        }
    }
    Safetensors.Save(
        mean.Module.StateDict(),
        parsed.GetValue(file)!,
        new Dictionary<string, string> { ["width"] = $"{channels}" }
    );
    Console.WriteLine(
        $"loss {losses[^Math.Min(losses.Count, 50)..].Average():F4} (mean of the last steps; 1 is that of guessing nothing)"
    );
    if (parsed.GetValue(Example.Plot) is { } plot)
        Plots.Loss(plot, losses, "Diffusion");
}

void Sample(ParseResult parsed)
{
    var state = Safetensors.Load(parsed.GetValue(file)!, out var metadata);
    var model = new DigitUnet(
        metadata.TryGetValue("width", out string? w)
            ? int.Parse(w)
            : throw new InvalidDataException($"{parsed.GetValue(file)} is no model that `diffusion train` wrote.")
    );
    model.LoadStateDict(state);
    int many = parsed.Within(rows, 1, 100);
    var labels = Tensor.Arange(10).Repeat(many);
    var generator = new Generator(parsed.GetValue(Example.Seed));
    using var off = Tensor.NoGrad();
    var x = Tensor.Randn([10 * many, 1, 28, 28], generator);
    int[] times =
        parsed.GetValue(method) == "ddpm"
            ? [.. Enumerable.Range(0, Diffusion.Steps).Reverse()]
            : Diffusion.Times(parsed.Within(drawing, 1, Diffusion.Steps));
    var diffusion = new Diffusion();
    using (var progress = new ProgressLine(times.Length, parsed.GetValue(method)!))
    {
        for (int i = 0; i < times.Length; i++)
        {
            using var scope = Tensor.Scope();
            var noise = model.Forward(x, Tensor.Full([x.Size(0)], times[i], DType.Int64), labels);
            int next = i + 1 < times.Length ? times[i + 1] : -1;
            x = (
                parsed.GetValue(method) == "ddpm"
                    ? diffusion.Ddpm(x, noise, times[i], generator)
                    : diffusion.Ddim(x, noise, times[i], next)
            ).Keep();
            progress.Step();
        }
    }
    var pictures = ((x + 1) / 2).Clamp(0, 1);
    ImageFile.Save(
        pictures.Reshape(many, 10, 28, 28).Transpose(1, 2).Reshape(1, many * 28, 280),
        parsed.GetValue(output)!
    );
    if (parsed.GetValue(judge))
    {
        var reader = new DigitReader();
        reader.LoadStateDict(Safetensors.Load(Example.File(parsed, "mnist-cnn.safetensors")));
        reader.Eval();
        var read = reader.Forward((pictures - 0.1307) / 0.3081).ArgMax(1);
        Console.WriteLine(
            $"{read.Eq(labels).Float().Mean().Item():P1} of {labels.Size(0)} digits are read as what they are to be"
        );
    }
}

/// <summary>How pictures become noise in a thousand steps, and back.</summary>
public sealed class Diffusion
{
    public const int Steps = 1000;

    // Share of the picture that is left after each step, as a variance (ᾱ).
    private readonly Tensor _left = (1 - Tensor.Linspace(1e-4, 0.02, Steps, DType.Float64)).CumProd(0);

    /// <summary>Pictures after t steps [n] with noise of their shape.</summary>
    public Tensor Noised(Tensor x, Tensor noise, Tensor t)
    {
        var left = _left[t].Float().Reshape(-1, 1, 1, 1);
        return left.Sqrt() * x + (1 - left).Sqrt() * noise;
    }

    /// <summary>Some steps, evenly, from the last one down.</summary>
    public static int[] Times(int count) =>
        [.. Enumerable.Range(0, count).Select(i => (int)((i + 1L) * Steps / count) - 1).Reverse()];

    /// <summary>One step back with new noise (DDPM): x₍t−1₎ ~ N((x − β/√(1−ᾱ)·ε)/√α, β).</summary>
    public Tensor Ddpm(Tensor x, Tensor noise, int t, Generator generator)
    {
        double left = _left[t].Item(),
            alpha = left / (t > 0 ? _left[t - 1].Item() : 1);
        var mean = (x - noise * ((1 - alpha) / Math.Sqrt(1 - left))) / Math.Sqrt(alpha);
        return t > 0 ? mean + Math.Sqrt(1 - alpha) * Tensor.Randn(x.Shape, generator) : mean;
    }

    /// <summary>From step t to step s below it, or to the picture for s = −1, without new noise (DDIM).</summary>
    public Tensor Ddim(Tensor x, Tensor noise, int t, int s)
    {
        double left = _left[t].Item(),
            more = s >= 0 ? _left[s].Item() : 1;
        var picture = ((x - noise * Math.Sqrt(1 - left)) / Math.Sqrt(left)).Clamp(-1, 1);
        // The noise that leads from that picture to x.
        var rest = (x - picture * Math.Sqrt(left)) / Math.Sqrt(1 - left);
        return picture * Math.Sqrt(more) + rest * Math.Sqrt(1 - more);
    }
}

/// <summary>A U-Net of 28, 14 and 7 pixels that guesses the noise, given how much there is and which digit it is.</summary>
public sealed class DigitUnet(int width) : Module
{
    private readonly Embedding _digits = new(10, 4 * width);
    private readonly Sequential _time = new(new Linear(width, 4 * width), new SiLU(), new Linear(4 * width, 4 * width));
    private readonly Conv2d _in = new(1, width, 3, padding: 1);
    private readonly ResBlock[] _down = [new(width, width, 4 * width), new(width, 2 * width, 4 * width)];
    private readonly ResBlock _middle = new(2 * width, 2 * width, 4 * width);
    private readonly ResBlock[] _up = [new(4 * width, width, 4 * width), new(2 * width, width, 4 * width)];
    private readonly GroupNorm _norm = new(8, width);
    private readonly Conv2d _out = new(width, 1, 3, padding: 1);

    /// <summary>The noise in pictures [n, 1, 28, 28] after t steps [n] of the digits [n].</summary>
    public Tensor Forward(Tensor x, Tensor t, Tensor digits)
    {
        // Sines and cosines of the step at many frequencies.
        var frequencies = (Tensor.Arange(width / 2).Float() * (-Math.Log(10_000) / (width / 2))).Exp();
        var angles = t.Float().Unsqueeze(1) * frequencies;
        var about = _time.Forward(Tensor.Cat([angles.Sin(), angles.Cos()], 1)) + _digits.Forward(digits);

        var full = _down[0].Forward(_in.Forward(x), about);
        var half = _down[1].Forward(F.AvgPool2d(full, 2), about);
        var quarter = _middle.Forward(F.AvgPool2d(half, 2), about);
        var y = _up[0].Forward(Tensor.Cat([F.Interpolate(quarter, scaleFactor: 2, mode: "nearest"), half], 1), about);
        y = _up[1].Forward(Tensor.Cat([F.Interpolate(y, scaleFactor: 2, mode: "nearest"), full], 1), about);
        return _out.Forward(_norm.Forward(y).Silu());
    }

    private sealed class ResBlock(int from, int to, int about) : Module
    {
        private readonly GroupNorm _norm1 = new(8, from);
        private readonly Conv2d _conv1 = new(from, to, 3, padding: 1);
        private readonly Linear _about = new(about, to);
        private readonly GroupNorm _norm2 = new(8, to);
        private readonly Conv2d _conv2 = new(to, to, 3, padding: 1);
        private readonly Conv2d? _skip = from == to ? null : new(from, to, 1);

        public Tensor Forward(Tensor x, Tensor about)
        {
            var y = _conv1.Forward(_norm1.Forward(x).Silu()) + _about.Forward(about.Silu()).Unsqueeze(-1).Unsqueeze(-1);
            return _conv2.Forward(_norm2.Forward(y).Silu()) + (_skip?.Forward(x) ?? x);
        }
    }
}

/// <summary>The network of mnist-cnn.safetensors (tracel-ai/burn).</summary>
public sealed class DigitReader : Module
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
        return _norm2.Forward(_fc2.Forward(_fc1.Forward(_norm1.Forward(x).Flatten(1)).Relu()));
    }
}
