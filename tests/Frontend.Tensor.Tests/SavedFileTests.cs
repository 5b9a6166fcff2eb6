using System.Text;
using Xunit;

namespace Picograd.Tests;

/// <summary>What is refused when files are written, and trees of hostile ones.</summary>
public class SavedFileTests
{
    private static void InFolder(Action<string> test)
    {
        string folder = Directory.CreateTempSubdirectory("picograd-saved-").FullName;
        try
        {
            test(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void Names_that_a_file_cannot_have_are_refused_before_anything_is_written() =>
        InFolder(folder =>
        {
            string path = Path.Combine(folder, "a.safetensors");
            void Refused(string why, params KeyValuePair<string, Tensor>[] tensors)
            {
                var error = Assert.Throws<ArgumentException>(() => Safetensors.Save(tensors, path));
                Assert.Contains(why, error.Message);
                Assert.Empty(Directory.GetFiles(folder));
            }
            var one = Tensor.Ones(1);
            Refused("__metadata__", new KeyValuePair<string, Tensor>("__metadata__", one));
            Refused("two tensors 'w'", new KeyValuePair<string, Tensor>("w", one), new("w", Tensor.Zeros(2)));
            Assert.Throws<ArgumentException>(() =>
                Safetensors.Save([new("w", one)], path, [new("a", "1"), new("a", "2")])
            );
            Assert.Throws<ArgumentException>(() =>
                Safetensors.Save([new("w", one)], path, [new("a", new string('x', 100_000_001))])
            );
            Assert.Empty(Directory.GetFiles(folder));
            Safetensors.Save([new("w", one)], path, [new("a", "1")]);
            Assert.Equal([path], Directory.GetFiles(folder));
        });

    [Theory]
    [InlineData("""{"a":1,"a":2}""")]
    [InlineData("""{"a":{"$tensor":"b"}}""")]
    [InlineData("""{"a":{"$tensor":{"c":1}}}""")]
    [InlineData("""{"a":{"$number":"many"}}""")]
    [InlineData("""{"a":{"$tensor":"x","$tensor":"y"}}""")]
    [InlineData("""[1,2]""")]
    [InlineData("""{"a":1e999}""")]
    [InlineData("""{"a":1.5}""")]
    [InlineData("""{"a":""")]
    public void Hostile_trees_are_damaged_checkpoints(string tree) =>
        InFolder(folder =>
        {
            string path = Path.Combine(folder, "a.ckpt");
            Safetensors.Save([], path, [new("picograd.tree", tree)]);
            Assert.Throws<InvalidDataException>(() => Checkpoint.Load(path));
        });

    [Fact]
    public void Trees_without_end_are_refused_and_deep_ones_come_back() =>
        InFolder(folder =>
        {
            string path = Path.Combine(folder, "a.ckpt");
            var loop = new List<object?>();
            loop.Add(loop);
            Assert.Contains(
                "levels",
                Assert.Throws<ArgumentException>(() => Checkpoint.Save(path, new() { ["a"] = loop })).Message
            );
            object? deep = 1.5;
            for (int i = 0; i < 90; i++)
                deep = new List<object?> { deep };
            Checkpoint.Save(path, new() { ["a"] = deep });
            object? back = Checkpoint.Load(path)["a"];
            for (int i = 0; i < 90; i++)
                back = ((List<object?>)back!)[0];
            Assert.Equal(1.5, back);
            string nested = new StringBuilder().Insert(0, "[", 5000).Append(']', 5000).ToString();
            Safetensors.Save([], path, [new("picograd.tree", $$"""{"a":{{nested}}}""")]);
            Assert.Throws<InvalidDataException>(() => Checkpoint.Load(path));
        });

    [Fact]
    public void The_state_of_a_generator_is_checked() =>
        InFolder(folder =>
        {
            string path = Path.Combine(folder, "a.ckpt");
            foreach (
                string state in new[]
                {
                    "{}",
                    """{"seed":1}""",
                    """{"seed":"x","position":0}""",
                    """{"seed":1,"position":-1}""",
                }
            )
            {
                Safetensors.Save([], path, [new("picograd.tree", $$"""{"rng":{{state}}}""")]);
                var generator = new Generator(3);
                Assert.Throws<ArgumentException>(() => Checkpoint.Load(path, new() { ["rng"] = generator }));
                Assert.Equal((3, 0), (generator.Seed, generator.Position));
            }
        });

    [Fact]
    public void Gradients_are_scaled_in_float32()
    {
        var loss = Tensor.From(2.0).To(DType.Float16);
        var scaled = new GradScaler().Scale(loss);
        Assert.Equal((DType.Float32, 131072), (scaled.DType, scaled.Item()));
        Assert.Equal(DType.Float64, new GradScaler().Scale(Tensor.Ones([], DType.Float64)).DType);
        var w = Tensor.Ones(2).RequiresGrad_();
        var scaler = new GradScaler(1024);
        var optimizer = new SGD([w], 1);
        scaler.Scale((w.To(DType.Float16) * 3).Sum()).Backward();
        Assert.True(scaler.Step(optimizer));
        Assert.Equal([-2.0, -2], w.ToDoubles());
    }

    private sealed class Pair : MultiOutputFunction
    {
        public override Tensor[] Forward(FunctionContext context, params Tensor[] inputs) =>
            [inputs[0] * 1, inputs[0] * 2];

        public override Tensor?[] Backward(FunctionContext context, Tensor?[] gradients) =>
            [gradients[0]! + gradients[1]! * 2];
    }

    [Fact]
    public void A_pass_that_failed_leaves_no_gradients_in_functions_of_several_results()
    {
        var x = Tensor.Ones(1).RequiresGrad_();
        var parts = new Pair().Apply(x);
        // The node behind the second result fails after that result has its gradient.
        bool fails = true;
        x.RegisterHook(g => fails ? throw new InvalidOperationException("no") : g);
        Assert.Throws<InvalidOperationException>(() => (parts[0] + parts[1] * 100).Backward(retainGraph: true));
        fails = false;
        var blocked = parts[1] * 1;
        blocked.RegisterHook(g => throw new InvalidOperationException("no"));
        Assert.Throws<InvalidOperationException>(() => (blocked + parts[1] * 100).Backward(retainGraph: true));
        x.ZeroGrad_();
        parts[0].Backward(retainGraph: true);
        Assert.Equal(1, x.Grad!.Item());
    }
}
