using Microsoft.ML.Tokenizers;
using Picograd.Data;
using Xunit;

namespace Picograd.Tests;

/// <summary>Ids are those of the models' own tokenizers.</summary>
public class TokenizerTests
{
    private static string DataFile(string name)
    {
        string? folder = Environment.GetEnvironmentVariable("PICOGRAD_DATA");
        Skip.If(string.IsNullOrEmpty(folder), $"needs {name}; PICOGRAD_DATA names no folder with it");
        string path = Path.Combine(folder!, name);
        Skip.IfNot(File.Exists(path), $"needs {name}, which {folder} does not have");
        return path;
    }

    private static void Check(Tokenizer tokenizer, string text, int[] ids, string? back = null)
    {
        Assert.Equal(ids, tokenizer.EncodeToIds(text));
        Assert.Equal(back ?? text, tokenizer.Decode(ids));
    }

    [SkippableFact]
    public void Gpt2()
    {
        var tokenizer = Tokenizers.Gpt2(DataFile("gpt2-encoder.json"), DataFile("gpt2-vocab.bpe"));
        Check(tokenizer, "Hello, world!", [15496, 11, 995, 0]);
        Check(tokenizer, "it's<|endoftext|>", [270, 338, 50256]);
        Check(tokenizer, "\n\n  x", [628, 220, 2124]);
        foreach (string text in new[] { " naïve café 漢字", "\t\u0001ÿ", "🙂", "" })
            Assert.Equal(text, tokenizer.Decode(tokenizer.EncodeToIds(text)));
    }

    [SkippableFact]
    public void Whisper()
    {
        var tokenizer = Tokenizers.Whisper(DataFile("whisper-multilingual.tiktoken"));
        Check(
            tokenizer,
            " And so my fellow Americans ask not what your country can do for you",
            [400, 370, 452, 7177, 6280, 1029, 406, 437, 428, 1941, 393, 360, 337, 291]
        );
        Check(tokenizer, "<|startoftranscript|><|en|><|transcribe|><|notimestamps|>", [50258, 50259, 50359, 50363]);
        Check(tokenizer, "<|endoftext|><|0.00|><|30.00|>", [50257, 50364, 51864]);
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            Tokenizers.Whisper(DataFile("whisper-multilingual.tiktoken"), languages: 7)
        );
    }

    [SkippableFact]
    public void Bert()
    {
        var tokenizer = Tokenizers.Bert(DataFile("minilm-vocab.txt"));
        Assert.Equal([101, 7592, 2088, 102], tokenizer.EncodeToIds("Hello world"));
        Assert.Equal([101, 14477, 20961, 3468, 999, 102], tokenizer.EncodeToIds("unaffable!"));
    }

    [SkippableFact]
    public void Llama2C_vocabularies()
    {
        var tokenizer = Tokenizers.Llama2C(DataFile("stories260K-tok512.bin"));
        Check(
            tokenizer,
            "Once upon a time, there was a little girl",
            [1, 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421]
        );
        // What has no piece is bytes.
        int[] bytes = [.. tokenizer.EncodeToIds("x\nÿ  y")];
        Assert.Equal([13, 198, 194], bytes[3..6]);
        Assert.Equal("x\nÿ  y", tokenizer.Decode(bytes));
        Assert.Equal(
            403,
            Tokenizers.Llama2C(DataFile("stories260K-tok512.bin"), addBeginning: false).EncodeToIds("Once")[0]
        );

        var letters = Tokenizers.Llama2C(DataFile("babyllama-tok105.vocab"));
        Check(letters, "Once upon", [1, 3, 34, 9, 22, 4, 3, 18, 20, 7, 9]);
    }

    [SkippableFact]
    public void Clip()
    {
        var tokenizer = Tokenizers.Clip(DataFile("clip-bpe_simple_vocab_16e6.txt.gz"));
        Assert.Equal([320, 1125, 539, 320, 2368], tokenizer.EncodeToIds("a photo of a Cat"));
        long[] ids = Tokenizers.ClipIds(tokenizer, "a photo of a cat").ToArray<long>();
        Assert.Equal([49406, 320, 1125, 539, 320, 2368, 49407, 49407], ids[..8]);
        Assert.Equal(77, ids.Length);
        long[] cut = Tokenizers.ClipIds(tokenizer, "a b c d e f g", length: 5, pad: 0).ToArray<long>();
        Assert.Equal((5, 49406, 49407), (cut.Length, cut[0], cut[^1]));
    }

    [Fact]
    public void What_is_no_vocabulary_is_refused_by_name()
    {
        using var folder = new Folder();
        string path = folder["vocab"];
        foreach (
            byte[] bytes in new byte[][]
            {
                [],
                [1, 2, 3],
                [255, 255, 255, 127, 0, 0, 0, 0],
                [.. "{]"u8],
                [.. "a b c\n"u8],
            }
        )
        {
            File.WriteAllBytes(path, bytes);
            Check(() => Tokenizers.Gpt2(path, path));
            Check(() => Tokenizers.Tiktoken(path));
            Check(() => Tokenizers.SentencePiece(path));
            Check(() => Tokenizers.Llama2C(path));
            Check(() => Tokenizers.Clip(path));
        }

        void Check(Func<Tokenizer> make)
        {
            try
            {
                make();
            }
            catch (InvalidDataException e)
            {
                Assert.Contains(path, e.Message);
            }
        }
    }
}
