using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Adjoints;

/// <summary>What derived algorithms read and compute: saved or again, once, and nothing where a slope is 0.</summary>
public class DerivedFormTests
{
    private static Algorithm Gradient(string text) => OperatorSpec.Parse(text).Build();

    [Theory]
    // Saved: the exponential is the result.
    [InlineData("exp.adjoint n=5", "Y,dY")]
    [InlineData("softmax.adjoint rows=3 cols=4", "Y,dY")]
    // Computed again: a quotient costs little, and its result may be changed.
    [InlineData("div.adjoint n=5", "A,B,dY")]
    [InlineData("layernorm.adjoint rows=3 cols=4", "X,dY")]
    // Nothing of the inputs.
    [InlineData("sum.adjoint rows=3 cols=4 axis=1", "dY")]
    public void Reads_what_is_cheapest(string text, string inputs) =>
        Assert.Equal(inputs, string.Join(',', Gradient(text).Inputs.Select(b => b.Name)));

    [Fact]
    public void Equal_stages_are_one_and_deviations_add_up_to_nothing()
    {
        var stages = Gradient("layernorm.adjoint rows=3 cols=4 affine=1").Stages;
        // S, Q, two sums of rows and two of columns.
        Assert.Equal(6, stages.Count(s => s.Kind == StageKind.Reduce));
        // Both factors are the same sum.
        var g = new AlgorithmBuilder("twice");
        var (i, j) = (new Axis("i", 3), new Axis("j", 4));
        var x = g.Input("X", DType.Float64, 3, 4);
        var one = g.Stage("A", [i], AlgorithmBuilder.Sum(j, Op.Exp(x[i, j])));
        var two = g.Stage("B", [i], AlgorithmBuilder.Sum(j, Op.Exp(x[i, j])));
        var made = Adjoint.Of(g.Build(g.Stage("Y", [i], one[i] * two[i])));
        Assert.Single(made.Algorithm.Stages, s => s.Kind == StageKind.Reduce);
    }

    [Fact]
    public void Slopes_of_zero_stop_infinities()
    {
        var g = new AlgorithmBuilder("stops");
        var i = new Axis("i", 3);
        var x = g.Input("X", DType.Float64, 3);
        var kept = Op.Select(Op.Lt(0, i.Var), x[i], Op.Const(0, DType.Float64));
        var made = Adjoint.Of(
            g.Build(g.Stage("Y", [i], Op.Max(kept, Op.Const(0, DType.Float64)) * Op.Const(2, DType.Float64)))
        );
        var point = NDArray.Of(DType.Float64, [3], [1.0, -1, 1]);
        var infinite = NDArray.Of(DType.Float64, [3], Enumerable.Repeat(double.PositiveInfinity, 3).ToArray());
        var given = made.Inputs.ToDictionary(n => n.Buffer, n => n.Role == DerivedRole.Gradient ? infinite : point);
        var gradient = Evaluator.Run(made.Algorithm, given)[made.Algorithm.Outputs[0]];
        Assert.Equal([0, 0, double.PositiveInfinity], gradient.Doubles.ToArray());
    }
}
