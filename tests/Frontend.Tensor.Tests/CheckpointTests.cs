using System.Text;
using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

public sealed class CheckpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("picograd-checkpoint-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string In(string name) => Path.Combine(_folder, name);

    [Fact]
    public void Tensors_of_all_dtypes_and_shapes_come_back()
    {
        var tensors = new OrderedDictionary<string, Tensor>
        {
            ["f32"] = Tensor.Randn([3, 5], new Generator(1)),
            ["f64"] = Tensor.Randn([2], new Generator(1), DType.Float64),
            ["f16"] = Tensor.Randn([4], new Generator(1)).To(DType.Float16),
            ["bf16"] = Tensor.Randn([4], new Generator(1)).To(DType.BFloat16),
            ["i64"] = Tensor.Arange(5),
            ["i32"] = Tensor.Arange(5).To(DType.Int32),
            ["u8"] = Tensor.Arange(5).To(DType.UInt8),
            ["bool"] = Tensor.Arange(5) > 2,
            ["empty"] = Tensor.Zeros(0, 3),
            ["scalar"] = Tensor.From(1.5f),
            ["turned"] = Tensor.Randn([3, 5], new Generator(1)).T,
        };
        Safetensors.Save(tensors, In("a.safetensors"), [new("by", "a test")]);
        var back = Safetensors.Load(In("a.safetensors"), out var metadata);
        Assert.Equal("a test", metadata["by"]);
        foreach (var (name, tensor) in tensors)
        {
            Assert.Equal((name, tensor.DType, tensor.Shape), (name, back[name].DType, back[name].Shape));
            Assert.Equal(tensor.ToDoubles(), back[name].ToDoubles());
        }
        Assert.Single(Directory.GetFiles(_folder));
    }

    public static TheoryData<string, string, string> Bad =>
        new()
        {
            { "{}", "1234", "4 bytes of elements, of which 0" },
            { "[1]", "", "header is not as" },
            { """{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "1234", "lies from 0 to 4" },
            { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "12345678", "should begin at 0" },
            { """{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", "1234", "shape [-1]" },
            { """{"a":{"dtype":"F9","shape":[1],"data_offsets":[0,4]}}""", "1234", "dtype 'F9'" },
            { """{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}""", "", "has the shape" },
            { """{"a":{"dtype":"F32","shape":[1]}}""", "1234", "header is not as" },
            { """{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,99999]}}""", "1234", "of 4 bytes" },
        };

    [Theory]
    [MemberData(nameof(Bad))]
    public void Files_that_lie_are_refused(string header, string data, string reason)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        File.WriteAllBytes(
            In("bad"),
            [.. BitConverter.GetBytes((long)text.Length), .. text, .. Encoding.ASCII.GetBytes(data)]
        );
        Assert.Contains(reason, Assert.Throws<InvalidDataException>(() => Safetensors.Load(In("bad"))).Message);
    }

    [Fact]
    public void Lengths_are_checked_before_memory_is_taken()
    {
        File.WriteAllBytes(In("long"), [255, 255, 255, 255, 255, 255, 255, 127, 1]);
        Assert.Contains("header", Assert.Throws<InvalidDataException>(() => Safetensors.Load(In("long"))).Message);
        File.WriteAllBytes(In("short"), [1, 2]);
        Assert.Throws<InvalidDataException>(() => Safetensors.Load(In("short")));
    }

    [Fact]
    public void Trees_come_back_with_all_their_digits()
    {
        var tree = new OrderedDictionary<string, object?>
        {
            ["one"] = 1.0,
            ["tenth"] = 0.1,
            ["nan"] = double.NaN,
            ["infinity"] = double.NegativeInfinity,
            ["count"] = 1L << 60,
            ["small"] = 3,
            ["text"] = "ä\n",
            ["on"] = true,
            ["nothing"] = null,
            ["list"] = new List<object?>
            {
                1,
                0.5,
                new Dictionary<string, object?> { ["t"] = Tensor.Arange(3) },
            },
            ["t"] = Tensor.Ones(2),
            ["rng"] = new Generator(7) { Position = 5 },
        };
        Checkpoint.Save(In("a.ckpt"), tree);
        var back = Checkpoint.Load(In("a.ckpt"));
        Assert.Equal(tree.Keys, back.Keys);
        Assert.Equal(
            [1.0, 0.1, double.NaN, double.NegativeInfinity, 1L << 60, 3L, "ä\n", true, null],
            back.Values.Take(9)
        );
        var list = Assert.IsType<List<object?>>(back["list"]);
        Assert.Equal([1L, 0.5], list.Take(2));
        Assert.Equal([0, 1, 2], Checkpoint.Tensors(list[2])["t"].ToDoubles());
        var generator = new Generator();
        Checkpoint.Load(In("a.ckpt"), new() { ["rng"] = generator });
        Assert.Equal((7L, 5L), (generator.Seed, generator.Position));
        Assert.Contains(
            "'at/now' is a DateTime",
            Assert
                .Throws<ArgumentException>(() =>
                    Checkpoint.Save(
                        In("a.ckpt"),
                        new() { ["at"] = new Dictionary<string, object> { ["now"] = DateTime.Now } }
                    )
                )
                .Message
        );
        // What was there before is still there.
        Assert.Equal(1.0, Checkpoint.Load(In("a.ckpt"))["one"]);
        Safetensors.Save([new("t", Tensor.Ones(1))], In("b"));
        Assert.Contains("no checkpoint", Assert.Throws<InvalidDataException>(() => Checkpoint.Load(In("b"))).Message);
        Assert.Throws<ArgumentException>(() => Checkpoint.Load(In("a.ckpt"), new() { ["model"] = new Linear(1, 1) }));
    }

    [Theory]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Float16)]
    public void Products_within_autocast_are_of_16_bits_and_losses_of_32(DType dtype)
    {
        var (x, y) = (Tensor.Randn([4, 6], new Generator(1)), Tensor.From([0L, 1, 2, 0]));
        var layer = new Linear(6, 3);
        Tensor Loss(out Tensor logits)
        {
            logits = layer.Forward(x);
            return F.CrossEntropy(logits, y);
        }
        using (Tensor.Autocast(dtype))
        {
            var loss = Loss(out var logits);
            Assert.Equal((dtype, DType.Float32, dtype), (logits.DType, loss.DType, Autocast.Current));
            Assert.Equal(dtype, x.MatMul(x.T).DType);
            Assert.Equal(DType.Float32, (x + 1).DType);
            Assert.Equal(DType.Float64, x.To(DType.Float64).MatMul(x.T.To(DType.Float64)).DType);
            var images = Tensor.Randn([1, 1, 4, 4], new Generator(1));
            Assert.Equal(dtype, F.Conv2d(images, Tensor.Ones(1, 1, 2, 2)).DType);
            Assert.Equal(dtype, F.ScaledDotProductAttention(images, images, images).DType);
            Assert.Equal(DType.Float32, F.MseLoss(logits, logits.Detach()).DType);
            using (Tensor.Autocast(dtype, enabled: false))
                Assert.Equal(DType.Float32, x.MatMul(x.T).DType);
            loss.Backward();
        }
        Assert.Equal(DType.Float32, layer.Weight.Grad!.DType);
        double[] lowered = layer.Weight.Grad.ToDoubles();
        layer.ZeroGrad();
        var exact = Loss(out var full);
        Assert.Equal((DType.Float32, null), (full.DType, (DType?)Autocast.Current));
        exact.Backward();
        Assert.All(lowered.Zip(layer.Weight.Grad!.ToDoubles()), v => Assert.Equal(v.Second, v.First, 0.02));
        Assert.Throws<ArgumentException>(() => Tensor.Autocast(DType.Float32));
    }
}
