using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Codegen;

/// <summary>
/// One kernel with symbolic extents for a class of shapes, on random shapes of the class: within the evaluator's bound, and the bits
/// of the kernel that is made of the same nest for that shape alone.
/// </summary>
public class OpenKernelTests(ITestOutputHelper output)
{
    private const int Specs = 8;

    public static TheoryData<string, int> Operators()
    {
        var data = new TheoryData<string, int>();
        foreach (var definition in OperatorLibrary.All.Where(d => d.Opens is not null))
        foreach (int bits in Widths.All)
            data.Add(definition.Name, bits);
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void One_kernel_computes_what_a_kernel_for_the_shape_does(string name, int bits)
    {
        var definition = OperatorLibrary.Find(name)!;
        int seed = name.Aggregate(bits, (s, c) => s * 31 + c);
        int shared = 0;
        int alone = 0;
        var drawn = RandomSpecs.Of(definition, 50 * Specs, seed).Where(s => OpenOperator.Of(s) is not null);
        foreach (var spec in drawn.Take(Specs))
        {
            var open = OpenOperator.Of(spec)!;
            var backend = Widths.Backend(bits, 1 + shared % 2);
            CpuKernel kernel;
            LoopNest nest;
            try
            {
                nest = OpenSchedule.For(open, backend.Target);
                kernel = backend.Compile(nest);
            }
            catch (Exception refusal) when (refusal is TraceException or LoweringException)
            {
                output.WriteLine($"{open.Name}: {refusal.Message.Split('\n')[0]}");
                alone++;
                continue;
            }
            using var one = kernel;
            shared++;
            var algorithm = spec.Build();
            var inputs = GuardedMemory.AsStored(spec.MakeInputs(3, (InputKind)(seed & 1)));
            var actual = Execution.RunOpen(kernel, algorithm, inputs, [.. open.Extents]);
            string what = $"{spec} as {open.Name}, {bits} bits";
            Assert.True(
                Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs)) is not { } wrong,
                $"{what}: {Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs))}"
            );
            using var own = backend.Compile(nest, open.Extents);
            var same = Execution.RunOpen(own, algorithm, inputs, [.. open.Extents]);
            Assert.True(
                Execution.Difference(actual, same) is not { } difference,
                $"{what}: with the extents as constants {Execution.Difference(actual, same)}"
            );
        }
        output.WriteLine($"{shared} shapes shared a kernel, {alone} need their own");
        Assert.True(shared > 0, "no shape of this operator runs on a shared kernel");
    }

    [Theory]
    [InlineData("tanh n=65", "tanh n=256", true)]
    [InlineData("tanh n=64", "tanh n=2", true)]
    [InlineData("tanh n=64", "tanh n=65", false)]
    [InlineData("tanh n=64 dtype=f64", "tanh n=64", false)]
    [InlineData("softmax rows=100 cols=300", "softmax rows=65 cols=500", true)]
    [InlineData("softmax rows=100 cols=300", "softmax rows=100 cols=500", false)]
    [InlineData("softmax rows=100 cols=300", "softmax rows=100 cols=1024", false)]
    [InlineData("add a=100x300 b=300", "add a=70x256 b=256", true)]
    [InlineData("add a=100x300 b=300", "add a=100x300 b=100x1", false)]
    [InlineData("copy shape=7x19 strides=1,7", "copy shape=8x21 strides=1,9", true)]
    [InlineData("copy shape=7x9 strides=1,7", "copy shape=8x9 strides=1,9", true)]
    [InlineData("copy shape=7x9 strides=1,7", "copy shape=8x11 strides=1,9", false)]
    [InlineData("softmax rows=100 cols=16", "softmax rows=65 cols=63", true)]
    [InlineData("softmax rows=100 cols=15", "softmax rows=65 cols=14", false)]
    [InlineData("softmax rows=100 cols=15", "softmax rows=65 cols=15", true)]
    [InlineData("softmax rows=100 cols=127", "softmax rows=65 cols=128", false)]
    [InlineData("add a=9 b=100x9", "add a=9 b=70x9", true)]
    [InlineData("sum rows=100 cols=27 axis=0", "sum rows=70 cols=28 axis=0", false)]
    [InlineData("sum rows=100 cols=27 axis=0", "sum rows=70 cols=27 axis=0", true)]
    [InlineData("sum rows=100 cols=27 axis=1", "sum rows=70 cols=28 axis=1", true)]
    [InlineData("matmul m=1 n=100 k=64 tb=1", "matmul m=1 n=200 k=64 tb=1", true)]
    [InlineData("matmul m=1 n=100 k=64 tb=1", "matmul m=1 n=100 k=65 tb=1", false)]
    [InlineData("matmul m=1 n=100 k=66", "matmul m=1 n=100 k=65", true)]
    [InlineData("matmul m=9 n=100 k=66", "matmul m=20 n=100 k=66", true)]
    [InlineData("matmul m=9 n=100 k=66", "matmul m=9 n=101 k=66", false)]
    [InlineData("matmul m=9 n=100 k=66", "matmul m=9 n=100 k=65", false)]
    [InlineData("matmul m=9 n=10 k=20 batch=3", "matmul m=12 n=10 k=33 batch=2", true)]
    [InlineData("attention b=1 h=2 tq=5 tk=70 d=8", "attention b=1 h=2 tq=9 tk=90 d=8", true)]
    [InlineData("attention b=1 h=2 tq=5 tk=70 d=8", "attention b=1 h=2 tq=1 tk=70 d=8", false)]
    [InlineData("tanh n=65", "tanh n=1024", true)]
    [InlineData("tanh n=1024", "tanh n=1025", false)]
    [InlineData("copy shape=7x9x2 strides=1,7,80", "copy shape=7x9x2 strides=1,80,7", false)]
    [InlineData("copy shape=7x9 strides=0,1", "copy shape=7x9 strides=2,1", false)]
    public void Classes_tell_structures_apart_and_join_sizes(string a, string b, bool same)
    {
        var (x, y) = (OpenOperator.Of(OperatorSpec.Parse(a))!, OpenOperator.Of(OperatorSpec.Parse(b))!);
        Assert.Equal(same, x.Name == y.Name);
        if (same)
            Assert.Equal(x.Representative(), y.Representative());
    }

    [Fact]
    public void Single_elements_have_no_class()
    {
        Assert.Null(OpenOperator.Of(OperatorSpec.Parse("matmul m=1 n=4 k=5 tb=1")));
        Assert.Null(OpenOperator.Of(OperatorSpec.Parse("tanh n=1")));
    }
}
