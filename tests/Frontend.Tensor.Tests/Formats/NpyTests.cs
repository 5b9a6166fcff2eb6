using System.IO.Compression;
using System.Text;
using Picograd.Algorithms;
using Picograd.Formats;
using Xunit;

namespace Picograd.Tests.Formats;

public class NpyTests
{
    // As numpy/lib/format.py writes it.
    internal static byte[] Array(string descr, string shape, byte[] elements, bool fortran = false, int version = 1)
    {
        string header = $"{{'descr': '{descr}', 'fortran_order': {(fortran ? "True" : "False")}, 'shape': {shape}, }}";
        int begin = version == 1 ? 10 : 12;
        int length = (begin + header.Length + 1 + 63) / 64 * 64 - begin;
        byte[] text = Encoding.UTF8.GetBytes(header.PadRight(length - 1) + "\n");
        byte[] count = version == 1 ? BitConverter.GetBytes((ushort)length) : BitConverter.GetBytes(length);
        return [0x93, .. "NUMPY"u8, (byte)version, 0, .. count, .. text, .. elements];
    }

    private static Tensor Read(byte[] bytes)
    {
        using var file = TensorFile.Open(FileBytes.Of(bytes, "memory.npy"));
        return file["array"];
    }

    [Theory]
    [InlineData("<f4", DType.Float32, new byte[] { 0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0 }, 1.5, -2)]
    [InlineData(">f4", DType.Float32, new byte[] { 0x3f, 0xc0, 0, 0, 0xc0, 0, 0, 0 }, 1.5, -2)]
    [InlineData("=f2", DType.Float16, new byte[] { 0, 0x3e, 0, 0xc0 }, 1.5, -2)]
    [InlineData(">f2", DType.Float16, new byte[] { 0x3e, 0, 0xc0, 0 }, 1.5, -2)]
    [InlineData(">f8", DType.Float64, new byte[] { 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0 }, 1.5, -2)]
    [InlineData("|i1", DType.Int8, new byte[] { 3, 0xfe }, 3, -2)]
    [InlineData("<i2", DType.Int16, new byte[] { 3, 1, 0xfe, 0xff }, 259, -2)]
    [InlineData(">i2", DType.Int16, new byte[] { 1, 3, 0xff, 0xfe }, 259, -2)]
    [InlineData(">i4", DType.Int32, new byte[] { 0, 0, 1, 3, 0xff, 0xff, 0xff, 0xfe }, 259, -2)]
    [InlineData(
        "<i8",
        DType.Int64,
        new byte[] { 3, 1, 0, 0, 0, 0, 0, 0, 0xfe, 255, 255, 255, 255, 255, 255, 255 },
        259,
        -2
    )]
    [InlineData("|u1", DType.UInt8, new byte[] { 3, 254 }, 3, 254)]
    [InlineData("<u2", DType.Int32, new byte[] { 3, 1, 0xfe, 0xff }, 259, 65534)]
    [InlineData(">u2", DType.Int32, new byte[] { 1, 3, 0xff, 0xfe }, 259, 65534)]
    [InlineData("<u4", DType.Int64, new byte[] { 3, 1, 0, 0, 0xfe, 0xff, 0xff, 0xff }, 259, 4294967294)]
    [InlineData(">u8", DType.Int64, new byte[] { 0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 0, 1, 0, 0, 0, 0 }, 259, 4294967296)]
    [InlineData("|b1", DType.Bool, new byte[] { 1, 0 }, 1, 0)]
    [InlineData("|b1", DType.Bool, new byte[] { 7, 0 }, 1, 0)]
    public void Dtypes(string descr, DType type, byte[] elements, double first, double second)
    {
        foreach (int version in new[] { 1, 2, 3 })
        {
            var read = Read(Array(descr, "(2,)", elements, version: version));
            Assert.Equal((type, "[2]"), (read.DType, read.Shape.ToString()));
            Assert.Equal([first, second], read.ToDoubles());
        }
    }

    [Fact]
    public void Shapes_and_orders()
    {
        byte[] six = [1, 2, 3, 4, 5, 6];
        Assert.Equal([1, 4, 2, 5, 3, 6], Read(Array("|u1", "(2, 3)", six)).T.ToDoubles());
        var columns = Read(Array("|u1", "(3, 2)", six, fortran: true));
        Assert.Equal("[3, 2]", columns.Shape.ToString());
        Assert.Equal([1, 4, 2, 5, 3, 6], columns.ToDoubles());
        Assert.Equal([1, 3, 5, 2, 4, 6], Read(Array("|u1", "(2, 1, 3)", six, fortran: true)).ToDoubles());
        Assert.Equal("[]", Read(Array("<f4", "()", [0, 0, 0, 0])).Shape.ToString());
        Assert.Equal("[3, 0]", Read(Array("<f4", "(3L, 0L)", [])).Shape.ToString());
        // Complex numbers are pairs, also those whose columns lie first.
        byte[] complex = [.. new float[] { 1, 2, 3, 4, 5, 6, 7, 8 }.SelectMany(BitConverter.GetBytes)];
        Assert.Equal([1, 2, 5, 6, 3, 4, 7, 8], Read(Array("<c8", "(2, 2)", complex, fortran: true)).ToDoubles());
    }

