using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Tests.Fragments;
using Picograd.Tests.Passes;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Loops of kind cluster: blocks of the grid that run at the same time.</summary>
[Collection(EmulatorCollection.Name)]
public class ClusterLoopTests
{
    /// <summary>Four blocks along y in clusters of two blocks, or of four, along x; shared memory is each block's own.</summary>
    private static LoopNest Matmul(int cluster = 2, string rows = "bind mo block.y\nbind no block.x") =>
        SimtSchedules.Apply(
            SimtSchedules.Matmul(32, 64, 24),
            $"""
            C.reg, C.copy = cache_write C register
            mo, mi = split C.m 8
            nb, ni = split C.n 8
            no, nc = split nb {cluster}
            ko, ki = split C.k 8
            reorder mo no nc ko mi ni ki
            As, A.copy = cache_read A C shared
            am, ak = compute_at A.copy ko
            cm, cn = reverse_compute_at C.copy nc
            init = decompose_reduction C ko
            {rows}
            bind nc cluster
            bind am thread.y
            bind ak thread.x
            bind mi thread.y
            bind ni thread.x
            bind cm thread.y
            bind cn thread.x
            bind init.mi thread.y
            bind init.ni thread.x
            """
        );

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void Every_pass_keeps_the_meaning(int cluster) => Proof.Lowers(Matmul(cluster));

    [Fact]
    public void The_grid_has_the_blocks_of_all_clusters_along_x()
    {
        var program = Emit(Matmul());
        var launch = Assert.Single(program.Launches);
        Assert.Equal(
            ("8", "4", "1", 2, 1),
            (
                launch.GridX.ToString(),
                launch.GridY.ToString(),
                launch.GridZ.ToString(),
                launch.ClusterX,
                launch.ClusterY
            )
        );
        Assert.Contains("const int no = blockIdx.x / 2;", program.Source, StringComparison.Ordinal);
        Assert.Contains("const int nc = (int)cluster_rank();", program.Source, StringComparison.Ordinal);
        Assert.Contains("_f32_8x8", program.Name, StringComparison.Ordinal);
    }

    [Fact]
    public void Clusters_without_blocks_along_x()
    {
        var launch = Assert.Single(Emit(Matmul(8, "bind mo block.z\nbind no block.y")).Launches);
        Assert.Equal(
            ("8", "1", "4", 8),
            (launch.GridX.ToString(), launch.GridY.ToString(), launch.GridZ.ToString(), launch.ClusterX)
        );
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void The_text_is_correct(int cluster)
    {
        EmulatedLaunch.Require();
        var nest = CudaLowering.Run(Matmul(cluster), GpuInfo.H100);
        EmulatedProgram.Check(nest, EmulatedTests.RandomInputs(nest.Algorithm, 5));
    }

    [SkippableTheory]
    [InlineData("blockIdx.x / 2", "blockIdx.x % 4")]
    [InlineData("(int)cluster_rank()", "0")]
    public void Other_coordinates_are_noticed(string old, string changed)
    {
        EmulatedLaunch.Require();
        var nest = CudaLowering.Run(Matmul(), GpuInfo.H100);
        var program = CudaEmitter.Emit(nest, GpuInfo.H100);
        Assert.Contains(old, program.Source, StringComparison.Ordinal);
        WarpgroupMutationTests.Wrong(
            nest,
            program with
            {
                Source = program.Source.Replace(old, changed, StringComparison.Ordinal),
            }
        );
    }

    [SkippableFact]
    public void A_launch_without_clusters_is_noticed()
    {
        EmulatedLaunch.Require();
        var nest = CudaLowering.Run(Matmul(), GpuInfo.H100);
        var program = CudaEmitter.Emit(nest, GpuInfo.H100);
        WarpgroupMutationTests.Wrong(
            nest,
            program with
            {
                Launches = [.. program.Launches.Select(l => l with { ClusterX = 1 })],
            }
        );
    }

    [SkippableFact]
    public void The_text_compiles()
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        var program = Emit(Matmul(4));
        var compiled = nvrtc.Compile(program.Source, program.Name, "sm_90a");
        Assert.True(compiled.Succeeded, compiled.Log + "\n" + program.Source);
    }

    [Fact]
    public void Older_architectures_have_none()
    {
        var error = Assert.Throws<LoweringException>(() => CudaLowering.Run(Matmul(), GpuInfo.A100));
        Assert.Equal("no-clusters", error.Reason);
        Assert.Contains("loop nc is cluster", error.Message, StringComparison.Ordinal);
        var form = CudaLowering.Run(Matmul(), GpuInfo.H100);
        Assert.Equal(
            "no-clusters",
            Assert.Throws<LoweringException>(() => CudaEmitter.Emit(form, GpuInfo.A100)).Reason
        );
    }

    [Fact]
    public void Clusters_inside_of_a_serial_loop_are_refused()
    {
        var nest = SimtSchedules.Apply(
            SimtSchedules.Matmul(32, 64, 24),
            """
            bind C.m block.x
            no, nc = split C.n 2
            bind nc cluster
            """
        );
        var error = Assert.Throws<LoweringException>(() => CudaLowering.Run(nest, GpuInfo.H100));
        Assert.Equal("thread-kinds", error.Reason);
        Assert.Contains("loop nc is cluster", error.Message, StringComparison.Ordinal);
    }

    private static CudaProgram Emit(LoopNest nest) =>
        CudaEmitter.Emit(CudaLowering.Run(nest, GpuInfo.H100), GpuInfo.H100);
}
