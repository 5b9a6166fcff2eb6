using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Tests.Codegen;
using Picograd.Tests.Gpu;
using Xunit;

namespace Picograd.Tests.Passes;

/// <summary>Grids whose y and z do not fit go along x, and every block still finds its place.</summary>
[Collection(EmulatorCollection.Name)]
public class FoldGridTests
{
    // A limit at which small shapes are folded.
    private const long Most = 2;

    public static TheoryData<string> Specs =>
        [
            "matmul m=33 n=40 k=17 batch=5",
            "matmul m=5 n=7 k=3 batch=7",
            "attention b=2 h=3 tq=17 tk=9 d=8",
            "conv2d n=3 c=4 h=7 w=8 oc=6 kh=3 kw=3 pad=1",
            "transpose rows=133 cols=121",
            "sum rows=130 cols=70 axis=0",
        ];

    [Theory]
    [MemberData(nameof(Specs))]
    public void Folded_kernels_are_right(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var subject = new Interpreted(algorithm, spec.MakeInputs(7));
        foreach (var rule in ScheduleRules.For(algorithm, Targets.A100))
        {
            LoopNest nest;
            try
            {
                nest = rule.Apply(algorithm, Targets.A100, rule.Defaults(algorithm, Targets.A100));
            }
            catch (ScheduleException)
            {
                continue;
            }
            var lowered = Lower(nest);
            Assert.DoesNotContain(
                lowered.Loops,
                l => l.Kind is LoopKind.BlockY or LoopKind.BlockZ && l.ConstantExtent > Most
            );
            Assert.Null(subject.Wrong(lowered, seed: 3, threadLoopsJoin: false));
        }
    }

    [SkippableFact]
    public void Folded_text_runs()
    {
        EmulatedLaunch.Require();
        var spec = OperatorSpec.Parse("matmul m=33 n=40 k=17 batch=5");
        var nest = Lower(DefaultSchedule.For(spec.Build(), Targets.A100));
        EmulatedProgram.Check(nest, spec.MakeInputs(7));
    }

    [Fact]
    public void A_grid_that_fits_stays()
    {
        var nest = DefaultSchedule.For(OperatorSpec.Parse("matmul m=512 n=512 k=64 batch=600").Build(), Targets.A100);
        var lowered = CudaLowering.Run(nest, GpuInfo.A100);
        Assert.Contains(lowered.Loops, l => l.Kind == LoopKind.BlockZ);
    }

    private static LoopNest Lower(LoopNest nest)
    {
        bool folded = false;
        foreach (var (name, run) in CudaLowering.Passes(GpuInfo.A100))
        {
            folded |= name == "fold-grid";
            nest = name == "fold-grid" ? FoldGrid.Run(nest, Most) : run(nest);
        }
        Assert.True(folded);
        return nest;
    }
}
