using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Operators;

/// <summary>What operators declare of their operands is what their algorithms have.</summary>
public class OperatorSignatureTests
{
    private static readonly string[] Products =
    [
        "matmul m=5 n=7 k=3",
        "matmul m=5 n=7 k=3 ta=1",
        "matmul m=5 n=7 k=3 tb=1 bias=1 act=tanh dtype=f64",
        "matmul m=1 n=7 k=1 batch=3 ta=1 tb=1",
        "matmul m=2 n=3 k=5 batch=3 bcast=a ta=1",
        "matmul m=2 n=3 k=5 batch=3 bcast=b tb=1 dtype=i64",
        "random_uniform n=7 dtype=f64",
        "random_normal n=7",
        "random_integer n=7",
        "layernorm rows=4 cols=17 affine=1 dtype=bf16",
        "sgd_momentum n=5 dtype=f64",
    ];

    public static TheoryData<string> Specs =>
        [
            .. OperatorReferenceTests
                .Specs.Cast<object[]>()
                .Select(row => (string)row[0])
                .Concat(Products)
                .Distinct()
                .Where(text => OperatorSpec.Parse(text).Definition.Operands is not null),
        ];

    [Theory]
    [MemberData(nameof(Specs))]
    public void Operands_are_those_of_the_algorithm(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var signature = OperatorSignature.Parse(spec.Definition.Operands!);
        var declared = signature.Of(spec);
        Assert.Equal(
            algorithm.Arguments.Select(a => (Text(a.Shape.Select(e => ((IntImm)e).Value)), a.Type)),
            declared.Select(d => (Text(d.Shape), d.Type))
        );
        Assert.Equal(algorithm.Inputs.Select(i => i.Name), declared.Take(algorithm.Inputs.Length).Select(d => d.Name));
    }

    [Fact]
    public void Every_operator_declares_its_operands() =>
        Assert.Equal(
            [],
            OperatorLibrary
                .All.Where(o => o.Operands is null && !o.Name.Contains(".adjoint", StringComparison.Ordinal))
                .Select(o => o.Name)
        );

    [Fact]
    public void Forms_dimensions_and_options_are_read()
    {
        var signature = OperatorSignature.Parse("A[batch?, m, k]~, bias:i64[n..]?flag, V[b, dv=d, 3] -> C:bool[]");
        Assert.Equal(OperandForm.Named, signature.Form);
        var (a, bias, v) = (signature.Inputs[0], signature.Inputs[1], signature.Inputs[2]);
        Assert.True(a.Transposable && a.Dims[0].Optional && !a.Dims[1].Optional);
        Assert.Equal(("i64", "flag", true), (bias.Type, bias.When, bias.Dims[0].Many));
        Assert.Equal(("dv", "d", 3), (v.Dims[1].Key, v.Dims[1].Default, (int)v.Dims[2].Constant));
        Assert.Equal(
            ("C", "bool", 0),
            (signature.Outputs[0].Name, signature.Outputs[0].Type, signature.Outputs[0].Dims.Length)
        );
        Assert.Throws<FormatException>(() => OperatorSignature.Parse("A[n]"));
    }

    private static string Text(IEnumerable<long> sizes) => string.Join('x', sizes);
}
