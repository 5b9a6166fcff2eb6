using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Schedules.Analysis;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Steps of optimizers over all parameters at once, and functions of long tensors in place, in stretches: to the bit what each would be
/// by itself in new memory, of all sizes, dtypes, views and numbers of threads.
/// </summary>
public class InPlaceCallTests
{
    private static readonly long[] Sizes = [3, 8192, 1, 40, 8193, 3, 20000];

    private static readonly (string Name, Func<Tensor[], Optimizer> Make)[] Optimizers =
    [
        ("SGD", p => new SGD(p, 0.1)),
        ("SGD with decay", p => new SGD(p, 0.1, weightDecay: 0.1, maximize: true)),
        ("momentum", p => new SGD(p, 0.1, momentum: 0.9)),
        ("Nesterov", p => new SGD(p, 0.1, momentum: 0.9, nesterov: true)),
        ("Adam", p => new Adam(p, 0.1)),
        ("AdamW", p => new AdamW(p, 0.1)),
        ("AMSGrad", p => new Adam(p, 0.1, amsgrad: true)),
        ("RMSprop", p => new RMSprop(p, 0.1)),
        ("RMSprop, centered, with momentum", p => new RMSprop(p, 0.1, momentum: 0.9, centered: true)),
        ("Adagrad", p => new Adagrad(p, 0.1)),
        ("Adadelta", p => new Adadelta(p, 0.1)),
        ("Adamax", p => new Adamax(p, 0.1)),
        ("NAdam", p => new NAdam(p, 0.1)),
        ("RAdam", p => new RAdam(p, 0.1)),
        ("Rprop", p => new Rprop(p, 0.1)),
        ("ASGD", p => new ASGD(p, 0.1)),
    ];

    [Theory]
    [InlineData(DType.Float32, 1)]
    [InlineData(DType.Float32, 2)]
    [InlineData(DType.Float64, 1)]
    [InlineData(DType.BFloat16, 2)]
    public void Steps_over_all_parameters_are_those_of_each(DType type, int threads)
    {
        int before = Dispatcher.NumThreads;
        Dispatcher.SetNumThreads(Math.Min(threads, Environment.ProcessorCount));
        try
        {
            foreach (var (name, make) in type == DType.Float32 && threads == 1 ? Optimizers : Optimizers[..5])
            {
                using var scope = Tensor.Scope();
                var (together, apart) = (Parameters(type), Parameters(type));
                var (first, second) = (make(together), make(apart));
                for (int step = 0; step < 3; step++)
                {
                    foreach (var parameters in new[] { together, apart })
                    {
                        for (int i = 0; i < parameters.Length; i++)
                        {
                            parameters[i].ZeroGrad_();
                            // One has none in the first step, so that its steps are others than the rest's.
                            if (i != 4 || step > 0)
                                (parameters[i] * parameters[i] * (step + 1)).Sum().Backward();
                        }
                    }
                    first.Step();
                    // What is written down runs by itself.
                    using (var recorder = new Recorder())
                    using (recorder.Enter())
                        second.Step();
                    for (int i = 0; i < together.Length; i++)
                        Assert.True(
                            Bits(together[i]).SequenceEqual(Bits(apart[i])),
                            $"{name}, {type}, step {step}, parameter {i} of {together[i].NumElements}"
                        );
                }
            }
        }
        finally
        {
            Dispatcher.SetNumThreads(before);
        }
    }

    // Of all sizes, one of none, one that is a slice of more and one that is not dense.
    private static Tensor[] Parameters(DType type)
    {
        var generator = new Generator(7);
        var all = Sizes.Select(n => Tensor.Randn([n], generator).To(type).Detach()).ToList();
        all.Add(Tensor.Zeros([0], type));
        all.Add(Tensor.Randn([100], generator).To(type).Detach()[3..90]);
        all.Add(Tensor.Randn([20, 30], generator).To(type).Detach().T);
        return [.. all.Select(t => t.RequiresGrad_())];
    }

    [Theory]
    [InlineData(1e-3)]
    [InlineData(1e3)]
    public void Gradients_are_scaled_together_as_each_would_be(double most)
    {
        using var scope = Tensor.Scope();
        var parameters = Parameters(DType.Float32);
        foreach (var p in parameters)
            (p * p).Sum().Backward();
        Tensor[] before = [.. parameters.Select(p => p.Grad!.Clone())];
        var norm = Clipping.ClipGradNorm_(parameters, most);
        double expected = Math.Sqrt(before.Sum(g => g.To(DType.Float64).Square().Sum().Item()));
        Assert.Equal(expected, norm.Item(), expected * 1e-5);
        var factor = (most / (norm + 1e-6)).Clamp(max: 1);
        foreach (var (p, g) in parameters.Zip(before))
            Assert.True(Bits(p.Grad!).SequenceEqual(Bits(g * factor)), $"{most}, {p.NumElements}");
    }

    [Fact]
    public void A_slice_that_is_trained_changes_its_tensor_and_nothing_beside()
    {
        using var scope = Tensor.Scope();
        var whole = Tensor.Ones([100]);
        var part = whole.Detach()[10..20].RequiresGrad_();
        var optimizer = new SGD([part], 1);
        part.Sum().Backward();
        optimizer.Step();
        Assert.Equal(Enumerable.Range(0, 100).Select(i => i is >= 10 and < 20 ? 0f : 1f), whole.ToArray<float>());
    }