    [Theory]
    [InlineData("<U3", "'<U3'")]
    [InlineData("|O", "'|O'")]
    [InlineData("<f16", "'<f16'")]
    public void Other_elements_are_refused_by_name(string descr, string named)
    {
        var e = Assert.Throws<InvalidDataException>(() => Read(Array(descr, "(1,)", new byte[16])));
        Assert.Contains(named, e.Message);
        Assert.Contains("memory.npy", e.Message);
    }

    [Fact]
    public void Damage_is_named()
    {
        byte[] good = Array("<f4", "(2,)", new byte[8]);
        Check(good[..^1], "7 bytes do");
        Check([.. good, 0], "9 bytes do");
        Check(Array("<f4", "(4611686018427387904, 4611686018427387904)", new byte[8]), "must follow");
        Check(Array("<f4", "(-1,)", new byte[8]), "dictionary");
        Check(Array("<f4", "(2,), 'more': 1", new byte[8]), "dictionary");
        Check(Array("<u8", "(1,)", [255, 255, 255, 255, 255, 255, 255, 255]), "2^63");
        Check([.. good[..6], 9, .. good[7..]], "version 9");

        static void Check(byte[] bytes, string said) =>
            Assert.Contains(said, Assert.Throws<InvalidDataException>(() => Read(bytes)).Message);
    }

    [Fact]
    public void What_is_written_is_read()
    {
        using var folder = new ScratchFolder();
        foreach (var type in DTypes.OfTensors.Where(t => t != DType.BFloat16))
        {
            var wanted = Tensor.Arange(24).Reshape(2, 3, 4).Fmod(type == DType.Bool ? 2 : 100).To(type);
            foreach (var tensor in new[] { wanted, wanted.Permute(2, 0, 1), wanted[0, 0, 0], wanted.Narrow(1, 0, 0) })
            {
                Npy.Save(tensor, folder["a.npy"]);
                var read = Npy.Load(folder["a.npy"]);
                Assert.Equal((type, tensor.Shape.ToString()), (read.DType, read.Shape.ToString()));
                Assert.Equal(tensor.ToDoubles(), read.ToDoubles());
                Assert.Equal(0, new FileInfo(folder["a.npy"]).Length % 64 - tensor.NBytes % 64);
            }
        }
        Assert.Equal(["a.npy"], folder.Names);
        var e = Assert.Throws<ArgumentException>(() => Npy.Save(Tensor.Ones([2], DType.BFloat16), folder["b.npy"]));
        Assert.Contains("bf16", e.Message);
        Assert.Equal(["a.npy"], folder.Names);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Archives_are_read_as_written(bool compress)
    {
        using var folder = new ScratchFolder();
        var tensors = new OrderedDictionary<string, Tensor>
        {
            ["weight"] = Tensor.Randn(37, 11),
            ["layers/0.bias"] = Tensor.Arange(5),
            ["empty"] = Tensor.Zeros(0, 3),
            ["flag"] = Tensor.From(true),
        };
        Npz.Save(tensors, folder["a.npz"], compress);
        using (var zip = ZipFile.OpenRead(folder["a.npz"]))
            Assert.Equal(
                ["weight.npy", "layers/0.bias.npy", "empty.npy", "flag.npy"],
                zip.Entries.Select(e => e.FullName)
            );
        using var file = TensorFile.Open(folder["a.npz"]);
        Assert.Equal("npz", file.Format);
        Assert.Equal(tensors.Keys, file.Keys);
        foreach (var (name, tensor) in tensors)
        {
            Assert.Equal(tensor.Shape.ToString(), file.Entry(name).Shape.ToString());
            Assert.Equal(tensor.ToDoubles(), file[name].ToDoubles());
        }
        Assert.Contains("'weight'", Assert.Throws<KeyNotFoundException>(() => file["w"]).Message);
    }

    [Fact]
    public void A_damaged_archive_is_refused()
    {
        using var folder = new ScratchFolder();
        Npz.Save([new("a", Tensor.Randn(100))], folder["a.npz"], compress: true);
        byte[] bytes = File.ReadAllBytes(folder["a.npz"]);
        // Within the packed bytes: the check sum tells.
        bytes[bytes.Length / 2] ^= 16;
        string path = folder.Write("b.npz", bytes);
        var e = Assert.Throws<InvalidDataException>(() =>
        {
            using var file = Npz.Open(path);
            return file["a"];
        });
        Assert.Contains("b.npz", e.Message);
    }

    [SkippableFact]
    public void Filters_of_whisper()
    {
        using var file = TensorFile.Open(ScratchFolder.Data("whisper-mel_filters.npz"));
        Assert.Equal(["mel_80", "mel_128"], file.Keys);
        var mel = file["mel_80"];
        Assert.Equal((DType.Float32, "[80, 201]"), (mel.DType, mel.Shape.ToString()));
        // Each filter has the area of two over its width in Hz, so that all have about the same.
        double[] areas = (mel.Sum(1) * 40).ToDoubles();
        Assert.All(areas, a => Assert.InRange(a, 0.5, 1.5));
        Assert.Equal("[128, 201]", file["mel_128"].Shape.ToString());
    }
}
