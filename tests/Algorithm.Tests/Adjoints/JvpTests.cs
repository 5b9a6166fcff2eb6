using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Adjoints;

/// <summary>Tangents: what they read, what they are called, and that they are the transpose of gradients for every operator.</summary>
public class JvpTests
{
    [Fact]
    public void The_tangent_of_a_softmax_is_written_as_one_would()
    {
        var algorithm = OperatorSpec.Parse("softmax rows=5 cols=7").Build();
        var forward = Jvp.Of(algorithm);
        Assert.Equal("softmax.jvp", forward.Algorithm.Name);
        Assert.Equal(["Y", "tX"], forward.Algorithm.Inputs.Select(b => b.Name));
        Assert.Equal([DerivedRole.Output, DerivedRole.Tangent], forward.Inputs.Select(i => i.Role));
        Assert.Equal(["Y", "X"], forward.Inputs.Select(i => i.Of.Name));
        Assert.Equal(["tY"], forward.Algorithm.Outputs.Select(b => b.Name));
        Assert.Equal(algorithm.Outputs.ToList(), forward.Outputs.ToList());
        // Σ tX·Y of each row, and Y·(tX − that).
        Assert.Equal([StageKind.Reduce, StageKind.Map], forward.Algorithm.Stages.Select(s => s.Kind));
    }

    [Fact]
    public void Some_inputs_move_and_some_outputs_are_wanted()
    {
        var algorithm = OperatorSpec.Parse("matmul m=3 n=5 k=7 bias=1").Build();
        var forward = Jvp.Of(algorithm, moved: [algorithm.Inputs[2], algorithm.Inputs[0]]);
        Assert.Equal(["B", "tA", "tbias"], forward.Algorithm.Inputs.Select(b => b.Name).Order());
        var g = new AlgorithmBuilder("steps");
        var i = new Axis("i", 4);
        var x = g.Input("X", DType.Float64, 4);
        var flat = g.Stage("F", [i], Op.Floor(x[i]));
        var twice = g.Stage("T", [i], x[i] * 2);
        var both = Jvp.Of(g.Build(flat, twice));
        Assert.Equal(["tF", "tT"], both.Algorithm.Outputs.Select(b => b.Name));
        var tangent = NDArray.Of(DType.Float64, [4], [1.0, 2, 3, 4]);
        var results = Evaluator.Run(
            both.Algorithm,
            new Dictionary<Buffer, NDArray> { [both.Algorithm.Inputs[0]] = tangent }
        );
        Assert.Equal([0, 0, 0, 0], results[both.Algorithm.Outputs[0]].Doubles.ToArray());
        Assert.Equal([2, 4, 6, 8], results[both.Algorithm.Outputs[1]].Doubles.ToArray());
    }

    [Fact]
    public void What_has_no_derivative_says_so()
    {
        var algorithm = OperatorSpec.Parse("embedding vocab=2 dim=3 rows=4").Build();
        var refusal = Assert.Throws<AdjointException>(() => Jvp.Of(algorithm, [algorithm.Inputs[1]]));
        Assert.Contains("I is i64 and has no gradient", refusal.Message, StringComparison.Ordinal);
        refusal = Assert.Throws<AdjointException>(() => Jvp.Of(OperatorSpec.Parse("eq n=3").Build()));
        Assert.Contains("none of its outputs is a float", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Tangents_of_all_operators_are_the_transpose_of_gradients()
    {
        int checkedOnes = 0;
        foreach (var operation in OperatorLibrary.All)
        {
            string text = operation.Example;
            if (operation.Keys.Any(k => k.Name == "dtype" && k.Choices.Contains("f64")) && !text.Contains("dtype="))
                text += " dtype=f64";
            var spec = OperatorSpec.Parse(text);
            var algorithm = spec.Build();
            DerivedAlgorithm reverse;
            try
            {
                reverse = Adjoint.Of(algorithm);
            }
            catch (AdjointException)
            {
                Assert.Throws<AdjointException>(() => Jvp.Of(algorithm));
                continue;
            }
            var forward = Jvp.Of(algorithm);
            var random = new Random(3);
            var inputs = AdjointDifferenceTests.Smooth(spec, 5);
            var outputs = Evaluator.Run(algorithm, inputs);
            var v = reverse.Outputs.ToDictionary(b => b, b => Differences.Like(inputs[b], random, b.Type));
            var w = forward.Outputs.ToDictionary(b => b, b => Differences.Like(outputs[b], random, b.Type));
            var tangents = Evaluator.Run(forward.Algorithm, forward.Read(inputs, outputs, v));
            var gradients = Evaluator.Run(reverse.Algorithm, reverse.Read(inputs, outputs, w));
            double left = Enumerable
                .Range(0, forward.Outputs.Length)
                .Sum(o => Inner(tangents[forward.Algorithm.Outputs[o]], w[forward.Outputs[o]]));
            double right = Enumerable
                .Range(0, reverse.Outputs.Length)
                .Sum(o => Inner(gradients[reverse.Algorithm.Outputs[o]], v[reverse.Outputs[o]]));
            Assert.True(
                Math.Abs(left - right) <= 1e-9 * Math.Max(1, Math.Abs(left)),
                $"{text}: {left:R} and {right:R}\n{forward.Algorithm}"
            );
            checkedOnes++;
        }
        Assert.True(checkedOnes > 50, $"only {checkedOnes}");

        static double Inner(NDArray a, NDArray b) => Enumerable.Range(0, a.Length).Sum(i => a.At(i) * b.At(i));
    }
}
