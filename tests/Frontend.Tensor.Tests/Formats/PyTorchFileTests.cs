using System.IO.Compression;
using System.Text;
using Picograd.Algorithms;
using Picograd.Formats;
using Xunit;

namespace Picograd.Tests.Formats;

public class PyTorchFileTests
{
    internal static byte[] Zip(byte[] pickle, bool packed = false, string folder = "archive/")
    {
        using var memory = new MemoryStream();
        using (var zip = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            Add("data.pkl", pickle);
            for (int i = 0; i < PyTorchSamples.Storages.Length; i++)
                Add($"data/{i}", PyTorchSamples.Storages[i]);
            Add("version", "3\n"u8.ToArray());

            void Add(string name, byte[] bytes)
            {
                var level = packed ? CompressionLevel.Optimal : CompressionLevel.NoCompression;
                using var entry = zip.CreateEntry(folder + name, level).Open();
                entry.Write(bytes);
            }
        }
        return memory.ToArray();
    }

    private static TensorFile Open(byte[] bytes) => TensorFile.Open(FileBytes.Of(bytes, "memory.pt"));

    public static TheoryData<string> Samples => ["protocol 2", "protocol 4", "packed", "legacy"];

    private static byte[] Sample(string name) =>
        name switch
        {
            "protocol 2" => Zip(PyTorchSamples.Protocol2),
            "protocol 4" => Zip(PyTorchSamples.Protocol4, folder: "other/"),
            "packed" => Zip(PyTorchSamples.Protocol2, packed: true),
            _ => PyTorchSamples.Legacy,
        };

    [Theory]
    [MemberData(nameof(Samples))]
    public void Nested_values_are_read(string sample)
    {
        using var file = Open(Sample(sample));
        Assert.Equal(["model.w", "model.wt", "model.row", "model.n", "model.b", "model.m", "state.0.w"], file.Keys);
        Assert.Equal([0, 1, 2, 3, 4, 5], file["model.w"].ToDoubles());
        Assert.Equal([0, 3, 1, 4, 2, 5], file["model.wt"].ToDoubles());
        Assert.Equal("[3, 2]", file["model.wt"].Shape.ToString());
        Assert.Equal([3, 4, 5], file["model.row"].ToDoubles());
        Assert.Equal((DType.Int64, -7), (file["model.n"].DType, file["model.n"].Item()));
        Assert.Equal(DType.BFloat16, file["model.b"].DType);
        Assert.Equal([1.5, -2], file["model.b"].ToDoubles());
        Assert.Equal(DType.Bool, file["model.m"].DType);
        Assert.Equal([1, 0, 1], file["model.m"].ToDoubles());
        Assert.Equal((3L, 0.5, "naïve"), (file.Metadata["epoch"], file.Metadata["lr"], file.Metadata["name"]));
        Assert.Equal((0.999, null, true), (file.Metadata["betas.1"], file.Metadata["none"], file.Metadata["flag"]));
        Assert.Equal(Math.Pow(2, 70), file.Metadata["big"]);
        Assert.Equal(["w", "wt", "row", "n", "b", "m"], file.Under("model.").Keys);
    }

    [Fact]
    public void Values_are_loaded_as_they_were_nested()
    {
        using var folder = new ScratchFolder();
        string path = folder.Write("a.pt", Sample("protocol 2"));
        var tree = Assert.IsType<OrderedDictionary<string, object?>>(PyTorchFile.Load(path));
        var model = Assert.IsType<OrderedDictionary<string, object?>>(tree["model"]);
        var state = Assert.IsType<OrderedDictionary<string, object?>>(tree["state"]);
        Assert.Equal([0.9, 0.999], Assert.IsType<List<object?>>(tree["betas"]));
        var first = Assert.IsType<OrderedDictionary<string, object?>>(state["0"]);
        Assert.Equal(1.0, first["step"]);
        // Tensors of one storage share it, and the file may go.
        File.Delete(path);
        ((Tensor)model["w"]!).Fill_(9);
        Assert.Equal([9, 9, 9], ((Tensor)model["row"]!).ToDoubles());
        Assert.Equal([9, 9], ((Tensor)first["w"]!).ToDoubles());
    }

    [Fact]
    public void A_file_of_libtorch_is_read()
    {
        using var file = Open(PyTorchSamples.Libtorch);
        Assert.Equal(["0"], file.Keys);
        Assert.Equal("[2, 3]", file["0"].Shape.ToString());
        Assert.Equal([0, 1, 2, 3, 4, 5], file["0"].ToDoubles());
    }

