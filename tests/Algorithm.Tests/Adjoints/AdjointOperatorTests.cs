using Picograd.Algorithms;
using Picograd.Algorithms.Adjoints;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Adjoints;

/// <summary>NAME.adjoint as operators: text form, errors, inputs, symbolic extents.</summary>
public class AdjointOperatorTests
{
    [Fact]
    public void The_text_form_has_the_keys_of_the_operator_and_which_gradients()
    {
        var spec = OperatorSpec.Parse("matmul.adjoint m=5 n=7 k=3 act=tanh bias=1 wrt=bias,A");
        Assert.Equal("matmul.adjoint m=5 n=7 k=3 bias=1 act=tanh wrt=bias,A", spec.ToString());
        Assert.Equal(["B", "C", "dC"], spec.Build().Inputs.Select(b => b.Name));
        Assert.Equal(["dbias", "dA"], spec.Build().Outputs.Select(b => b.Name));
        Assert.Equal(spec, OperatorSpec.Parse(spec.ToString()));
        var roles = AdjointOperators.Roles(spec);
        Assert.Equal([DerivedRole.Input, DerivedRole.Output, DerivedRole.Gradient], roles.Inputs.Select(i => i.Role));
        Assert.Equal(["bias", "A"], roles.Outputs.Select(b => b.Name));
        Assert.Throws<ArgumentException>(() => AdjointOperators.Roles(OperatorSpec.Parse("exp n=3")));
    }

    [Fact]
    public void A_gradient_of_a_gradient_has_keys_of_its_own()
    {
        var spec = OperatorSpec.Parse("tanh.adjoint.adjoint n=5 wrt=X wrt2=dY");
        Assert.Equal(["Y", "dddX"], spec.Build().Inputs.Select(b => b.Name));
        Assert.Equal(["dddY"], spec.Build().Outputs.Select(b => b.Name).Take(1));
        Assert.NotNull(OperatorLibrary.Find("softmax.adjoint.adjoint.adjoint"));
        Assert.Null(OperatorLibrary.Find("softmax.adjoint.adjoint.adjoint.adjoint.adjoint"));
        Assert.Null(OperatorLibrary.Find("sotfmax.adjoint"));
    }

    [Theory]
    [InlineData("logical_not.adjoint n=3", "logical_not has no gradient: none of its inputs is a float")]
    [InlineData("eq.adjoint n=3", "eq has no gradient: none of its outputs is a float")]
    [InlineData("add.adjoint n=3 dtype=i32", "none of its inputs is a float")]
    [InlineData("random_uniform.adjoint n=3", "none of its inputs is a float")]
    [InlineData("cast.adjoint n=3 from=f32 to=i64", "none of its outputs is a float")]
    [InlineData("argmax.adjoint rows=2 cols=3 axis=1 of=Y.1", "Y.1 is i64 and has no gradient")]
    [InlineData("embedding.adjoint vocab=2 dim=3 rows=4 wrt=I", "I is i64 and has no gradient")]
    [InlineData("matmul.adjoint m=2 n=3 k=4 wrt=bias", "wrt=bias is no buffer of matmul")]
    [InlineData("matmul.adjoint m=2 n=3 k=4 wrt=A,A", "has A twice")]
    [InlineData("matmul.adjoint m=2 n=3 k=4 wrt=A,", "not a key=value pair|has an empty name")]
    [InlineData("sotfmax.adjoint rows=2 cols=3", "unknown operator 'sotfmax.adjoint'")]
    [InlineData("matmul.adjoint m=2 n=3", "k (length of the dot products) is missing")]
    [InlineData("attention.adjoint b=1 h=3 tq=1 tk=1 d=1 hk=2", "does not divide")]
    public void What_has_no_gradient_says_so(string text, string why)
    {
        var refusal = Assert.Throws<OperatorSpecException>(() => OperatorSpec.Parse(text));
        Assert.Contains(why.Split('|'), w => refusal.Message.Contains(w, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("tanh.adjoint n=37 dtype=f64")]
    [InlineData("softmax.adjoint rows=3 cols=7 dtype=f64")]
    [InlineData("argmax.adjoint rows=5 cols=7 axis=1 dtype=f64")]
    [InlineData("max.adjoint rows=5 cols=7 axis=1 dtype=f64")]
    public void Saved_results_of_generated_inputs_belong_to_the_inputs(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var roles = AdjointOperators.Roles(spec);
        var inner = OperatorSpec.Parse(text.Replace(".adjoint", "", StringComparison.Ordinal));
        foreach (var kind in new[] { InputKind.Normal, InputKind.WideRange })
        {
            var given = spec.MakeInputs(5, kind);
            var own = inner.MakeInputs(5, kind);
            var results = Evaluator.Run(inner.Build(), own);
            foreach (var input in roles.Inputs.Where(i => i.Role == DerivedRole.Output))
            {
                int at = inner.Build().Outputs.ToList().FindIndex(o => o.Name == input.Of.Name);
                var expected = results[inner.Build().Outputs[at]];
                for (int i = 0; i < expected.Length; i++)
                    Assert.Equal(expected.At(i), given[input.Buffer].At(i));
            }
        }
    }

    [Fact]
    public void Large_instances_are_generated_by_what_is_known_of_results()
    {
        var sigmoid = OperatorSpec.Parse("sigmoid.adjoint n=8000000");
        Assert.Equal(InputDomain.Probability, sigmoid.Definition.Domain(sigmoid, sigmoid.Build().Inputs[0]));
        var extreme = OperatorSpec.Parse("argmax.adjoint rows=4096 cols=4096 axis=1");
        Assert.Equal(InputDomain.Index(4096), extreme.Definition.Domain(extreme, extreme.Build().Inputs[0]));
        Assert.True(extreme.MakeInputs(1).Count > 0);
    }

    [Theory]
    [InlineData("tanh.adjoint n=37")]
    [InlineData("add.adjoint a=37x41 b=41")]
    [InlineData("softmax.adjoint rows=37 cols=91")]
    [InlineData("log_softmax.adjoint.adjoint rows=37 cols=91")]
    [InlineData("layernorm.adjoint rows=37 cols=91 affine=1")]
    [InlineData("cross_entropy.adjoint rows=37 classes=91")]
    [InlineData("embedding.adjoint vocab=37 dim=91 rows=41")]
    [InlineData("sum.adjoint rows=37 cols=91 axis=0")]
    [InlineData("cumsum.adjoint rows=37 cols=91")]
    public void Symbolic_extents_mean_the_same(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var open = OpenOperator.Of(spec)!;
        var algorithm = open.Build();
        Assert.NotEmpty(algorithm.Parameters);
        var inputs = spec.MakeInputs(3);
        var expected = Evaluator.Run(spec.Build(), inputs);
        var extents = algorithm.Parameters.Zip(open.Extents).ToDictionary(p => p.First.Name, p => p.Second);
        var given = algorithm.Inputs.Zip(spec.Build().Inputs).ToDictionary(p => p.First, p => inputs[p.Second]);
        var got = Evaluator.Run(algorithm, given, extents);
        Assert.Equal(spec.Build().Stages.Length, algorithm.Stages.Length);
        foreach (var (output, exact) in algorithm.Outputs.Zip(spec.Build().Outputs))
        {
            for (int i = 0; i < expected[exact].Length; i++)
                Assert.Equal(expected[exact].At(i), got[output].At(i), 1e-9);
        }
    }
}
