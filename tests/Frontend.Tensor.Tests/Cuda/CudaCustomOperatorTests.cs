using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Cuda;

/// <summary>
/// Operators of a program's own on the GPU: values, gradients and gradients of gradients are those of the CPU, to rounding.
/// </summary>
public sealed class CudaCustomOperatorTests
{
    /// <summary>An operator, the shapes that it is called with (- for a scalar), and what else it reads.</summary>
    private sealed record Case(Func<Tensor[], Tensor> Run, string Shapes, DType Type = DType.Float32)
    {
        public Tensor[] Inputs(Device device) =>
            [.. Shapes.Split(' ').Select((s, i) => Values(Shape(s), i).To(Type).ToDevice(device).RequiresGrad_())];

        private static long[] Shape(string text) => text == "-" ? [] : [.. text.Split('x').Select(long.Parse)];

        // Never zero, of both signs, no two alike.
        private static Tensor Values(long[] shape, int seed) =>
            Tensor.From(
                Enumerable
                    .Range(0, (int)shape.Aggregate(1L, (a, b) => a * b))
                    .Select(i => 1.5f * MathF.Sin(1.7f * i + 0.3f + seed))
                    .ToArray(),
                shape
            );
    }

    // Its stages are called as other outputs are, and its gradient reads an output.
    private static readonly CustomOperator Crossed = CustomOperator.Define(
        "crossed",
        "X[n, m], B[n] -> First[n], Second[n]",
        (AlgorithmBuilder g, ImmutableArray<Algorithms.Buffer> inputs) =>
        {
            var (i, j) = (new Axis("i", inputs[0].Shape[0]), new Axis("j", inputs[0].Shape[1]));
            var second = g.Stage("First", [i], AlgorithmBuilder.Sum(j, inputs[0][i, j] * inputs[1][i]));
            return [g.Stage("Z", [i], Op.Exp(second[i] * 0.125f)), second];
        }
    );

