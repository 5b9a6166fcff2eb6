using Picograd.Formats;
using Xunit;

namespace Picograd.Tests.Formats;

public class Llama2CTests
{
    // Two layers of width 4: every float is its own number.
    private static byte[] Model(int vocab, bool versioned)
    {
        int[] sizes = [4, 6, 2, 2, 1, vocab, 3];
        int floats =
            3 * 4 + 2 * (4 + 4 + 16 + 8 + 8 + 16 + 24 * 3) + 4 + (versioned ? 0 : 2 * 3) + (vocab < 0 ? 12 : 0);
        if (versioned)
            sizes[5] = Math.Abs(vocab);
        var bytes = new List<byte>();
        if (versioned)
            bytes.AddRange([.. BitConverter.GetBytes(0x616b3432), .. BitConverter.GetBytes(1)]);
        foreach (int size in sizes)
            bytes.AddRange(BitConverter.GetBytes(size));
        if (versioned)
        {
            bytes.Add((byte)(vocab > 0 ? 1 : 0));
            bytes.AddRange(new byte[256 - bytes.Count]);
        }
        for (int i = 0; i < floats; i++)
            bytes.AddRange(BitConverter.GetBytes((float)i));
        return [.. bytes];
    }

    private static Llama2CFile Open(byte[] bytes) => Llama2C.Open(FileBytes.Of(bytes, "memory.bin"));

    [Theory]
    [InlineData(3, false)]
    [InlineData(-3, false)]
    [InlineData(3, true)]
    [InlineData(-3, true)]
    public void Names_and_shapes(int vocab, bool versioned)
    {
        using var file = Open(Model(vocab, versioned));
        Assert.Equal(new Llama2CConfig(4, 6, 2, 2, 1, 3, 3, vocab > 0), file.Config);
        Assert.Equal(versioned ? 21 : 23, file.Count);
        Assert.Equal("tok_embeddings.weight", file.Keys.First());
        Assert.Equal("[2, 4]", file.Entry("layers.1.attention.wk.weight").Shape.ToString());
        Assert.Equal("[4, 6]", file.Entry("layers.1.feed_forward.w2.weight").Shape.ToString());
        Assert.Equal("[3, 4]", file.Entry("output.weight").Shape.ToString());
        Assert.Equal(versioned ? 0 : 12, file["layers.0.attention_norm.weight"].ToDoubles()[0]);
        Assert.Equal(vocab > 0, file["output.weight"].ToDoubles()[0] == file["tok_embeddings.weight"].ToDoubles()[0]);
        Assert.Equal("llama2.c", file.Format);
    }

    [Fact]
    public void Damage_is_named()
    {
        byte[] good = Model(3, versioned: false);
        Check(good[..^4], "takes");
        Check([.. good, 0, 0, 0, 0], "takes");
        Check(good[..27], "28 bytes");
        Check([0, 0, 0, 0, .. good[4..]], "no model");
        Check([5, 0, 0, 0, .. good[4..]], "no model");
        Check([.. good[..8], 255, 255, 255, 127, .. good[12..]], "no model");
        byte[] wrong = Model(3, versioned: true);
        wrong[4] = 2;
        Check(wrong, "version 2");

        static void Check(byte[] bytes, string said)
        {
            string message = Assert.Throws<InvalidDataException>(() => Open(bytes)).Message;
            Assert.Contains(said, message);
            Assert.Contains("memory.bin", message);
        }
    }

    [SkippableFact]
    public void Stories260K()
    {
        using var file = Llama2C.Open(ScratchFolder.Data("stories260K.bin"));
        Assert.Equal(new Llama2CConfig(64, 172, 5, 8, 4, 512, 512, true), file.Config);
        // Norms are near one, and the angles of place 0 are 0.
        Assert.InRange(file["norm.weight"].Mean().Item(), 0.5, 10);
        Assert.Equal([1, 1, 1, 1], file["freqs_cos"][0].ToDoubles());
        Assert.Equal(Math.Cos(1), file["freqs_cos"][1, 0].Item(), 1e-6);
        using var baby = Llama2C.Open(ScratchFolder.Data("babyllama-tok105.bin"));
        Assert.Equal(105, baby.Config.VocabSize);
        var pieces = Llama2C.LoadVocabulary(ScratchFolder.Data("stories260K-tok512.bin"));
        Assert.Equal((512, "<0x0A>"), (pieces.Count, pieces[13].Piece));
    }
}
