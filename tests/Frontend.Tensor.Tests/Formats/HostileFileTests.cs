using System.Text;
using Picograd.Formats;
using Xunit;

namespace Picograd.Tests.Formats;

/// <summary>Files that say more than they have.</summary>
public class HostileFileTests
{
    private static TensorFile Open(byte[] bytes) => TensorFile.Open(FileBytes.Of(bytes, "memory"));

    private static string Refused(byte[] bytes) => Assert.Throws<InvalidDataException>(() => Open(bytes)).Message;

    private static byte[] Pickled(string text) => PyTorchFileTests.Zip(Encoding.Latin1.GetBytes(text));

    [Fact]
    public void Empty_tensors_of_sizes_that_nothing_counts()
    {
        byte[] header = Encoding.UTF8.GetBytes(
            "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904,4],\"data_offsets\":[0,0]}}"
        );
        byte[] file = [.. BitConverter.GetBytes((long)header.Length), .. header];
        Assert.Contains("shape", Refused(file));
        using var folder = new ScratchFolder();
        string path = folder.Write("a.safetensors", file);
        Assert.Throws<InvalidDataException>(() => Safetensors.Load(path));

        Assert.Contains("shape", Refused(Npy("<f4", "(0, 4611686018427387904, 4)", 0)));
        // Pairs of complex numbers are one dimension more.
        string ones = string.Join(", ", Enumerable.Repeat(1, Layout.MaxRank));
        Assert.Contains("shape", Refused(Npy("<c8", $"({ones})", 8)));
        Assert.Single(Open(Npy("<f8", $"({ones})", 8)).Tensors);
    }

    private static byte[] Npy(string descr, string shape, int bytes)
    {
        string text = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n";
        return
        [
            0x93,
            .. "NUMPY"u8,
            1,
            0,
            .. BitConverter.GetBytes((ushort)text.Length),
            .. Encoding.ASCII.GetBytes(text),
            .. new byte[bytes],
        ];
    }

    [Fact]
    public void Containers_that_are_copied_over_and_over()
    {
        // A list of 20 000 values, copied 20 000 times.
        string list = "](" + string.Concat(Enumerable.Repeat("K\x01", 20_000)) + "eq\0";
        string copies = string.Concat(Enumerable.Repeat("cbuiltins\nset\nh\0\x85R0", 20_000));
        Assert.Contains("over and over", Refused(Pickled(list + copies + ".")));
    }

    [Fact]
    public void Names_that_repeat_themselves()
    {
        // A key of 10 000 characters, before 10 000 others.
        string inner = "](" + string.Concat(Enumerable.Repeat("K\x01", 10_000)) + "e";
        string key = "X\x10\x27\0\0" + new string('k', 10_000);
        Assert.Contains("characters", Refused(Pickled($"}}({key}{inner}u.")));
    }

    [Fact]
    public void Keys_that_would_become_one()
    {
        using var folder = new ScratchFolder();
        string path = folder.Write("a.pt", Pickled("}(K\x01K\x05X\x01\0\0\01K\x06u."));
        Assert.Contains("'1'", Assert.Throws<InvalidDataException>(() => PyTorchFile.Load(path)).Message);
    }

    [Fact]
    public void Entries_of_an_archive_that_lie_in_each_other()
    {
        byte[] zip = PyTorchFileTests.Zip(PyTorchSamples.Protocol2);
        Open(zip).Dispose();
        // The second entry of the directory begins where the first one does.
        int first = zip.AsSpan().IndexOf("PK\x01\x02"u8);
        int second = first + 4 + zip.AsSpan(first + 4).IndexOf("PK\x01\x02"u8);
        zip.AsSpan(first + 42, 4).CopyTo(zip.AsSpan(second + 42));
        Assert.Contains("begins in the entry before it", Refused(zip));
    }

    [Fact]
    public void Bools_of_other_bytes_and_metadata_given_twice()
    {
        using var folder = new ScratchFolder();
        Safetensors.Save([new("m", Tensor.From(new[] { true, false, true }))], folder["m"]);
        byte[] bytes = File.ReadAllBytes(folder["m"]);
        bytes[^3] = 7;
        string path = folder.Write("n", bytes);
        var read = Safetensors.Load(path)["m"];
        Assert.Equal([1, 0, 1], read.ToDoubles());
        Assert.Equal(2, read.To(DType.Int64).Sum().Item());

        KeyValuePair<string, object>[] twice = [new("k", 1), new("k", 2)];
        Assert.Contains(
            "'k'",
            Assert.Throws<ArgumentException>(() => Gguf.Save([new("a", Tensor.Ones(2))], folder["g"], twice)).Message
        );
        Assert.False(File.Exists(folder["g"]));
    }
}
