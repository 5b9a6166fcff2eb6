using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>NVIDIA's compiler takes the text of every operator of the library, and of every operation on every type.</summary>
public class OperatorCompileTests
{
    public static TheoryData<string> Operators() => [.. OperatorLibrary.All.Select(o => o.Name)];

    [SkippableTheory]
    [MemberData(nameof(Operators))]
    public void EveryOperator(string name)
    {
        var nvrtc = InstalledNvrtc.Require();
        var nest = NaiveKernels.Of(OperatorSpec.Parse(OperatorLibrary.Find(name)!.Example).Build());
        var program = CudaEmitter.Emit(nest, GpuInfo.A100);
        var result = nvrtc.Compile(program.Source, program.Name, "sm_80");
        Assert.True(result.Succeeded, result.Log + "\n" + program.Source);
    }

    public static TheoryData<string> Types() => [.. Enum.GetValues<DType>().Select(t => t.Name())];

    [SkippableTheory]
    [MemberData(nameof(Types))]
    public void EveryOperationOfAType(string type)
    {
        var nvrtc = InstalledNvrtc.Require();
        foreach (var algorithm in Operations.Of(Enum.GetValues<DType>().Single(t => t.Name() == type), 37))
        {
            var program = CudaEmitter.Emit(NaiveKernels.Of(algorithm), GpuInfo.A100);
            var result = nvrtc.Compile(program.Source, program.Name, "sm_80");
            Assert.True(result.Succeeded, result.Log + "\n" + program.Source);
        }
    }
}
