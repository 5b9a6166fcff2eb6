using System.IO.Compression;
using Picograd.Data;
using Xunit;

namespace Picograd.Tests;

public class FileTests
{
    private static byte[] Packed(byte[] bytes)
    {
        using var memory = new MemoryStream();
        using (var gzip = new GZipStream(memory, CompressionLevel.Fastest))
            gzip.Write(bytes);
        return memory.ToArray();
    }

    [Fact]
    public void Idx_files_are_read_packed_or_not()
    {
        using var folder = new Folder();
        byte[] bytes = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255];
        foreach (string path in new[] { folder.Write("plain", bytes), folder.Write("gz", Packed(bytes)) })
        {
            var t = Idx.Load(path);
            Assert.Equal(DType.UInt8, t.DType);
            Assert.Equal([2, 3], t.Shape.ToArray());
            Assert.Equal([1, 2, 3, 4, 5, 255], t.ToDoubles());
        }
        Assert.Equal(
            [-2, 258],
            Idx.Load(folder.Write("i16", [0, 0, 0x0B, 1, 0, 0, 0, 2, 0xff, 0xfe, 1, 2])).ToDoubles()
        );
        Assert.Equal([1.5], Idx.Load(folder.Write("f32", [0, 0, 0x0D, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0])).ToDoubles());
    }

    public static TheoryData<string, byte[], string> BadIdx =>
        new()
        {
            { "nothing", [], "two zeros" },
            { "text", "hello world"u8.ToArray(), "two zeros" },
            { "type", [0, 0, 7, 1, 0, 0, 0, 1, 1], "type is 0x07" },
            { "dims", [0, 0, 8, 0], "0 dimensions" },
            { "sizes", [0, 0, 8, 2, 0, 0, 0, 1], "within its sizes" },
            { "huge", [0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], "cannot have" },
            { "short", Packed([0, 0, 8, 1, 0, 0, 0, 9, 1, 2]), "need 9 bytes, but it has 2" },
            { "long", Packed([0, 0, 8, 1, 0, 0, 0, 1, 1, 2]), "but it has more" },
            { "gzip", [0x1f, 0x8b, 1, 2, 3], "" },
        };

    [Theory]
    [MemberData(nameof(BadIdx))]
    public void Idx_files_that_lie_are_refused(string name, byte[] bytes, string reason)
    {
        using var folder = new Folder();
        string path = folder.Write(name, bytes);
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => Idx.Load(path)).Message);
    }

    [Fact]
    public void Csv_files_are_read_by_column()
    {
        using var folder = new Folder();
        string path = folder.Write("a.csv", "x,y,name\n1,2.5,\"a,b\"\n-3e2,,c\n");
        var t = Csv.Load(path, columns: ["y", "x"]);
        Assert.Equal([2, 2], t.Shape.ToArray());
        Assert.Equal([2.5, 1, double.NaN, -300], t.ToDoubles());
        Assert.Contains("line 2, column 3", Assert.Throws<InvalidDataException>(() => Csv.Load(path)).Message);
        Assert.Contains(
            "no column 'z'",
            Assert.Throws<ArgumentException>(() => Csv.Load(path, columns: ["z"])).Message
        );
        Assert.Equal(
            [1, 2, 3, 4],
            Csv.Load(folder.Write("b.csv", "1;2\n3;4\n"), hasHeader: false, separator: ';').ToDoubles()
        );
        string ragged = folder.Write("c.csv", "1,2\n3,4,5\n");
        Assert.Throws<InvalidDataException>(() => Csv.Load(ragged, hasHeader: false, separator: ','));
    }

    [Fact]
    public void Sounds_come_back()
    {
        using var folder = new Folder();
        var sound = (Tensor.Arange(50).To(DType.Float32).Reshape(2, 25) - 25) / 32;
        Wav.Save(sound, folder["a.wav"], 8000);
        var (back, rate) = Wav.Load(folder["a.wav"]);
        Assert.Equal(8000, rate);
        Assert.Equal([2, 25], back.Shape.ToArray());
        Assert.True((back - sound).Abs().Amax().Item() < 1e-4);
        byte[] bytes = File.ReadAllBytes(folder["a.wav"]);
        foreach (int length in new[] { 0, 10, 30 })
        {
            string cut = folder.Write("cut.wav", bytes[..length]);
            Assert.Throws<InvalidDataException>(() => Wav.Load(cut));
        }
        Assert.Throws<InvalidDataException>(() => Wav.Load(folder.Write("text.wav", "no sound at all, but a text")));
    }

    [Fact]
    public void Pictures_come_back()
    {
        using var folder = new Folder();
        var picture = (Tensor.Arange(3 * 5 * 7) * 2).To(DType.UInt8).Reshape(3, 5, 7);
        ImageFile.Save(picture, folder["a.png"]);
        Assert.Equal(picture.ToDoubles(), ImageFile.Load(folder["a.png"]).ToDoubles());
        ImageFile.Save(picture.To(DType.Float32) / 255, folder["b.png"]);
        Assert.Equal(picture.ToDoubles(), ImageFile.Load(folder["b.png"]).ToDoubles());
        var grey = picture[..1];
        ImageFile.Save(grey, folder["g.png"]);
        Assert.Equal(grey.ToDoubles(), ImageFile.Load(folder["g.png"], 1).ToDoubles());
        ImageFile.Save(Tensor.Full([3, 16, 16], 100).To(DType.UInt8), folder["a.jpg"]);
        Assert.All(ImageFile.Load(folder["a.jpg"]).ToDoubles(), v => Assert.InRange(v, 97, 103));
        Assert.Throws<InvalidDataException>(() => ImageFile.Load(folder.Write("x.png", "no picture")));
        byte[] bytes = File.ReadAllBytes(folder["a.png"]);
        Assert.Throws<InvalidDataException>(() => ImageFile.Load(folder.Write("cut.png", bytes[..40])));
        Assert.Throws<ArgumentException>(() => ImageFile.Save(Tensor.Zeros(2, 3, 3), folder["c.png"]));
    }

    [Fact]
    public void Sound_of_16_bits_is_written_as_it_was_read()
    {
        using var folder = new Folder();
        float[] levels = [0, 1, -1, 12345, -12345, 32767, -32768];
        var sound = Tensor.From(levels).Unsqueeze(0) / 32768;
        Wav.Save(sound, folder["a.wav"], 8000);
        Assert.Equal(levels, (Wav.Load(folder["a.wav"]).Samples * 32768).Flatten().ToArray<float>());
        var image = Tensor.Zeros([3, 2, 2], DType.UInt8);
        Assert.Contains(
            "u8",
            Assert.Throws<ArgumentException>(() => Transforms.Normalize([0.5], [0.5])(image)).Message
        );
    }

    [Fact]
    public void Transforms_change_pictures()
    {
        var x = Tensor.Arange(2 * 4 * 6).To(DType.UInt8).Reshape(2, 4, 6);
        var y = Transforms.Compose(Transforms.ToFloat(), Transforms.Normalize([0.5, 0], [0.5, 2]))(x);
        Assert.Equal((x[1, 2, 3].Item() / 255) / 2, y[1, 2, 3].Item(), 6);
        Assert.Equal([2, 2, 3], Transforms.Resize(2, 3)(x).Shape.ToArray());
        Assert.Equal(x[.., 1..3, 2..4].ToDoubles(), Transforms.CenterCrop(2, 2)(x).ToDoubles());
        Assert.Equal([2, 5, 7], Transforms.RandomCrop(5, 7, padding: 2)(x).Shape.ToArray());
        Assert.Equal(x.Flip(-1).ToDoubles(), Transforms.RandomHorizontalFlip(1)(x).ToDoubles());
        Assert.Equal(x.ToDoubles(), Transforms.RandomVerticalFlip(0)(x).ToDoubles());
        Assert.Throws<ArgumentException>(() => Transforms.RandomCrop(9, 2)(x));
        Assert.Throws<ArgumentException>(() => Transforms.Normalize([1], [0]));
    }

    [SkippableFact]
    public void MNIST_and_a_recording_are_read()
    {
        string data = Environment.GetEnvironmentVariable("PICOGRAD_DATA") ?? "";
        Skip.IfNot(
            File.Exists(Path.Combine(data, "mnist-t10k-images-idx3-ubyte.gz")),
            "PICOGRAD_DATA names no folder with mnist-t10k-images-idx3-ubyte.gz"
        );
        Assert.Equal([10000, 28, 28], Idx.Load(Path.Combine(data, "mnist-t10k-images-idx3-ubyte.gz")).Shape.ToArray());
        Assert.Equal(7, Idx.Load(Path.Combine(data, "mnist-t10k-labels-idx1-ubyte.gz"))[0].Item());
        var (sound, rate) = Wav.Load(Path.Combine(data, "jfk.wav"));
        Assert.Equal((16000, 1L, 176000L), (rate, sound.Shape[0], sound.Shape[1]));
        Assert.Equal([1797, 65], Csv.Load(Path.Combine(data, "optdigits-test.csv"), hasHeader: false).Shape.ToArray());
    }
}
