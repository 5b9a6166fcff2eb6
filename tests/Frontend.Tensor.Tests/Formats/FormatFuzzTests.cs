using Picograd.Formats;
using Xunit;

namespace Picograd.Tests.Formats;

/// <summary>
/// Files with bytes changed, taken out and put in are read or refused with InvalidDataException, and nothing else. 10,000 of all formats
/// together; PICOGRAD_FUZZ gives another number.
/// </summary>
public class FormatFuzzTests
{
    private static readonly int Mutations = int.TryParse(
        Environment.GetEnvironmentVariable("PICOGRAD_FUZZ"),
        out int given
    )
        ? given
        : 10_000;

    private static readonly OrderedDictionary<string, Tensor> Tensors = new()
    {
        ["a.weight"] = Tensor.Arange(64).Reshape(2, 32).To(DType.Float32),
        ["b"] = Tensor.Arange(3),
        ["c"] = Tensor.Ones([], DType.Float16),
    };

    public static TheoryData<string> Formats =>
        [
            "npy",
            "npz",
            "npz packed",
            "safetensors",
            "gguf",
            "llama2.c",
            "vocabulary",
            "pytorch",
            "pytorch written",
            "pytorch legacy",
        ];

    private static byte[] File(string format)
    {
        using var folder = new ScratchFolder();
        string path = folder["f"];
        switch (format)
        {
            case "npy":
                Npy.Save(Tensors["a.weight"], path);
                break;
            case "npz":
                Npz.Save(Tensors, path);
                break;
            case "npz packed":
                Npz.Save(Tensors, path, compress: true);
                break;
            case "safetensors":
                Safetensors.Save(Tensors, path, [new("k", "v")]);
                break;
            case "gguf":
                Gguf.Save(
                    Tensors,
                    path,
                    [new("a", 1), new("b", new[] { "x", "y" }), new("c", 0.5)],
                    (name, _) => name == "a.weight" ? "q4_0" : null
                );
                break;
            case "llama2.c":
                int[] sizes = [4, 4, 1, 2, 1, 2, 2];
                int floats = 8 + 8 + 16 + 8 + 8 + 16 + 48 + 4 + 4;
                return [.. sizes.SelectMany(BitConverter.GetBytes), .. new byte[4 * floats]];
            case "pytorch":
                return PyTorchFileTests.Zip(PyTorchSamples.Protocol4);
            case "pytorch written":
                PyTorchFile.Save(Tensors, path);
                break;
            case "pytorch legacy":
                return PyTorchSamples.Legacy;
            default:
                return [7, 0, 0, 0, .. new byte[4], 2, 0, 0, 0, 65, 66, .. new byte[4], 1, 0, 0, 0, 67];
        }
        return System.IO.File.ReadAllBytes(path);
    }

    private static void Read(string format, byte[] bytes)
    {
        using var memory = FileBytes.Of(bytes, "memory");
        if (format == "vocabulary")
        {
            Llama2C.Vocabulary(memory);
            return;
        }
        using var file = format == "llama2.c" ? Llama2C.Open(memory) : TensorFile.Open(memory);
        foreach (var entry in file.Tensors)
        {
            using var tensor = entry.Read();
            Assert.Equal(entry.Shape.ToString(), tensor.Shape.ToString());
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Mutations_are_read_or_refused(string format)
    {
        byte[] good = File(format);
        Read(format, good);
        var random = new Random(7);
        int refused = 0;
        int count = Mutations / Formats.Count;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < count; i++)
        {
            byte[] bytes = Mutated(good, random);
            try
            {
                Read(format, bytes);
            }
            catch (InvalidDataException e)
            {
                Assert.Contains("memory", e.Message);
                refused++;
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{format}, mutation {i}: {Convert.ToHexString(bytes)}", e);
            }
        }
        Assert.InRange(refused, count / 20, count);
        // Nothing takes memory for what a file only says.
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < count * 400_000L);
    }

    private static byte[] Mutated(byte[] good, Random random)
    {
        var bytes = new List<byte>(good);
        for (int n = random.Next(1, 4); n > 0 && bytes.Count > 0; n--)
        {
            // What says something is mostly at either end.
            int at = random.Next(3) switch
            {
                0 => random.Next(bytes.Count),
                1 => random.Next(Math.Min(bytes.Count, 64)),
                _ => bytes.Count - 1 - random.Next(Math.Min(bytes.Count, 64)),
            };
            switch (random.Next(6))
            {
                case 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes[at] = random.Next(2) == 0 ? (byte)255 : (byte)0;
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(random.Next(1, 9), bytes.Count - at));
                    break;
                case 4:
                    bytes.InsertRange(at, Enumerable.Range(0, random.Next(1, 9)).Select(_ => (byte)random.Next(256)));
                    break;
                default:
                    for (int k = at; k < Math.Min(at + 8, bytes.Count); k++)
                        bytes[k] = (byte)(random.Next(2) == 0 ? 255 : 127);
                    break;
            }
        }
        return [.. bytes];
    }
}
