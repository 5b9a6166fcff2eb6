// A variational autoencoder (Kingma and Welling, 2013) of handwritten digits: 784 pixels ↔ a few numbers that are as if drawn from a
// normal distribution.
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var epochs = Example.Option("--epochs", 10, "How often to go through the pictures");
var latent = Example.Option("--latent", 16, "Numbers a picture");
var hidden = Example.Option("--hidden", 256, "Hidden units");
var rate = Example.Option("--lr", 0.001, "Learning rate");
var limit = Example.Option("--limit", 0, "Trains on the first N pictures only; 0 for all");
var output = new Option<string?>("--out")
{
    Description = "File for a picture: digits, how they come back, and new ones",
};
var command = new RootCommand("Trains a variational autoencoder on mnist-train10k, judges it on mnist-t10k.")
{
    Example.Data,
    epochs,
    latent,
    hidden,
    rate,
    limit,
    output,
    Example.Seed,
    Example.Plot,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        const int Batch = 64;
        double lr = parsed.Within(rate, 0, 1000);
        Tensor.ManualSeed(parsed.GetValue(Example.Seed));
        int pictures = parsed.Pictures(limit, Batch);
        var training = Digits("mnist-train10k");
        if (pictures > 0 && pictures < training.Size(0))
            training = training[..pictures];
        var test = Digits("mnist-t10k");
        var model = new Vae(parsed.Within(latent, 1, 1000), parsed.Within(hidden, 1, 10_000));
        var optimizer = new Adam(model.Parameters, lr);
        int turns = parsed.Within(epochs, 1, 10_000);
        var losses = new List<double>();
        using (var progress = new ProgressLine(turns, "epochs"))
        {
            for (int epoch = 0; epoch < turns; epoch++)
            {
                foreach (var batch in training[Tensor.RandPerm(training.Size(0))].Split(Batch))
                {
                    using var scope = Tensor.Scope();
                    optimizer.ZeroGrad();
                    var (reconstruction, divergence) = model.Loss(batch);
                    var loss = reconstruction + divergence;
                    loss.Backward();
                    optimizer.Step();
                    losses.Add(loss.Item());
                }
                progress.Step(("loss", losses[^1]));
            }
        }

        using var off = Tensor.NoGrad();
        var (pixels, code) = model.Loss(test);
        Console.WriteLine(
            $"test: {(pixels + code).Item():F2} nats a picture, {pixels.Item():F2} of pixels and {code.Item():F2} of the code"
        );
        if (parsed.GetValue(output) is { } path)
        {
            var shown = test[..10];
            var drawn = model.Decode(Tensor.Randn(20, parsed.GetValue(latent))).Sigmoid();
            var all = Tensor.Cat([shown, model.Decode(model.Encode(shown).Mean).Sigmoid(), drawn]);
            // Four rows of ten pictures side by side.
            ImageFile.Save(all.Reshape(4, 10, 28, 28).Transpose(1, 2).Reshape(1, 4 * 28, 10 * 28), path);
        }
        if (parsed.GetValue(Example.Plot) is { } plot)
            Plots.Loss(plot, losses, "Variational autoencoder");

        Tensor Digits(string name) =>
            Idx.Load(Example.File(parsed, $"{name}-images-idx3-ubyte.gz")).Float().Flatten(1) / 255;
    }
);

/// <summary>Pixels → mean and variance of a code; code → logits of pixels.</summary>
public sealed class Vae(long latent, long hidden) : Module
{
    private readonly Sequential _encoder = new(new Linear(784, hidden), new ReLU(), new Linear(hidden, 2 * latent));
    private readonly Sequential _decoder = new(new Linear(latent, hidden), new ReLU(), new Linear(hidden, 784));

    public (Tensor Mean, Tensor LogVariance) Encode(Tensor x)
    {
        var parts = _encoder.Forward(x).Chunk(2, 1);
        return (parts[0], parts[1]);
    }

    public Tensor Decode(Tensor code) => _decoder.Forward(code);

    /// <summary>Nats a picture: what the pixels cost once the code is known, and how far the code is from a normal distribution.</summary>
    public (Tensor Reconstruction, Tensor Divergence) Loss(Tensor x)
    {
        var (mean, logVariance) = Encode(x);
        var code = mean + (logVariance / 2).Exp() * Tensor.RandnLike(mean);
        var reconstruction = F.BinaryCrossEntropyWithLogits(Decode(code), x, reduction: LossReduction.Sum) / x.Size(0);
        var divergence = 0.5 * (mean.Square() + logVariance.Exp() - 1 - logVariance).Sum() / x.Size(0);
        return (reconstruction, divergence);
    }
}