    private static readonly Dictionary<string, Case> Cases = new()
    {
        ["of elements"] = new(t => OwnOperators.Gated.Call(t[0], t[1]), "3x5 3x5"),
        ["of scalars"] = new(t => OwnOperators.Gated.Call(t[0], t[1]), "- -"),
        ["of a scalar and rows"] = new(t => OwnOperators.Gated.Call(t[0], t[1]), "- 3x5"),
        ["broadcast"] = new(t => OwnOperators.Gated.Call(t[0], t[1]), "2x3x4 3x1"),
        ["by cases"] = new(t => OwnOperators.Huber.Call(t[0], t[1]), "131 131"),
        ["distances"] = new(t => OwnOperators.Distances.Call(t[0], t[1]), "17x5 13x5"),
        ["distances of one"] = new(t => OwnOperators.Distances.Call(t[0], t[1]), "1x1 1x1"),
        ["distances of a block"] = new(t => OwnOperators.Distances.Call(t[0], t[1]), "64x32 96x32"),
        ["of views"] = new(t => OwnOperators.Distances.Call(t[0].T, t[1][.., new Slice(step: 2)]), "5x7 3x10"),
        ["of what is expanded"] = new(t => OwnOperators.Gated.Call(t[0].Expand(4, 3), t[1].T), "1x3 3x4"),
        ["rows"] = new(t => OwnOperators.LogSumExp.Call(t[0]), "2x3x37"),
        ["several outputs"] = new(
            t =>
            {
                var both = OwnOperators.Moments.CallAll(t[0]);
                return both[1] - both[0] * both[0];
            },
            "5x7"
        ),
        ["one of several outputs"] = new(t => OwnOperators.Moments.CallAll(t[0])[1], "5x7"),
        ["several outputs of half the width"] = new(
            t => OwnOperators.Moments.CallAll(t[0])[1] * 3 + OwnOperators.Moments.CallAll(t[0])[0],
            "5x7",
            DType.Float16
        ),
        ["stages of other names"] = new(
            t =>
            {
                var both = Crossed.CallAll(t[0], t[1]);
                return both[0] * 2 + both[1].Square();
            },
            "5x7 5"
        ),
        ["stages of other names, half the width"] = new(t => Crossed.CallAll(t[0], t[1])[1], "5x7 5", DType.BFloat16),
        ["gradient by hand"] = new(t => OwnOperators.Cubed.Call(t[0]), "2x3"),
        ["rows of a table"] = new(
            t => OwnOperators.Picked.Call(t[0], Tensor.From([1L, 3, 1, 0], [4]).ToDevice(t[0].Device)),
            "5x3"
        ),
        ["float64"] = new(t => OwnOperators.Distances.Call(t[0], t[1]), "7x5 3x5", DType.Float64),
        ["float16"] = new(t => OwnOperators.Distances.Call(t[0], t[1]), "7x5 3x5", DType.Float16),
        ["bfloat16"] = new(t => OwnOperators.Gated.Call(t[0], t[1]), "7x5 5", DType.BFloat16),
        ["nothing"] = new(t => OwnOperators.Distances.Call(t[0], t[1]), "0x5 3x5"),
        ["sums of nothing"] = new(t => OwnOperators.Distances.Call(t[0], t[1]), "4x0 3x0"),
        ["beside operators of the library"] = new(
            t => OwnOperators.Gated.Call(t[0].MatMul(t[1]).Tanh(), OwnOperators.Cubed.Call(t[2])).Softmax(1),
            "4x6 6x5 4x5"
        ),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void Is_what_it_is_on_the_cpu(string name)
    {
        var device = EmulatedGpu.Require();
        var tested = Cases[name];
        var (expected, got) = (Derivatives(tested, Device.Cpu), Derivatives(tested, device));
        Assert.Equal(expected.Count, got.Count);
        for (int i = 0; i < got.Count; i++)
        {
            var (what, want) = expected[i];
            var have = got[i].Value;
            Assert.Equal(device, have.Device);
            Assert.Equal(want.DType, have.DType);
            Assert.Equal(want.Shape.ToArray(), have.Shape.ToArray());
            double rounding = want.DType switch
            {
                DType.Float64 => 1e-12,
                DType.Float32 => 2e-5,
                DType.Float16 => 4e-3,
                _ => 3e-2,
            };
            double[] wanted = want.ToDoubles();
            double most = wanted.Select(Math.Abs).DefaultIfEmpty(0).Max();
            // Zeros alone would show nothing.
            Assert.True(
                most > 0 || wanted.Length == 0 || name.Contains("nothing", StringComparison.Ordinal),
                $"{what} is zero everywhere"
            );
            Assert.All(
                wanted.Zip(have.ToDoubles()),
                pair =>
                    Assert.True(Math.Abs(pair.First - pair.Second) <= rounding * Math.Max(1, most), $"{what}: {pair}")
            );
        }
    }

    [SkippableFact]
    public void Operands_of_two_devices_are_refused()
    {
        var device = EmulatedGpu.Require();
        var x = Tensor.Ones([2, 3]);
        string said = Assert.ThrowsAny<Exception>(() => OwnOperators.Distances.Call(x, x.ToDevice(device))).Message;
        Assert.Contains("distances", said);
        Assert.Contains("cuda:0", said);
        Assert.Contains("cpu", said);
    }

    [SkippableFact]
    public void Its_kernel_is_of_the_device()
    {
        var device = EmulatedGpu.Require();
        var kernel = Dispatch.Dispatcher.Resolve(OperatorSpec.Parse("distances n=9 d=4 m=11"), device);
        Assert.Equal(Dispatch.KernelSource.Default, kernel.Source);
        Assert.Contains(kernel.Nest.Loops, l => l.Kind.ToString().Contains("Block", StringComparison.Ordinal));
    }

    // The value, the gradients with values of their own from above, and those of a sum of their squares.
    private static List<(string What, Tensor Value)> Derivatives(Case tested, Device device)
    {
        var inputs = tested.Inputs(device);
        var result = tested.Run(inputs);
        var found = new List<(string, Tensor)> { ("value", result.Detach()) };
        var above = (Tensor.Arange(1, result.NumElements + 1).To(DType.Float32) * 0.37f)
            .Sin()
            .Reshape([.. result.Shape])
            .To(result.DType)
            .ToDevice(device);
        result.Backward(above, createGraph: true);
        var gradients = inputs.Select(t => t.Grad!).ToArray();
        found.AddRange(gradients.Select((g, i) => ($"gradient {i}", g.Detach().Clone())));
        foreach (var input in inputs)
            input.Grad = null;
        var squares = gradients.Select(g => g.Square().Sum()).Aggregate((a, b) => a + b);
        // What is linear has no second gradient.
        if (squares.RequiresGrad)
            squares.Backward();
        found.AddRange(
            inputs
                .Select((t, i) => (What: $"second gradient {i}", t.Grad))
                .Where(g => g.Grad is not null)
                .Select(g => (g.What, g.Grad!))
        );
        return found;
    }
}
