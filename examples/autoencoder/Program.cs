// Packs a picture into 32 × 1/8 × 1/8 numbers and back, with the tiny autoencoder of FLUX.2's latents (madebyollin/taesd).
using System.CommandLine;
using Picograd;
using Picograd.Data;
using Picograd.Examples;

var picture = new Argument<string>("picture")
{
    Description = "A picture: PNG, JPEG, WebP, BMP; sides are cut to multiples of 8",
};
var output = new Option<string?>("--out") { Description = "File for the picture that comes back, .png or .jpg" };
var command = new RootCommand("Packs a picture and unpacks it (taef2-encoder.safetensors, taef2-decoder.safetensors).")
{
    picture,
    Example.Data,
    output,
};
return Example.Run(
    command,
    args,
    parsed =>
    {
        var image = ImageFile.Load(parsed.GetValue(picture)!);
        var (height, width) = (image.Size(1) / 8 * 8, image.Size(2) / 8 * 8);
        if (height == 0 || width == 0)
            throw new UsageException(
                $"the picture has {image.Size(2)} x {image.Size(1)} pixels, but must have 8 x 8 at least."
            );
        var x = Transforms.ToFloat()(image.Narrow(1, 0, height).Narrow(2, 0, width)).Unsqueeze(0);
        var (encoder, decoder) = (AutoEncoder.Encoder(), AutoEncoder.Decoder());
        encoder.LoadStateDict(Safetensors.Load(Example.File(parsed, "taef2-encoder.safetensors")));
        decoder.LoadStateDict(Safetensors.Load(Example.File(parsed, "taef2-decoder.safetensors")));
        using var off = Tensor.NoGrad();
        var latent = encoder.Forward(x);
        var back = decoder.Forward(latent).Clamp(0, 1);
        double error = F.MseLoss(back, x).Item();
        Console.WriteLine($"{x.Shape} -> {latent.Shape} -> {back.Shape}, {-10 * Math.Log10(error):F2} dB");
        if (parsed.GetValue(output) is { } path)
            ImageFile.Save(back[0], path);
    }
);

/// <summary>Both halves, with the numbers of layers of the files.</summary>
public static class AutoEncoder
{
    private const int Wide = 64;
    private const int Latent = 32;

    public static Sequential Encoder() =>
        new(
            Conv(3, Wide),
            new Block(),
            Halving(),
            new Block(),
            new Block(),
            new Block(),
            Halving(),
            new Block(),
            new Block(),
            new Block(),
            Halving(),
            new Block(pool: true),
            new Block(pool: true),
            new Block(pool: true),
            Conv(Wide, Latent)
        );

    public static Sequential Decoder() =>
        new(
            new SoftClamp(),
            Conv(Latent, Wide),
            new ReLU(),
            new Block(pool: true),
            new Block(pool: true),
            new Block(pool: true),
            new Upsample(2),
            Conv(Wide, Wide, bias: false),
            new Block(),
            new Block(),
            new Block(),
            new Upsample(2),
            Conv(Wide, Wide, bias: false),
            new Block(),
            new Block(),
            new Block(),
            new Upsample(2),
            Conv(Wide, Wide, bias: false),
            new Block(),
            Conv(Wide, 3)
        );

    private static Conv2d Conv(int from, int to, bool bias = true) => new(from, to, 3, padding: 1, bias: bias);

    private static Conv2d Halving() => new(Wide, Wide, 3, stride: 2, padding: 1, bias: false);

    /// <summary>Three convolutions beside a skip; some first mix the channels with statistics of the whole picture.</summary>
    private sealed class Block(bool pool = false) : Module
    {
        private readonly Sequential _conv = new(
            Conv(Wide, Wide),
            new ReLU(),
            Conv(Wide, Wide),
            new ReLU(),
            Conv(Wide, Wide)
        );
        private readonly Sequential? _pool = pool
            ? new(
                new Conv2d(Wide, 4 * Wide, 1, bias: false),
                new GroupNorm(4, 4 * Wide),
                new ReLU(),
                new Conv2d(4 * Wide, Wide, 1, bias: false)
            )
            : null;

        public override Tensor Forward(Tensor x)
        {
            if (_pool is not null)
                x = x + _pool.Forward(x);
            return (_conv.Forward(x) + x).Relu();
        }
    }

    private sealed class SoftClamp : Module
    {
        public override Tensor Forward(Tensor x) => (x / 3).Tanh() * 3;
    }
}
