using Picograd.Data;
using Xunit;
using static Picograd.Tests.ExampleProgram;

namespace Picograd.Tests;

/// <summary>Files and values that are wrong are one sentence, and the exit code 2; what decides on them without data.</summary>
public sealed class InputTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("picograd-examples").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static void IsRefused(string says, string name, params string[] args)
    {
        var (code, _, error) = RunAny(name, args);
        Assert.True(code == 2, $"{name} {string.Join(' ', args)} ended with {code}: {error}");
        Assert.StartsWith($"{name}: ", error, StringComparison.Ordinal);
        Assert.Contains(says, error);
        Assert.Single(error.Trim().Split('\n'));
    }

    [Theory]
    [InlineData("bert")]
    [InlineData("diffusion", "train")]
    [InlineData("gpt", "train")]
    [InlineData("linear-regression")]
    [InlineData("mnist-cnn")]
    [InlineData("names-mlp", "--data", "names.txt")]
    [InlineData("names-rnn")]
    [InlineData("resnet", "train")]
    [InlineData("sentiment")]
    [InlineData("softmax-regression")]
    [InlineData("vae")]
    public void Learning_rates_are_in_a_range(string name, params string[] command)
    {
        IsRefused("--lr", name, [.. command, "--lr", "-1"]);
        IsRefused("--lr", name, [.. command, "--lr", "NaN"]);
    }

    [Theory]
    [InlineData("mnist-cnn")]
    [InlineData("resnet", "train")]
    [InlineData("vae")]
    public void Pictures_to_train_on_make_a_batch(string name, params string[] command) =>
        IsRefused("--limit is 5, but must be 0, for all, or at least 64", name, [.. command, "--limit", "5"]);

    [Fact]
    public void Weights_of_another_model_are_refused()
    {
        string gpt = Path.Combine(_folder, "gpt.safetensors");
        var tensors = new Dictionary<string, Tensor> { ["x"] = Tensor.Zeros(2) };
        Safetensors.Save(tensors, gpt, new Dictionary<string, string> { ["alphabet"] = "ab", ["sizes"] = "8 1 4 1" });
        IsRefused("'x' is not in the module", "gpt", "sample", "--model", gpt);
        Safetensors.Save(tensors, gpt, new Dictionary<string, string> { ["alphabet"] = "ab", ["sizes"] = "8 one 4 1" });
        IsRefused("one", "gpt", "sample", "--model", gpt);
        Safetensors.Save(tensors, Path.Combine(_folder, "mlperf-tiny-resnet8-cifar10.safetensors"));
        IsRefused("dense/kernel:0", "resnet", "classify", "cat.png", "--data", _folder);
    }

    [Fact]
    public void Files_that_cannot_be_read_or_written_are_refused()
    {
        string sound = Path.Combine(_folder, "sound.wav");
        Wav.Save(Tensor.Zeros(800), sound, LogMel.Rate);
        IsRefused(".bmp", "whisper", "mel", "--sound", sound, "--out", Path.Combine(_folder, "mel.bmp"));
        IsRefused(_folder, "whisper", "mel", "--sound", _folder);
        Assert.Equal([sound], Directory.GetFiles(_folder));
    }

    [Fact]
    public void A_recording_without_samples_is_refused()
    {
        string sound = Path.Combine(_folder, "empty.wav");
        Wav.Save(Tensor.Zeros(1, 0), sound, SileroVad.Rate);
        IsRefused("the recording is empty", "silero-vad", "--sound", sound);
    }

    [Fact]
    public void A_Whisper_of_another_size_is_refused()
    {
        string path = Path.Combine(_folder, "whisper.safetensors");
        Safetensors.Save(new Whisper(new WhisperConfig(4, 6, 8, 1, 1, 7, 5, 8, 1, 1)).StateDict(), path);
        IsRefused("7 tokens", "whisper", "transcribe", path);
    }

    // OpenAI's tokenizer: sot_sequence_including_notimestamps and eot.
    [Theory]
    [InlineData(51865, "en", 50257, new[] { 50258, 50259, 50359, 50363 })]
    [InlineData(51865, "su", 50257, new[] { 50258, 50357, 50359, 50363 })]
    [InlineData(51866, "en", 50257, new[] { 50258, 50259, 50360, 50364 })]
    [InlineData(51866, "yue", 50257, new[] { 50258, 50358, 50360, 50364 })]
    [InlineData(51864, "en", 50256, new[] { 50257, 50362 })]
    public void Marks_of_Whisper_follow_from_the_number_of_tokens(int vocabulary, string language, int end, int[] start)
    {
        var marks = WhisperMarks.Of(vocabulary);
        Assert.Equal(end, marks.End);
        Assert.Equal(start, marks.Start(language));
        // Behind "no timestamps" there are those of 30 seconds in steps of 20 ms.
        Assert.Equal(vocabulary, start[^1] + 1 + 1501);
    }

    [Fact]
    public void Parts_of_Stable_Diffusion_must_be_whole()
    {
        var state = new AutoencoderDecoder(32, 4, [1, 2], 1).StateDict();
        var checkpoint = state.ToDictionary(t => "first." + t.Key, t => t.Value);
        checkpoint["first.encoder.weight"] = Tensor.Zeros(1);
        AutoencoderDecoder Load() => Parts.Load(checkpoint, new AutoencoderDecoder(32, 4, [1, 2], 1), "first.");
        Assert.Equal(state["post_quant_conv.bias"].ToDoubles(), Load().StateDict()["post_quant_conv.bias"].ToDoubles());
        checkpoint.Remove("first.decoder.norm_out.weight");
        var error = Assert.Throws<InvalidDataException>(() => Load());
        Assert.Contains("lacks 1 tensors", error.Message);
        Assert.Contains("'first.decoder.norm_out.weight'", error.Message);
        checkpoint.Clear();
        Assert.Throws<InvalidDataException>(() => Load());
    }

    [Fact]
    public void Guesses_change_nothing_beyond_the_context()
    {
        string Model(string name, int context, int width, long seed)
        {
            Tensor.ManualSeed(seed);
            var model = new Gpt(new GptConfig("abcdefgh\n", context, 1, width, 2));
            using (Tensor.NoGrad())
                foreach (var (part, p) in model.NamedParameters.Where(p => p.Parameter.Rank == 2))
                    p.Copy_(Tensor.Randn(p.Shape) * (part.StartsWith("places", StringComparison.Ordinal) ? 4 : 1));
            string path = Path.Combine(_folder, name);
            model.Save(path);
            return path;
        }
        string large = Model("large", 8, 16, 1);
        string[] others = [large, Model("short", 5, 8, 2), Model("long", 30, 8, 3)];
        string Write(string prompt, params string[] options) =>
            Run("gpt", ["sample", "--model", large, "--length", "50", "--prompt", prompt, .. options]);
        foreach (string prompt in new[] { "a", "abcdefghabc", "hgfedcb" })
        {
            string alone = Write(prompt);
            // Where it starts anew decides on what is written.
            Assert.True(alone[prompt.Length..].Distinct().Count() > 2, alone);
            Assert.Equal(prompt.Length + 50, alone.ReplaceLineEndings("\n").Length - 1);
            foreach (string draft in others)
            foreach (string ahead in new[] { "1", "3", "4", "64" })
                Assert.Equal(alone, Write(prompt, "--draft", draft, "--ahead", ahead));
        }
    }

    [Fact]
    public void Progress_goes_to_the_console_that_there_is()
    {
        var output = Console.Out;
        try
        {
            for (int i = 0; i < 2; i++)
            {
                using var written = new StringWriter();
                Console.SetOut(written);
                using (var progress = new ProgressLine(1, $"turn {i}"))
                    progress.Step();
                Assert.Contains($"turn {i}", written.ToString());
            }
        }
        finally
        {
            Console.SetOut(output);
        }
    }
}
