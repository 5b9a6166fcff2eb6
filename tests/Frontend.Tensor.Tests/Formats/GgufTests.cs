using System.Runtime.InteropServices;
using Picograd.Algorithms;
using Picograd.Formats;
using Xunit;

namespace Picograd.Tests.Formats;

public class GgufTests
{
    // The numbers of a linear congruence, as those that ggml was given had been made.
    private sealed class Drawn
    {
        private uint _state = 1;

        public byte Next()
        {
            _state = _state * 1664525 + 1013904223;
            return (byte)(_state >> 24);
        }
    }

    private static ulong Fnv(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in bytes)
            hash = (hash ^ b) * 1099511628211;
        return hash;
    }

    // Places of float16 scales in a block; hashes (FNV-1a) of what ggml 0.30's dequantize_row_* made of four blocks (libggml-base of
    // LLamaSharp.Backend.Cpu 0.30.0, its variant without AVX, which does not fuse).
    [Theory]
    [InlineData("q4_0", new[] { 0 }, 0x965f9d75728b48c1UL)]
    [InlineData("q4_1", new[] { 0, 2 }, 0xf16ec09b15cbf3b1UL)]
    [InlineData("q5_0", new[] { 0 }, 0xcb74d99332892d19UL)]
    [InlineData("q5_1", new[] { 0, 2 }, 0xa1fc687ee67abdb5UL)]
    [InlineData("q8_0", new[] { 0 }, 0x69849883b611a7f6UL)]
    [InlineData("q2_k", new[] { 80, 82 }, 0x8d36bfcf523a0b8dUL)]
    [InlineData("q3_k", new[] { 108 }, 0x6b5bed2a42e60799UL)]
    [InlineData("q4_k", new[] { 0, 2 }, 0xabd6390a8f83406dUL)]
    [InlineData("q5_k", new[] { 0, 2 }, 0x1523fb49d7dd75b1UL)]
    [InlineData("q6_k", new[] { 208 }, 0xc7ef6d8f451cda43UL)]
    public void Blocks_are_what_ggml_makes_of_them(string name, int[] scales, ulong hash)
    {
        var blocks = Array.Find(GgufType.All, t => t.Name == name)!.Blocks!;
        var drawn = new Drawn();
        byte[] bytes = [.. Enumerable.Range(0, 4 * blocks.Bytes).Select(_ => drawn.Next())];
        for (int i = 0; i < 4; i++)
        {
            foreach (int at in scales)
                bytes[i * blocks.Bytes + at + 1] &= 0xBF;
        }
        float[] values = blocks.Dequantised(Tensor.From(bytes), [4 * blocks.Elements]).ToArray<float>();
        Assert.Equal(hash, Fnv(MemoryMarshal.AsBytes<float>(values)));
    }

    // As above, of quantize_row_*_ref.
    [Theory]
    [InlineData("q4_0", 0xe73c46d33e9c22c1UL)]
    [InlineData("q4_1", 0xe3d30eba2a64182cUL)]
    [InlineData("q5_0", 0xc301a62210591dd4UL)]
    [InlineData("q5_1", 0x9087297c6bb542b7UL)]
    [InlineData("q8_0", 0x746e9434466c5181UL)]
    public void Blocks_are_made_as_ggml_makes_them(string name, ulong hash)
    {
        var drawn = new Drawn();
        float[] values =
        [
            .. Enumerable.Range(0, 128).Select(_ => ((drawn.Next() << 8 | drawn.Next()) - 32768) / 4096f),
        ];
        var blocks = Array.Find(GgufType.All, t => t.Name == name)!.Blocks!;
        byte[] made = new byte[4 * blocks.Bytes];
        blocks.Quantise(values, made);
        Assert.Equal(hash, Fnv(made));
    }

    [Fact]
    public void What_is_written_is_read()
    {
        using var folder = new ScratchFolder();
        var tensors = DTypes
            .OfTensors.Where(t => t is not (DType.Bool or DType.UInt8))
            .ToDictionary(t => t.Name(), t => Tensor.Arange(30).Reshape(2, 3, 5).To(t).Transpose(0, 2));
        tensors["blocks"] = Tensor.Randn(3, 64);
        tensors["empty"] = Tensor.Zeros(0, 32);
        tensors["number"] = Tensor.From(2.5f);
        var metadata = new Dictionary<string, object>
        {
            ["general.architecture"] = "llama",
            ["llama.block_count"] = 5u,
            ["llama.epsilon"] = 1e-5f,
            ["on"] = true,
            ["tokens"] = new[] { "a", "ü", "" },
            ["scores"] = new List<double> { 0.5, -1 },
            ["large"] = ulong.MaxValue,
            ["small"] = (sbyte)-3,
        };
        Gguf.Save(tensors, folder["a.gguf"], metadata, (name, _) => name == "blocks" ? "q8_0" : null);
        using var file = TensorFile.Open(folder["a.gguf"]);
        Assert.Equal("gguf", file.Format);
        Assert.Equal(tensors.Keys, file.Keys);
        foreach (var (name, tensor) in tensors)
        {
            var read = file[name];
            Assert.Equal(tensor.Shape.ToString(), file.Entry(name).Shape.ToString());
            Assert.Equal((tensor.DType, tensor.Shape.ToString()), (read.DType, read.Shape.ToString()));
            if (name == "blocks")
                Assert.True((read - tensor).Abs().Max().Item() < 0.02);
            else
                Assert.Equal(tensor.ToDoubles(), read.ToDoubles());
        }
        Assert.Equal("llama", file.Metadata["general.architecture"]);
        Assert.Equal(5L, file.Metadata["llama.block_count"]);
        Assert.Equal((double)1e-5f, file.Metadata["llama.epsilon"]);
        Assert.Equal(true, file.Metadata["on"]);
        Assert.Equal(["a", "ü", ""], (IEnumerable<object?>)file.Metadata["tokens"]!);
        Assert.Equal([0.5, -1.0], (IEnumerable<object?>)file.Metadata["scores"]!);
        Assert.Equal(ulong.MaxValue, file.Metadata["large"]);
        Assert.Equal(-3L, file.Metadata["small"]);
        var packed = file.Entry("blocks");
        Assert.True(packed.IsPacked);
        Assert.Equal((DType.UInt8, "[3, 68]"), (packed.Packed().DType, packed.Packed().Shape.ToString()));
        Assert.Throws<InvalidOperationException>(() => file.Entry("f32").Packed());
    }

    [Fact]
    public void What_the_format_does_not_have_is_refused()
    {
        using var folder = new ScratchFolder();
        Check([new("a", Tensor.Ones([2], DType.Bool))], null, null, "bool");
        Check([new("a", Tensor.Zeros(1, 1, 1, 1, 1))], null, null, "4 dimensions");
        Check([new("a", Tensor.Zeros(3, 33))], null, "q8_0", "multiple of 32");
        Check([new("a", Tensor.Zeros(3, 256))], null, "q4_k", "written are");
        Check([new("a", Tensor.Zeros(3))], [new("k", new object())], null, "'k'");
        Check([new("a", Tensor.Zeros(3))], [new("k", new object[] { 1, "x" })], null, "several kinds");
        Assert.Empty(folder.Names);

        void Check(
            KeyValuePair<string, Tensor>[] tensors,
            KeyValuePair<string, object>[]? metadata,
            string? type,
            string said
        ) =>
            Assert.Contains(
                said,
                Assert
                    .Throws<ArgumentException>(() =>
                        Gguf.Save(tensors, folder["a.gguf"], metadata, type is null ? null : (_, _) => type)
                    )
                    .Message
            );
    }
}