    [Fact]
    public void What_is_written_is_read()
    {
        using var folder = new ScratchFolder();
        var weight = Tensor.Randn(4, 3);
        var tree = new OrderedDictionary<string, object?>
        {
            ["model"] = new Linear(3, 2),
            ["weight"] = weight,
            ["transposed"] = weight.T,
            ["part"] = weight[1],
            ["apart"] = Tensor.Randn(5, 2).T,
            ["numbers"] = new object[] { 1, -5_000_000_000L, 0.25, true, "ü" },
            ["nothing"] = null,
            ["groups"] = new List<object?> { new Dictionary<string, object?> { ["lr"] = 0.1 } },
            ["ids"] = new Dictionary<int, object?> { [3] = "x" },
            ["scalar"] = Tensor.From(2.5),
            ["none"] = Tensor.Zeros(0, 4),
        };
        foreach (var type in DTypes.OfTensors)
            tree[type.Name()] = Tensor.Arange(6).Reshape(2, 3).To(type);
        PyTorchFile.Save(tree, folder["a.pt"]);
        Assert.Equal(["a.pt"], folder.Names);
        var read = Assert.IsType<OrderedDictionary<string, object?>>(PyTorchFile.Load(folder["a.pt"]));
        Assert.Equal(tree.Keys, read.Keys);
        foreach (var (name, value) in tree)
        {
            if (value is not Tensor tensor)
                continue;
            var other = Assert.IsType<Tensor>(read[name]);
            Assert.Equal((tensor.DType, tensor.Shape.ToString()), (other.DType, other.Shape.ToString()));
            Assert.Equal(tensor.ToDoubles(), other.ToDoubles());
        }
        Assert.Equal([1L, -5_000_000_000L, 0.25, true, "ü"], Assert.IsType<List<object?>>(read["numbers"]));
        Assert.Equal("x", ((OrderedDictionary<string, object?>)read["ids"]!)["3"]);
        // One memory, once in the file.
        ((Tensor)read["weight"]!).Fill_(1);
        Assert.Equal([1, 1, 1], ((Tensor)read["part"]!).ToDoubles());
        var model = new Linear(3, 2);
        using var file = TensorFile.Open(folder["a.pt"]);
        model.LoadStateDict(file.Under("model."));
        Assert.Equal(((Linear)tree["model"]!).Weight.ToDoubles(), model.Weight.ToDoubles());
    }

    [Fact]
    public void What_can_not_be_written_is_named()
    {
        using var folder = new ScratchFolder();
        var tree = new Dictionary<string, object?>
        {
            ["a"] = new List<object?> { 1, new object() },
        };
        var e = Assert.Throws<ArgumentException>(() => PyTorchFile.Save(tree, folder["a.pt"]));
        Assert.Contains("'a[1]' is a Object", e.Message);
        var self = new List<object?>();
        self.Add(self);
        Assert.Contains("deep", Assert.Throws<ArgumentException>(() => PyTorchFile.Save(self, folder["a.pt"])).Message);
        Assert.Empty(folder.Names);
    }

    private static byte[] Pickled(string text) => Zip(Encoding.Latin1.GetBytes(text));

    // What a pickle may do to whoever executes it.
    [Theory]
    [InlineData("cposix\nsystem\nX\x05\0\0\0touch\x85R.", "posix.system")]
    [InlineData("cbuiltins\neval\nX\x01\0\0\01\x85R.", "builtins.eval")]
    [InlineData("c__builtin__\ngetattr\n)R.", "__builtin__.getattr")]
    [InlineData("ctorch\nload\n)R.", "torch.load")]
    [InlineData("ctorch._utils\n_import_dotted_name\n)R.", "torch._utils._import_dotted_name")]
    [InlineData("(S'ls'\ni.", "0x53")]
    [InlineData("\x82\x01.", "0x82")]
    [InlineData("cnumpy.core.multiarray\nscalar\n)R.", "numpy.core.multiarray.scalar")]
    public void Nothing_is_executed(string pickle, string named)
    {
        var e = Assert.Throws<InvalidDataException>(() => Open(Pickled(pickle)));
        Assert.Contains(named, e.Message);
        Assert.Contains("memory.pt", e.Message);
    }

    [Fact]
    public void Objects_are_read_as_what_they_are_made_of_where_allowed()
    {
        byte[] bytes = Pickled("cmy.own\nConfig\n)\x81}(X\x03\0\0\0dimK\x05ub.");
        var e = Assert.Throws<InvalidDataException>(() => Open(bytes));
        Assert.Contains("my.own.Config", e.Message);
        using var file = PyTorchFile.Open(FileBytes.Of(bytes, "memory.pt"), allowObjects: true);
        Assert.Equal(5L, file.Metadata["dim"]);
    }

    [Theory]
    // A tensor that ends behind its storage, of negative sizes, of too many elements.
    [InlineData("K\x07", "K\x01\x85", "K\x01\x85", "of storage 0")]
    [InlineData("K\0", "K\x02\x85", "K\x06\x85", "of storage 0")]
    [InlineData("K\0", "J\xff\xff\xff\xff\x85", "K\x01\x85", "other arguments")]
    [InlineData("K\0", "K\x02\x85", "J\xff\xff\xff\xff\x85", "other arguments")]
    [InlineData("J\xff\xff\xff\xff", "K\x02\x85", "K\x01\x85", "other arguments")]
    [InlineData("K\0", "J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86", "K\0K\0\x86", "shape")]
    [InlineData("K\0", "K\x02K\x02\x86", "K\x01\x85", "other arguments")]
    public void Tensors_stay_within_their_storage(string offset, string size, string stride, string said)
    {
        const string Storage = "(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\00X\x03\0\0\0cpuK\x06tQ";
        byte[] bytes = Pickled($"ctorch._utils\n_rebuild_tensor_v2\n({Storage}{offset}{size}{stride}\x89NtR.");
        Assert.Contains(said, Assert.Throws<InvalidDataException>(() => Open(bytes)).Message);
    }

    [Fact]
    public void Containers_that_repeat_themselves_end()
    {
        // Thirty lists, each twice in the next: 2^30 values. And a list in itself.
        string doubled = "(]q\0" + string.Concat(Enumerable.Repeat("](h\0h\0eq\0", 30)) + "t.";
        Assert.Contains("values", Assert.Throws<InvalidDataException>(() => Open(Pickled(doubled))).Message);
        Assert.Contains("deep", Assert.Throws<InvalidDataException>(() => Open(Pickled("]q\0h\0a."))).Message);
        using var folder = new ScratchFolder();
        Assert.Contains(
            "themselves",
            Assert
                .Throws<InvalidDataException>(() => PyTorchFile.Load(folder.Write("a.pt", Pickled("]q\0h\0a."))))
                .Message
        );
    }
}
