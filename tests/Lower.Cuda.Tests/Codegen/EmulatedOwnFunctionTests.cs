using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Operators and functions of a program's own as CUDA C, forward and backward, on the emulator.</summary>
[Collection(EmulatorCollection.Name)]
public class EmulatedOwnFunctionTests
{
    private static readonly ScalarFunction s_length = ScalarFunction.Elementary(
        "emulated_length",
        (a, b) => Math.Sqrt(a * a + b * b)
    ) with
    {
        Derivatives = [(x, y, g) => g * (x[0] / y), (x, y, g) => g * (x[1] / y)],
        Error = (ErrorRule2)((a, ea, b, eb, y) => ea + eb),
        Float32 = x => Op.Sqrt(Op.Fma(x[0], x[0], x[1] * x[1])),
        MaxUlp = 2,
        Float64 = x => Op.Sqrt(Op.Fma(x[0], x[0], x[1] * x[1])),
        MaxUlpFloat64 = 2,
        CudaName = null,
    };

    private static readonly ScalarFunction s_bent = ScalarFunction.Composed(
        "emulated_bent",
        x => Op.Max(x, x * Op.Const(0.125, x.Type))
    );

    static EmulatedOwnFunctionTests()
    {
        Add(CustomDefinition.Elementwise("emulated_length", 2, x => Op.Call(s_length, x.AsSpan())));
        Add(CustomDefinition.Elementwise("emulated_bent", 1, x => Op.Call(s_bent, x[0]) * 2));
        Add(
            CustomDefinition.Of(
                "emulated_after",
                "W[v, d], I:i64[m] -> Y[m, d]",
                (g, x) =>
                {
                    var (i, k) = (new Axis("i", x[1].Shape[0]), new Axis("k", x[0].Shape[1]));
                    return [g.Stage("Y", [i, k], x[0][x[1][i] + 1, k] - x[0][x[1][i], k])];
                },
                new Dictionary<string, InputDomain> { ["I"] = InputDomain.Index(4) }
            )
        );
        static void Add(CustomDefinition own) => Assert.True(OperatorLibrary.TryAdd(own.Definition));
    }

    [SkippableTheory]
    [InlineData("emulated_length a=3x5 b=5")]
    [InlineData("emulated_length n=7 dtype=f64")]
    [InlineData("emulated_length.adjoint n=7")]
    [InlineData("emulated_length.adjoint.adjoint n=7")]
    [InlineData("emulated_bent n=7 dtype=bf16")]
    [InlineData("emulated_bent.adjoint n=7")]
    [InlineData("emulated_after v=5 d=3 m=7")]
    [InlineData("emulated_after v=5 d=3 m=7 dtype=i32")]
    [InlineData("emulated_after.adjoint v=5 d=3 m=7")]
    [InlineData("clamp.adjoint a=3x5 b=5 c=1")]
    [InlineData("max_of_all.adjoint rows=3 cols=5 axis=1")]
    public void Kernels_are_right(string text)
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse(text);
        EmulatedProgram.Check(NaiveKernels.Of(spec.Build()), spec.MakeInputs(5));
    }
}
