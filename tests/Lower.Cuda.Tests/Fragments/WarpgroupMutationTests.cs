using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Tests.Codegen;
using Xunit;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Tests.Fragments;

/// <summary>
/// Whatever is left out of, or exchanged in, the text of a product by wgmma makes it wrong on the emulator: each mutation is found,
/// by a wrong result or by a fault.
/// </summary>
[Collection(EmulatorCollection.Name)]
public class WarpgroupMutationTests
{
    private const string Bulk = "matmul m=128 n=64 k=320 dtype=bf16";
    private const string BulkKnobs = "bm=128 bn=64 consumers=2 stages=2 bulk=1";
    private const string Cooperative = "matmul m=128 n=64 k=320 dtype=bf16 tb=1";
    private const string CooperativeKnobs = "bm=128 bn=64 consumers=2 stages=3 bulk=0";

    /// <summary>Statements of the kernel of which each kind is left out; nothing else may hold the result together.</summary>
    [SkippableTheory]
    [InlineData("wait for full slots")]
    [InlineData("wait for empty slots")]
    [InlineData("arrivals at empty")]
    [InlineData("expected bytes")]
    [InlineData("initialisation")]
    [InlineData("barrier after the initialisation")]
    [InlineData("wgmma wait")]
    [InlineData("wgmma commit")]
    [InlineData("a bulk copy")]
    public void BulkPipelinesNeed(string what) =>
        Found(
            Bulk,
            BulkKnobs,
            nest =>
                Without(
                    nest,
                    s =>
                        what switch
                        {
                            "wait for full slots" => s.Is(DeviceOps.WaitBarrier) && Barrier(s) == "full",
                            "wait for empty slots" => s.Is(DeviceOps.WaitBarrier) && Barrier(s) == "empty",
                            "arrivals at empty" => s.Is(DeviceOps.Arrive),
                            "expected bytes" => s.Is(DeviceOps.Expect),
                            "initialisation" => s.Is(DeviceOps.MakeBarrier) && Barrier(s) == "empty",
                            "barrier after the initialisation" => s is Barrier,
                            "wgmma wait" => s.Is(DeviceOps.WaitProducts),
                            "wgmma commit" => s.Is(DeviceOps.CommitProducts),
                            _ => s.Is(DeviceOps.CopyBox) && ((DeviceOp)s).Operands[1].Buffer.Name == "B",
                        }
                )
        );

    [SkippableTheory]
    [InlineData("wait for copies")]
    [InlineData("commit of copies")]
    [InlineData("barrier")]
    [InlineData("proxy fence")]
    [InlineData("wgmma fence")]
    [InlineData("wgmma wait")]
    [InlineData("one group less")]
    public void CooperativePipelinesNeed(string what) =>
        Found(
            Cooperative,
            CooperativeKnobs,
            nest =>
                what == "one group less"
                    ? nest with
                    {
                        Body = nest.Body.MapUp(s =>
                            s.Is(DeviceOps.WaitCopies) ? DeviceOps.WaitCopies.Of(((DeviceOp)s).Numbers[0] + 1) : s
                        ),
                    }
                    : Without(
                        nest,
                        s =>
                            what switch
                            {
                                "wait for copies" => s.Is(DeviceOps.WaitCopies),
                                "commit of copies" => s.Is(DeviceOps.CommitCopies),
                                "barrier" => s is Barrier,
                                "proxy fence" => s.Is(DeviceOps.FenceProxy),
                                "wgmma fence" => s.Is(DeviceOps.FenceProducts),
                                _ => s.Is(DeviceOps.WaitProducts),
                            }
                    )
        );

    /// <summary>Phase bits, and the fields of descriptors, in the text.</summary>
    [SkippableTheory]
    [InlineData(
        "mbarrier_wait((unsigned long long*)&full[k_o % 2], k_o / 2 % 2)",
        "mbarrier_wait((unsigned long long*)&full[k_o % 2], 1 - k_o / 2 % 2)"
    )]
    [InlineData(", 8192, 1024, 1), 1);", ", 1024, 8192, 1), 1);")]
    [InlineData(", 16, 1024, 1), wgmma", ", 16, 512, 1), wgmma")]
    [InlineData(", 16, 1024, 1), wgmma", ", 16, 1024, 2), wgmma")]
    [InlineData("<0, 1>", "<0, 0>")]
    [InlineData("k_i_o * 1024", "k_i_o * 512")]
    [InlineData("thread / 128 * 4096", "(1 - thread / 128) * 4096")]
    public void TextsAreExact(string old, string changed)
    {
        EmulatedLaunch.Require();
        var nest = CudaLowering.Run(
            WarpgroupMatmulTests.Nest(
                "matmul m=128 n=128 k=320 dtype=bf16",
                "bm=128 bn=128 consumers=2 stages=2 bulk=1"
            ),
            GpuInfo.H100
        );
        var program = CudaEmitter.Emit(nest, GpuInfo.H100);
        Assert.True(program.Source.Contains(old, StringComparison.Ordinal), $"'{old}' is not in\n{program.Source}");
        Wrong(nest, program with { Source = program.Source.Replace(old, changed, StringComparison.Ordinal) });
    }

    private static LoopNest Without(LoopNest nest, Func<Stmt, bool> gone)
    {
        Assert.Contains(nest.Body.Nodes(), s => gone(s));
        return nest with { Body = nest.Body.MapUp(s => gone(s) ? new Seq([]) : s) };
    }

    private static void Found(string spec, string knobs, Func<LoopNest, LoopNest> mutate)
    {
        EmulatedLaunch.Require();
        var nest = mutate(CudaLowering.Run(WarpgroupMatmulTests.Nest(spec, knobs), GpuInfo.H100));
        Wrong(nest, CudaEmitter.Emit(nest, GpuInfo.H100));
    }

    internal static void Wrong(LoopNest nest, CudaProgram program)
    {
        var inputs = EmulatedTests.RandomInputs(nest.Algorithm, 5);
        // Each launch draws another order of threads, and now and then one in which nothing shows.
        for (int launch = 0; launch < 10; launch++)
        {
            try
            {
                if (EmulatedProgram.Wrong(nest, program, inputs) is not null)
                    return;
            }
            catch (CudaException)
            {
                CudaEmulator.Recover();
                return;
            }
        }
        Assert.Fail($"nothing was found wrong with\n{program.Source}");
    }

    private static string Barrier(Stmt s) => ((DeviceOp)s).Operands[0].Buffer.Name;
}