    [Fact]
    public void Parameters_before_one_that_is_refused_have_had_their_step()
    {
        using var scope = Tensor.Scope();
        var (good, bad) = (Tensor.Ones([5]).RequiresGrad_(), Tensor.Ones([5]).RequiresGrad_());
        var optimizer = new SGD([good, bad], 1);
        good.Sum().Backward();
        bad.Sum().Backward();
        bad.Grad!.Dispose();
        Assert.ThrowsAny<Exception>(optimizer.Step);
        Assert.All(good.ToArray<float>(), v => Assert.Equal(0, v));
    }

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Float64)]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Int32)]
    [InlineData(DType.Int64)]
    [InlineData(DType.Int16)]
    public void Long_tensors_are_changed_in_place_as_in_new_memory(DType type)
    {
        foreach (long n in (long[])[InPlaceCalls.Long, InPlaceCalls.Long + 40])
        {
            using var scope = Tensor.Scope();
            var generator = new Generator(n);
            var a = (Tensor.Randn([n], generator) * 50).To(type);
            var b = (Tensor.Rand([n], generator) * 9 + 1).To(type);
            foreach (
                var (name, change, value) in ((string, Func<Tensor, Tensor, Tensor>, Func<Tensor, Tensor, Tensor>)[])
                    [
                        ("add_", (x, y) => x.Add_(y), (x, y) => x + y),
                        ("sub_", (x, y) => x.Sub_(y), (x, y) => x - y),
                        ("mul_", (x, y) => x.Mul_(y), (x, y) => x * y),
                        ("add_ of itself", (x, _) => x.Add_(x), (x, _) => x + x),
                        ("add_ of a number", (x, _) => x.Add_(3), (x, _) => x + 3),
                        ("mul_ of a number", (x, _) => x.Mul_(3), (x, _) => x * 3),
                        ("relu_", (x, _) => x.Relu_(), (x, _) => x.Relu()),
                        ("neg_", (x, _) => x.Neg_(), (x, _) => -x),
                        .. type.IsFloat()
                            ? ((string, Func<Tensor, Tensor, Tensor>, Func<Tensor, Tensor, Tensor>)[])
                                [
                                    ("div_", (x, y) => x.Div_(y), (x, y) => x / y),
                                    ("div_ by a number", (x, _) => x.Div_(3), (x, _) => x / 3),
                                    ("exp_", (x, _) => x.Exp_(), (x, _) => x.Exp()),
                                    ("sin_", (x, _) => x.Mul_(1e6).Sin_(), (x, _) => (x * 1e6).Sin()),
                                ]
                            : [],
                    ]
            )
            {
                var expected = value(a, b);
                var x = a.Clone();
                nint address = x.Address;
                Assert.Same(x, change(x, b));
                Assert.True(Bits(x).SequenceEqual(Bits(expected)), $"{name}, {type}, {n}");
                if (name is "add_" or "mul_")
                    Assert.Equal(address, x.Address);
                // A slice of more, beside which nothing changes.
                var more = Tensor.Cat([b, a, b]);
                change(more.Narrow(0, n, n), b);
                Assert.True(
                    Bits(more).SequenceEqual(Bits(Tensor.Cat([b, expected, b]))),
                    $"{name} of a slice, {type}, {n}"
                );
            }
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-1)]
    [InlineData(9000)]
    [InlineData(-9000)]
    public void What_lies_in_the_same_memory_is_read_before_it_changes(int by)
    {
        using var scope = Tensor.Scope();
        const int N = 70_000;
        var memory = Tensor.Randn([N + 20_000]);
        var expected = memory.Clone();
        var sum = expected[10_000..(10_000 + N)] + expected[(10_000 + by)..(10_000 + by + N)];
        expected[10_000..(10_000 + N)].Copy_(sum);
        memory[10_000..(10_000 + N)].Add_(memory[(10_000 + by)..(10_000 + by + N)]);
        Assert.True(Bits(memory).SequenceEqual(Bits(expected)));
    }

    [Fact]
    public void What_was_saved_before_a_change_is_not_used_after_it()
    {
        using var scope = Tensor.Scope();
        var x = Tensor.Randn([InPlaceCalls.Long]).RequiresGrad_();
        var y = x * 2;
        var z = y * y;
        y.Add_(1);
        Assert.Contains(
            "in place",
            Assert.ThrowsAny<Exception>(() => z.Sum().Backward()).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Gradients_of_what_was_changed_in_place_are_those_of_its_new_value()
    {
        using var scope = Tensor.Scope();
        var x = Tensor.Randn([InPlaceCalls.Long + 5]).RequiresGrad_();
        var y = x * 2;
        y.Mul_(3);
        y.Exp_();
        y.Sum().Backward();
        var expected = 6 * (x.Detach() * 6).Exp();
        Assert.True((x.Grad! - expected).Abs().Amax().Item() <= 1e-5 * expected.Amax().Item());
    }

    [Fact]
    public void An_output_may_lie_on_an_input_where_each_element_is_computed_once_from_its_own()
    {
        bool Safe(string spec, int input) =>
            Dispatcher.Resolve(OperatorSpec.Parse(spec)) is var kernel
            && ReplacedInput.IsSafe(kernel.Nest, kernel.Algorithm.Inputs[input], kernel.Algorithm.Outputs[0]);
        Assert.True(Safe("sgd n=8192", 0));
        Assert.True(Safe("add a=8192 b=1", 0));
        Assert.True(Safe("add n=8191", 1));
        Assert.False(Safe("adam n=8192", 0));
        Assert.False(Safe("sum shape=64x64 axes=1", 0));
        Assert.False(Safe("sin n=8192", 0));
        Assert.False(Safe("add a=8192 b=1", 1));
    }

    private static byte[] Bits(Tensor t)
    {
        var dense = t.Detach().Contiguous();
        byte[] bytes = new byte[dense.NumElements * dense.ElementSize];
        System.Runtime.InteropServices.Marshal.Copy(dense.Address, bytes, 0, bytes.Length);
        GC.KeepAlive(dense);
        return bytes;
    }
}
