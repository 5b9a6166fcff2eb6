using System.Globalization;
using Picograd.Data;
using Xunit;
using Picture = Picograd.Tests.KerasReference.Picture;

namespace Picograd.Tests;

/// <summary>Networks for pictures that others trained, against layers in float64.</summary>
public sealed class PictureTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("picograd-examples").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [SkippableFact]
    public void ResNet_8_has_the_shares_of_its_layers()
    {
        ExampleProgram.Needs("mlperf-tiny-resnet8-cifar10.safetensors");
        var (path, image) = Landscape(32, 32);
        var keras = new KerasReference(
            Safetensors.Load(Path.Combine(ExampleProgram.Data, "mlperf-tiny-resnet8-cifar10.safetensors"))
        );
        int conv = 0,
            norm = 0;
        string Name(string kind, int i) => i == 0 ? kind : $"{kind}_{i}";
        Picture Conv(Picture x, int stride = 1)
        {
            string name = Name("conv2d", conv++);
            return keras.Conv(x, name + "/kernel:0", name + "/bias:0", stride);
        }
        Picture Norm(Picture x) => keras.BatchNorm(x, Name("batch_normalization", norm++), ":0");
        static Picture Relu(Picture x) => x.Map(v => Math.Max(v, 0));
        var x = Relu(Norm(Conv(image)));
        x = Relu(x + Norm(Conv(Relu(Norm(Conv(x))))));
        for (int stage = 0; stage < 2; stage++)
        {
            var y = Norm(Conv(Relu(Norm(Conv(x, 2)))));
            x = Relu(y + Conv(x, 2));
        }
        var weights = Safetensors.Load(Path.Combine(ExampleProgram.Data, "mlperf-tiny-resnet8-cifar10.safetensors"));
        var head =
            Tensor.From(KerasReference.Means(x)).Unsqueeze(0).MatMul(weights["dense/kernel:0"].Double())[0]
            + weights["dense/bias:0"].Double();
        double[] shares = KerasReference.Softmax(head.ToDoubles());

        string text = ExampleProgram.Run("resnet", "classify", path, "--data", ExampleProgram.Data);
        string[] names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
        foreach (var (share, name) in shares.Zip(names))
            Assert.Equal(100 * share, Share(text, name), 0.011);
    }

    [SkippableFact]
    public void Tiny_Darknet_names_what_its_layers_name()
    {
        ExampleProgram.Needs("darknet-tiny-imagenet.safetensors", "darknet-imagenet-labels.txt");
        var (path, image) = Landscape(224, 224);
        var keras = new KerasReference(
            Safetensors.Load(Path.Combine(ExampleProgram.Data, "darknet-tiny-imagenet.safetensors"))
        );
        var x = image.Map(v => v / 255);
        for (int i = 1; i <= 15; i++)
        {
            x = keras
                .BatchNorm(keras.Conv(x, $"conv2d_{i}/kernel"), $"batch_normalization_{i}")
                .Map(v => v > 0 ? v : 0.1 * v);
            if (i is 1 or 2 or 6 or 10)
                x = KerasReference.Halved(x);
        }
        double[] shares = KerasReference.Softmax(
            KerasReference.Means(keras.Conv(x, "conv2d_16/kernel", "conv2d_16/bias"))
        );
        string[] names = File.ReadAllLines(Path.Combine(ExampleProgram.Data, "darknet-imagenet-labels.txt"));

        string text = ExampleProgram.Run("darknet-tiny", path, "--data", ExampleProgram.Data, "--top", "3");
        foreach (var (share, name) in shares.Zip(names).OrderByDescending(s => s.First).Take(3))
            Assert.Equal(100 * share, Share(text, name), 0.011);
    }

    [SkippableFact]
    public void A_picture_is_doubled_as_its_layers_say()
    {
        ExampleProgram.Needs("esrgan-slim-x2.safetensors");
        var (path, image) = Landscape(20, 13);
        var keras = new KerasReference(
            Safetensors.Load(Path.Combine(ExampleProgram.Data, "esrgan-slim-x2.safetensors"))
        );
        Picture Conv(Picture x, string name) => keras.Conv(x, name + "/kernel", name + "/bias");
        static Picture Relu(Picture x) => x.Map(v => Math.Max(v, 0));
        var shallow = Conv(image.Map(v => v / 255), "F_m1");
        var zero = Conv(shallow, "F_0");
        var one = Conv(zero.Joined(Relu(Conv(zero, "F_1_1"))), "LFF_1") + zero;
        var two = Conv(one.Joined(Relu(Conv(one, "F_2_1"))), "LFF_2") + one;
        var deep = Conv(Conv(one.Joined(two), "GFF_1"), "GFF_2") + shallow;
        var up = Conv(Relu(Conv(Relu(Conv(deep, "UPN1")), "UPN2")), "UPN3");
        var wanted = Conv(KerasReference.Doubled(up), "SR").Map(v => Math.Clamp(v, 0, 1) * 255);

        string larger = Path.Combine(_folder, "larger.png");
        ExampleProgram.Run("super-resolution", path, larger, "--data", ExampleProgram.Data);
        var got = Picture.Of(ImageFile.Load(larger));
        Assert.Equal((wanted.Height, wanted.Width), (got.Height, got.Width));
        Assert.All(wanted.Values.Zip(got.Values), p => Assert.Equal(p.First, p.Second, 0.51));
    }

    [SkippableFact]
    public void A_picture_comes_back_from_its_latent_numbers()
    {
        ExampleProgram.Needs("taef2-encoder.safetensors", "taef2-decoder.safetensors");
        var (path, image) = Landscape(130, 96);
        string back = Path.Combine(_folder, "back.png");
        string text = ExampleProgram.Run("autoencoder", path, "--out", back, "--data", ExampleProgram.Data);
        Assert.Contains("[1, 3, 128, 96] -> [1, 32, 16, 12] -> [1, 3, 128, 96]", text);
        double decibels = ExampleProgram.NumberAfter(text, "[1, 3, 128, 96],");
        Assert.InRange(decibels, 30, 60);
        // What it says is what the file holds.
        var got = Picture.Of(ImageFile.Load(back));
        double error = got.Values.Zip(image.Values, (a, b) => (a - b) / 255).Average(d => d * d);
        Assert.Equal(decibels, -10 * Math.Log10(error), 0.2);
    }

    private static double Share(string text, string name)
    {
        string line = text.Split('\n').First(l => l.TrimEnd().EndsWith("  " + name, StringComparison.Ordinal));
        return double.Parse(line.Split('%')[0], CultureInfo.InvariantCulture);
    }

    /// <summary>A picture with smooth and sharp parts: a sky, a sun, hills.</summary>
    private (string Path, Picture Image) Landscape(int height, int width)
    {
        var bytes = new byte[3, height, width];
        for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
        {
            var (v, u) = (y / (double)height, x / (double)width);
            bool isHill = v > 0.6 + 0.1 * Math.Sin(7 * u);
            double sun = Math.Exp(-40 * ((u - 0.3) * (u - 0.3) + (v - 0.25) * (v - 0.25)));
            double[] color = isHill
                ? [0.2 + 0.2 * u, 0.55 - 0.3 * v, 0.15]
                : [0.4 + 0.6 * sun, 0.6 + 0.3 * sun, 0.95 - 0.3 * v];
            for (int c = 0; c < 3; c++)
                bytes[c, y, x] = (byte)Math.Clamp(255 * color[c], 0, 255);
        }
        var flat = new byte[bytes.Length];
        System.Buffer.BlockCopy(bytes, 0, flat, 0, flat.Length);
        var image = Tensor.From(flat, [3, height, width]);
        string path = Path.Combine(_folder, $"{height}x{width}.png");
        ImageFile.Save(image, path);
        return (path, Picture.Of(image));
    }
}
