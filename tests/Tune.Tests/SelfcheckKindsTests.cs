using Picograd.Algorithms.Operators;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Picograd.Search.Measurement;
using Picograd.Tune;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>What the self-check covers, and what it calls wrong.</summary>
public sealed class SelfcheckKindsTests
{
    private static TargetInfo Target(GpuInfo gpu) =>
        new("cuda", $"cuda;{gpu.Architecture}", 0, 0, 1, 0, gpu.L2Bytes, 0) { Gpu = gpu, ArgumentAlignment = 16 };

    public static TheoryData<string> Architectures => ["sm_80", "sm_90a"];

    private static GpuInfo Gpu(string architecture) => architecture == "sm_80" ? GpuInfo.A100 : GpuInfo.H100;

    /// <summary>Nothing runs here: the kernels that the check would make contain every kind of instruction that the GPU has.</summary>
    [Theory]
    [MemberData(nameof(Architectures))]
    public void Every_kind_of_kernel_of_a_target_is_among_its_operators(string architecture)
    {
        var gpu = Gpu(architecture);
        var target = Target(gpu);
        var found = new HashSet<string>();
        foreach (var spec in SelfcheckSpecs.All(target))
        {
            var algorithm = spec.Build();
            var nests = HandSchedules
                .All.Where(h => h.Spec == spec.ToString() && h.Applies(target))
                .Select(h => (Func<LoopNest>)h.Nest)
                .Concat(
                    ScheduleRules
                        .For(algorithm, target)
                        .SelectMany(rule =>
                            RuleForms
                                .Of(rule, rule.Knobs(algorithm, target))
                                .Prepend(rule.Defaults(algorithm, target).ToDictionary())
                                .Select(c => (Func<LoopNest>)(() => rule.Apply(algorithm, target, c)))
                        )
                );
            foreach (var make in nests)
            {
                try
                {
                    found.UnionWith(
                        KernelKinds.In(CudaLowering.WithoutBarriers(make(), gpu), spec.Name == "attention")
                    );
                }
                catch (Exception e) when (e is ScheduleException or LoweringException)
                {
                    // A form that this shape does not take.
                    continue;
                }
            }
        }
        Assert.Equal(KernelKinds.Of(target).Order(), found.Order());
    }

    [Fact]
    public void Hopper_has_kinds_that_older_GPUs_lack_and_processors_have_none()
    {
        string[] more = [.. KernelKinds.Of(Target(GpuInfo.H100)).Except(KernelKinds.Of(Target(GpuInfo.A100)))];
        Assert.Equal(
            [
                "bulk copies (TMA)",
                "clusters",
                "registers handed on between warps",
                "wgmma bf16",
                "wgmma f16",
                "wgmma tf32",
            ],
            more.Order()
        );
        Assert.Empty(KernelKinds.Of(Target(GpuInfo.H100) with { Gpu = null }));
    }

    private static readonly Candidate Any = new(
        null,
        new Dictionary<string, long>(),
        InitialNest.Of(OperatorSpec.Parse("add n=4").Build())
    );

    private static Certification Unfinished =>
        new(0, false, false, "its check did not end within 120.0 s") { IsRefused = true, IsUnfinished = true };

    private static (KernelVerdict Verdict, string Note) Check(Certification certification, Measured? measured = null)
    {
        var check = new KernelCheck(_ => certification, measured is null ? null : _ => measured);
        var (verdict, _, note) = check.Of(() => Any);
        return (verdict, note);
    }

    [Fact]
    public void A_slow_kernel_is_not_wrong()
    {
        var (verdict, note) = Check(Unfinished, new Measured(OutcomeNames.Timed, 7300, [7300]));
        Assert.Equal(KernelVerdict.Slow, verdict);
        Assert.Contains("one call takes 7.30 s", note);
        Assert.DoesNotContain("hang", note);
        Assert.Equal(KernelVerdict.Slow, Check(Unfinished).Verdict);
    }

    [Theory]
    [InlineData(OutcomeNames.Hang, "hangs")]
    [InlineData(OutcomeNames.OverTime, "hangs")]
    [InlineData("illegal-address", "illegal-address")]
    [InlineData(OutcomeNames.WrongResult, "wrong-result")]
    public void What_does_not_end_even_once_or_faults_is_wrong(string outcome, string said)
    {
        var (verdict, note) = Check(Unfinished, Measured.Failed(outcome, "no answer"));
        Assert.Equal(KernelVerdict.Wrong, verdict);
        Assert.StartsWith(said, note);
    }

    [Fact]
    public void Verdicts_of_certifications_stay()
    {
        Assert.Equal(KernelVerdict.Right, Check(new Certification(0.5, true, true)).Verdict);
        Assert.Equal(KernelVerdict.Wrong, Check(new Certification(3, false, true, "C is off")).Verdict);
        Assert.Equal(
            KernelVerdict.Refused,
            Check(new Certification(0, false, false, "spills") { IsRefused = true }).Verdict
        );
        var refusing = new KernelCheck(_ => throw new LoweringException("no-gpu-loop", "none"), null);
        Assert.Equal(KernelVerdict.Refused, refusing.Of(() => Any).Verdict);
    }
}
