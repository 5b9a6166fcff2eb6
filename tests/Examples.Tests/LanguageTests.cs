using Xunit;

namespace Picograd.Tests;

/// <summary>Language models that others trained say what they said there.</summary>
public sealed class LanguageTests
{
    [SkippableFact]
    public void Llama_tells_the_story_of_llama2_c()
    {
        ExampleProgram.Needs("stories260K.bin", "stories260K-tok512.bin");
        const string Story =
            " Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball.";
        string text = ExampleProgram.Run("llama", "--data", ExampleProgram.Data, "--length", "80");
        Assert.StartsWith(Story, text, StringComparison.Ordinal);
        // The same words as a prompt are taken in at once and go on alike.
        string again = ExampleProgram.Run(
            "llama",
            "--data",
            ExampleProgram.Data,
            "--prompt",
            "Once upon a time, there was a little girl",
            "--length",
            "40"
        );
        Assert.StartsWith(Story, again, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void BabyLlama_tells_its_story()
    {
        ExampleProgram.Needs("babyllama-tok105.bin", "babyllama-tok105.vocab");
        string text = ExampleProgram.Run(
            "llama",
            "--data",
            ExampleProgram.Data,
            "--model",
            "babyllama-tok105.bin",
            "--length",
            "110"
        );
        Assert.StartsWith(
            "Once upon a time, there was a little girl named Lily. She loved to play outside in the sunshine.",
            text.TrimStart(),
            StringComparison.Ordinal
        );
    }

    [SkippableFact]
    public void Choices_are_drawn_within_what_is_allowed()
    {
        ExampleProgram.Needs("stories260K.bin", "stories260K-tok512.bin");
        string Story(params string[] options) =>
            ExampleProgram.Run("llama", ["--data", ExampleProgram.Data, "--length", "30", .. options]);
        string greedy = Story();
        // One token to choose from, or of the least share, is the likeliest one whatever the temperature.
        Assert.Equal(greedy, Story("--temperature", "2", "--top-k", "1"));
        Assert.Equal(greedy, Story("--temperature", "1", "--top-p", "1e-6"));
        Assert.NotEqual(greedy, Story("--temperature", "2"));
        Assert.Equal(Story("--temperature", "1", "--seed", "5"), Story("--temperature", "1", "--seed", "5"));
        Assert.NotEqual(Story("--temperature", "1", "--seed", "5"), Story("--temperature", "1", "--seed", "6"));
    }

    [SkippableFact]
    public void The_LSTM_writes_the_same_Shakespeare()
    {
        ExampleProgram.Needs("charrnn-lstm-shakespeare.safetensors");
        string text = ExampleProgram.Run("charrnn", "--data", ExampleProgram.Data, "--length", "96", "--logits", "4");
        string[] lines = text.Split('\n', 3);
        Assert.Equal("ROMEO:", lines[0]);
        float[] expected = [-2.676576f, -3.0200715f, -3.4188728f, 0.29697052f];
        Assert.All(
            lines[1].Split(' ').Zip(expected),
            p => Assert.Equal(p.Second, float.Parse(p.First, System.Globalization.CultureInfo.InvariantCulture), 1e-4f)
        );
        Assert.StartsWith(
            "M  rder me to the stranger than the sea\nThe stranger than the sentence the sentence\nThat the sent",
            lines[2].ReplaceLineEndings("\n"),
            StringComparison.Ordinal
        );
    }

    [SkippableFact]
    public void RWKV_has_the_expected_logits()
    {
        ExampleProgram.Needs("rwkv-5v2-730K.safetensors");
        string text = ExampleProgram.Run("rwkv", "--data", ExampleProgram.Data, "--check");
        Assert.InRange(ExampleProgram.NumberAfter(text, "largest difference"), 0, 1e-4);
        Assert.StartsWith(
            "\"in",
            ExampleProgram.Run("rwkv", "--data", ExampleProgram.Data, "--length", "20"),
            StringComparison.Ordinal
        );
    }

    [SkippableFact]
    public void Speech_is_found_in_the_recording()
    {
        ExampleProgram.Needs("silero-vad-16k.safetensors", "jfk.wav");
        string text = ExampleProgram.Run("silero-vad", "--data", ExampleProgram.Data);
        Assert.StartsWith("344 steps", text, StringComparison.Ordinal);
        Assert.Equal(0.0016698, ExampleProgram.NumberAfter(text, "the first"), 1e-6);
        Assert.Equal(236.806, ExampleProgram.NumberAfter(text, "sum"), 0.01);
        Assert.Equal(68.0, ExampleProgram.NumberAfter(text, "sum 236.806,"), 0.1);
    }
}
