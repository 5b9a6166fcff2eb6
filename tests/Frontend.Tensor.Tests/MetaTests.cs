using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Tensors without elements: the same shapes and dtypes as everywhere, and nothing computed.</summary>
public class MetaTests
{
    // Their functions read elements of the CPU beside the arguments.
    private static readonly string[] OnTwoDevices =
    [
        "where",
        "cross_entropy",
        "cross_entropy, sum",
        "cross_entropy, none",
        "cross_entropy of pixels",
        "cross_entropy, smooth",
        "embedding",
        "gather",
        "gather down",
        "own, rows of a table",
    ];

    public static TheoryData<string> Names =>
        [.. GradientCase.Table.Select(row => row.Name).Where(n => !OnTwoDevices.Contains(n))];

    [Theory]
    [MemberData(nameof(Names))]
    public void Results_and_gradients_have_the_shapes_that_they_have_elsewhere(string name)
    {
        var row = GradientCase.Table.First(r => r.Name == name);
        Tensor[] real = row.Inputs();
        Tensor[] meta = [.. real.Select(t => Tensor.EmptyLike(t.Detach().ToDevice(Device.Meta)).RequiresGrad_())];
        var expected = row.Run(real);
        var got = row.Run(meta);
        AssertSame(expected, got);
        expected.Sum().Backward();
        got.Sum().Backward();
        for (int i = 0; i < real.Length; i++)
            AssertSame(real[i].Grad!, meta[i].Grad!);
    }

    [Fact]
    public void Gradients_of_gradients_have_shapes()
    {
        var x = Tensor.Randn([3, 5], null, DType.Float32, Device.Meta).RequiresGrad_();
        x.Tanh().Softmax().Square().Sum().Backward(createGraph: true);
        var first = x.Grad!;
        x.Grad = null;
        first.Square().Sum().Backward();
        Assert.Equal([3, 5], x.Grad!.Shape);
    }

    [Fact]
    public void Operators_of_other_dtypes_and_places_infer_them()
    {
        using var scope = Device.Meta.Scope();
        var x = Tensor.Arange(12).Reshape(3, 4);
        Assert.Equal((DType.Int64, Device.Meta), (x.DType, x.Device));
        Assert.Equal(DType.Bool, (x > 3).DType);
        Assert.Equal(DType.Float32, (x / 2).DType);
        Assert.Equal(DType.Float64, x.To(DType.Float64).Exp().DType);
        Assert.Equal([3, 1], x.ArgMax(1, keepdim: true).Shape);
        Assert.Equal((DType.Int64, 2), (x.Max(1).Indices.DType, x.Sum([1], keepdim: true).Rank));
        var table = Tensor.Rand(7, 5);
        Assert.Equal([2, 3, 5], F.Embedding(table, Tensor.Zeros([2, 3], DType.Int64)).Shape);
        Assert.Equal([], F.CrossEntropy(table, Tensor.Zeros([7], DType.Int64)).Shape);
        Assert.Equal([7, 2], table.Gather(1, Tensor.Zeros([7, 2], DType.Int64)).Shape);
        Assert.Equal([2, 5], table[Tensor.From([1L, 3])].Shape);
        table[1] = Tensor.From(3f);
        table += 1;
        Assert.Equal([5, 5], Tensor.Where(Tensor.Eye(5) > 0, 1, Tensor.Rand(5)).Shape);
        Assert.Equal([0, 7], Tensor.Zeros(0, 5).MatMul(table.T).Shape);
        Assert.Contains("do not fit", Assert.Throws<ArgumentException>(() => table.MatMul(table)).Message);
    }

    [Fact]
    public void A_model_of_any_size_is_built_gone_through_and_trained()
    {
        long position = Generator.Default.Position;
        Sequential model;
        using (Device.Meta.Scope())
            model = new Sequential(new Linear(1L << 20, 1L << 18), new Tanh(), new Linear(1L << 18, 50));
        Assert.Equal(position, Generator.Default.Position);
        Assert.Equal((1L << 38) + (1L << 18) + (1L << 18) * 50 + 50, model.ParameterCount);
        var optimizer = new Adam(model.Parameters);
        var loss = F.CrossEntropy(
            model.Forward(Tensor.Empty([32, 1L << 20], DType.Float32, Device.Meta)),
            Tensor.Empty([32], DType.Int64, Device.Meta)
        );
        loss.Backward();
        optimizer.Step();
        Assert.All(model.Parameters, p => Assert.Equal((p.Shape, Device.Meta), (p.Grad!.Shape, p.Grad.Device)));
        Assert.StartsWith("tensor(..., device='meta', size=(),", loss.ToString());
    }

    [Fact]
    public void Reading_elements_is_refused_with_a_reason()
    {
        var x = Tensor.Zeros([3], DType.Float32, Device.Meta);
        Action[] reads =
        [
            () => x.ToArray<float>(),
            () => x.ToDoubles(),
            () => x.Sum().Item(),
            () => x.ToDevice(Device.Cpu),
            () => x.NonZero(),
            () => _ = x[x > 0],
            () => x.Multinomial(1),
        ];
        foreach (var read in reads)
            Assert.Contains("on meta", Assert.Throws<InvalidOperationException>(read).Message);
        Assert.Contains("two devices", Assert.Throws<ArgumentException>(() => x + Tensor.Zeros(3)).Message);
        Assert.Equal([3], (x + Tensor.From(2f)).Shape);
        Assert.Equal(Device.Meta, Device.Parse("meta"));
        Assert.False(Device.Meta.IsCpu || Device.Meta.IsCuda);
    }

    [Fact]
    public void A_scope_is_of_its_thread_and_ends()
    {
        using (Device.Meta.Scope())
        {
            using (Device.Cpu.Scope())
                Assert.Equal(Device.Cpu, Tensor.Zeros(2).Device);
            Assert.Equal(Device.Meta, Tensor.Ones(2).Device);
            Assert.Equal(Device.Cpu, Tensor.Ones([2], DType.Int64, Device.Cpu).Device);
            var other = Device.Meta;
            var thread = new Thread(() => other = Tensor.Zeros(2).Device);
            thread.Start();
            thread.Join();
            Assert.Equal(Device.Cpu, other);
        }
        Assert.Equal(Device.Cpu, Tensor.Zeros(2).Device);
    }

    private static void AssertSame(Tensor expected, Tensor got)
    {
        Assert.Equal(Device.Meta, got.Device);
        Assert.Equal((expected.Shape, expected.DType), (got.Shape, got.DType));
    }
}
