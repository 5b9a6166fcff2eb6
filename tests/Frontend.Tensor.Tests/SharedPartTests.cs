using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>What several names, threads, passes or objects share.</summary>
public class SharedPartTests
{
    private sealed class Tied : Module
    {
        public Embedding Wte { get; } = new(5, 3);
        public Linear Head { get; } = new(3, 5, bias: false);

        public Tied() => Head.Weight = Wte.Weight;

        public override Tensor Forward(Tensor x) => Head.Forward(Wte.Forward(x));
    }

    [Fact]
    public void Averages_of_a_weight_with_two_names_are_taken_once()
    {
        var model = new Tied();
        var ema = new AveragedModel(model, avgFn: AveragedModel.Ema(0.75));
        ema.UpdateParameters(model);
        var first = model.Wte.Weight.Detach().Clone();
        using (Tensor.NoGrad())
            model.Wte.Weight.Add_(4);
        ema.UpdateParameters(model);
        Assert.All(
            ema.Module.StateDict().Values,
            v => Assert.True(v.AllClose(first + 1), $"{v} is not 1 above {first}")
        );
    }

    [Fact]
    public void Complex_sums_have_memory_of_their_own()
    {
        var z = Tensor.Complex(Tensor.From([1f, 2]), Tensor.From([3f, 4]));
        foreach (var y in new[] { z + 1.0, z - 1.0, z + Tensor.From([1f, 1]), z - Tensor.From([1f, 1]), z.Conj() })
            y.Dispose();
        Assert.Equal([3f, 4], z.Imag.ToArray<float>());
        Assert.Equal([1f, 2], z.Real.ToArray<float>());
    }

    [Fact]
    public void In_place_by_an_operand_that_wants_a_gradient_keeps_what_it_reads()
    {
        var x = Tensor.From([2.0, 3]);
        var w = Tensor.From([2.0, 1]).RequiresGrad_();
        x.Pow_(w).Sum().Backward();
        double[] slopes = w.Grad!.ToArray<double>();
        Assert.Equal(4 * Math.Log(2), slopes[0], 1e-14);
        Assert.Equal(3 * Math.Log(3), slopes[1], 1e-14);
    }

    [Fact]
    public void A_part_that_is_computed_again_is_in_16_bits_again()
    {
        var (x, w) = (Tensor.Rand(3, 4).RequiresGrad_(), Tensor.Rand(4, 2).RequiresGrad_());
        Tensor y;
        using (Tensor.Autocast())
            y = Autograd.Checkpoint(t => t.MatMul(w), x);
        Assert.Equal(DType.BFloat16, y.DType);
        y.Float().Sum().Backward();
        Assert.Equal(DType.Float32, w.Grad!.DType);
        Assert.True(w.Grad.AllClose(x.Detach().Sum([0]).Unsqueeze(1).Expand([4, 2]), 2e-2, 2e-2));
    }

    [Fact]
    public void Memory_of_one_element_has_one_dimension() =>
        Assert.Equal([1L], Tensor.FromMemory<float>(new float[1]).Shape.ToArray());
}
