using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>The gradient of every operator against central differences, in float64.</summary>
public class GradientTests
{
    public static TheoryData<string> Names => [.. GradientCase.Table.Select(row => row.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void EqualsCentralDifferences(string name)
    {
        var row = GradientCase.Table.Single(r => r.Name == name);
        var inputs = row.Inputs();
        var (gradients, weights) = Gradients(row.Run, inputs);
        GradientCase.Compare(inputs, gradients, t => (row.Run(t) * weights).Sum().Item(), name == "to" ? 1e-3 : 1e-5);
    }

    [Fact]
    public void GradientsOfTiesAreShared()
    {
        var x = Tensor.From([1.0, 3, 3]).RequiresGrad_();
        x.Max().Backward();
        Assert.Equal([0, 0.5, 0.5], x.Grad!.ToDoubles());
        x.Grad = null;
        x.Max(0).Values.Backward();
        Assert.Equal([0, 1, 0], x.Grad!.ToDoubles());
        x.Grad = null;
        x.Maximum(Tensor.From([2.0, 3, 1])).Sum().Backward();
        Assert.Equal([0, 0.5, 1], x.Grad!.ToDoubles());
    }

    [Fact]
    public void ProductsWithZeros()
    {
        var x = Tensor.From([2.0, 0, 3, 0, 0, 5], [2, 3]).RequiresGrad_();
        x.Prod(1).Sum().Backward();
        Assert.Equal([0, 6, 0, 0, 0, 0], x.Grad!.ToDoubles());
    }

    private static (double[][] Gradients, Tensor Weights) Gradients(Func<Tensor[], Tensor> run, Tensor[] inputs)
    {
        var output = run(inputs);
        var weights = Make.Values(output.Shape.ToArray(), DType.Float64, 99);
        output.Backward(weights);
        foreach (var input in inputs)
        {
            Assert.Equal(input.Shape.ToArray(), input.Grad!.Shape.ToArray());
            Assert.Equal(DType.Float64, input.Grad.DType);
        }
        return ([.. inputs.Select(x => x.Grad!.ToDoubles())], weights);
    }
}

/// <summary>The derivatives are tensor operators: differentiated again they agree with differences of the first ones.</summary>
public sealed class SecondDerivativeTests : IDisposable
{
    // On generated code, since the evaluator is slow; the first derivatives have been tested on both.
    public SecondDerivativeTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    public static TheoryData<string> Names => GradientTests.Names;

    [Theory]
    [MemberData(nameof(Names))]
    public void SecondDerivativesEqualCentralDifferences(string name)
    {
        var row = GradientCase.Table.Single(r => r.Name == name);
        // Sums of products with sines make every first derivative depend on its argument.
        Tensor Curved(Tensor[] t) => row.Run([.. t.Select(x => x + x.Sin() * 0.1)]).Sin();
        var inputs = row.Inputs();
        Tensor Slope(Tensor[] t)
        {
            foreach (var x in t)
                x.ZeroGrad_();
            Curved(t).Sum().Backward(createGraph: true);
            var total = Tensor.Zeros([], DType.Float64);
            for (int i = 0; i < t.Length; i++)
                total = total + (t[i].Grad! * Make.Values(t[i].Shape.ToArray(), DType.Float64, 40 + i)).Sum();
            return total;
        }
        var slope = Slope(inputs);
        foreach (var x in inputs)
            x.Grad = null;
        slope.Backward();
        var gradients = inputs.Select(x => x.Grad?.ToDoubles() ?? new double[x.NumElements]).ToArray();
        GradientCase.Compare(inputs, gradients, t => Slope(t).Item(), name == "to" ? 1e-3 : 1e-4);
    }
}
