using Picograd.Data;
using Xunit;
using static Picograd.Tests.ExampleProgram;

namespace Picograd.Tests;

/// <summary>GPT, BERT, diffusion and variational autoencoders, trained a little.</summary>
public sealed class TrainedTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("picograd-examples").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string TrainGpt(string name, int width, int steps)
    {
        string path = Path.Combine(_folder, name);
        string text = Run(
            "gpt",
            "train",
            "--data",
            ExampleProgram.Data,
            "--model",
            path,
            "--layers",
            "1",
            "--heads",
            "2",
            "--context",
            "24",
            "--batch",
            "8",
            "--width",
            $"{width}",
            "--steps",
            $"{steps}",
            "--lr",
            "0.005"
        );
        // The letters' own frequencies give 3.3.
        Assert.InRange(NumberAfter(text, "validation loss"), 1.5, 2.9);
        return path;
    }

    [SkippableFact]
    public void A_GPT_learns_and_writes()
    {
        Needs("tinyshakespeare.txt");
        string model = TrainGpt("gpt.safetensors", 32, 150),
            small = TrainGpt("small.safetensors", 16, 150);
        string Write(int length, params string[] options) =>
            Run("gpt", ["sample", "--model", model, "--length", $"{length}", "--prompt", "ROMEO:\n", .. options]);

        // What is kept of the text so far changes nothing: without it, beyond its context too.
        var gpt = Gpt.Load(model);
        using var off = Tensor.NoGrad();
        var text = gpt.Encode("ROMEO:\n");
        var writer = new Writer(gpt);
        for (int i = 0; i < 60; i++)
        {
            var logits = writer.Logits(text)[-1];
            if (text.Count <= 24)
            {
                var whole = gpt.Forward(Tensor.From(text.ToArray()).Unsqueeze(0))[0, -1];
                Assert.Equal(0, (whole - logits).Abs().Max().Item(), 1e-4);
            }
            text.Add(logits.ArgMax().Item<long>());
        }
        string greedy = Write(60);
        Assert.Equal(
            string.Concat(text.Select(i => gpt.Config.Alphabet[(int)i])),
            greedy.ReplaceLineEndings("\n")[..^1]
        );

        // Guessed ahead by another model, the likeliest text is the same.
        Assert.Equal(greedy[..30], Write(30, "--draft", small)[..30]);
        Assert.Equal(greedy[..30], Write(30, "--draft", model, "--ahead", "3")[..30]);
        Assert.Equal(
            67 + 1,
            Write(60, "--draft", small, "--temperature", "1", "--top-k", "10", "--top-p", "0.9")
                .ReplaceLineEndings("\n")
                .Length
        );
        var (code, _, error) = RunAny("gpt", "sample", "--model", model, "--prompt", "§");
        Assert.Equal(2, code);
        Assert.Contains("'§'", error);
    }

    [SkippableFact]
    public void A_BERT_guesses_hidden_letters()
    {
        Needs("tinyshakespeare.txt");
        string text = Run(
            "bert",
            "--data",
            ExampleProgram.Data,
            "--steps",
            "600",
            "--layers",
            "1",
            "--width",
            "32",
            "--context",
            "32",
            "--lr",
            "0.008",
            "--fill",
            "to be or n_t to be"
        );
        Assert.InRange(NumberAfter(text, "loss"), 1.5, 2.95);
        Assert.Matches("to be or n.t to be", text);
    }

    [SkippableFact]
    public void A_variational_autoencoder_learns_digits()
    {
        Needs("mnist-train10k-images-idx3-ubyte.gz", "mnist-t10k-images-idx3-ubyte.gz");
        string picture = Path.Combine(_folder, "vae.png");
        string text = Run(
            "vae",
            "--data",
            ExampleProgram.Data,
            "--limit",
            "2000",
            "--epochs",
            "5",
            "--hidden",
            "128",
            "--lr",
            "0.002",
            "--out",
            picture
        );
        // Nothing learned costs 784 · ln 2 = 543 nats, the mean picture 206.
        Assert.InRange(NumberAfter(text, "test:"), 90, 185);
        Assert.Equal([3, 112, 280], ImageFile.Load(picture).Shape.ToArray());
    }

    [SkippableFact]
    public void Diffusion_learns_what_noise_is()
    {
        Needs("mnist-train10k-images-idx3-ubyte.gz", "mnist-train10k-labels-idx1-ubyte.gz", "mnist-cnn.safetensors");
        string model = Path.Combine(_folder, "diffusion.safetensors"),
            picture = Path.Combine(_folder, "digits.png");
        string text = Run(
            "diffusion",
            "train",
            "--data",
            ExampleProgram.Data,
            "--model",
            model,
            "--steps",
            "60",
            "--batch",
            "16",
            "--width",
            "8",
            "--limit",
            "500",
            "--lr",
            "0.01"
        );
        Assert.InRange(NumberAfter(text, "loss"), 0.02, 0.8);
        foreach (string method in new[] { "ddim" })
        {
            string drawn = Run(
                "diffusion",
                "sample",
                "--data",
                ExampleProgram.Data,
                "--model",
                model,
                "--method",
                method,
                "--drawing-steps",
                "5",
                "--rows",
                "1",
                "--judge",
                "true",
                "--out",
                picture
            );
            Assert.Contains("of 10 digits", drawn);
            Assert.Equal([3, 28, 280], ImageFile.Load(picture).Shape.ToArray());
        }
    }

    [Fact]
    public void Noise_is_taken_out_again_where_it_is_known()
    {
        var diffusion = new Diffusion();
        var x0 = Tensor.Rand([2, 1, 4, 4], new Generator(1)) * 1.6 - 0.8;
        var noise = Tensor.Randn([2, 1, 4, 4], new Generator(2));
        Tensor At(int t) => diffusion.Noised(x0, noise, Tensor.Full([2], t, DType.Int64));
        // With the true noise each step of DDIM is on the way from the picture to the noise, whatever steps are left out.
        int[] times = Diffusion.Times(7);
        Assert.Equal((999, 7), (times[0], times.Length));
        for (int i = 0; i < times.Length; i++)
        {
            int next = i + 1 < times.Length ? times[i + 1] : -1;
            var wanted = next < 0 ? x0 : At(next);
            Assert.Equal(0, (diffusion.Ddim(At(times[i]), noise, times[i], next) - wanted).Abs().Max().Item(), 2e-3);
        }
        // A step of DDPM: the mean of the paper, and noise of the variance β.
        double beta = 1e-4 + (0.02 - 1e-4) * 500 / 999;
        double left = 1;
        for (int t = 0; t <= 500; t++)
            left *= 1 - (1e-4 + (0.02 - 1e-4) * t / 999);
        var x = At(500).Expand(2, 1000, 4, 4).Contiguous();
        var stepped = diffusion.Ddpm(x, noise.Expand(2, 1000, 4, 4), 500, new Generator(3));
        var mean = (At(500) - noise * (beta / Math.Sqrt(1 - left))) / Math.Sqrt(1 - beta);
        Assert.Equal(0, (stepped.Mean(1, keepdim: true) - mean).Abs().Max().Item(), 5 * Math.Sqrt(beta / 1000));
        Assert.Equal(beta, (stepped - mean).Square().Mean().Item(), 0.03 * beta);
        // The first step adds none.
        Assert.Equal(0, (diffusion.Ddpm(At(0), noise, 0, new Generator(4)) - x0).Abs().Max().Item(), 1e-4);
    }
}
