using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Passes;

public class LoweringTests(ITestOutputHelper log)
{
    [Theory]
    [InlineData(8, 16, 5)]
    [InlineData(7, 11, 3)]
    public void Naive_matmul(long m, long n, long k) => Lowers(SimtSchedules.NaiveMatmul(m, n, k));

    [Theory]
    [InlineData(32, 32, 16, 4)]
    [InlineData(35, 37, 21, 4)]
    [InlineData(35, 37, 21, 1)]
    public void Tiled_matmul(long m, long n, long k, int across) =>
        Lowers(SimtSchedules.TiledMatmul(m, n, k, across: across));

    [Theory]
    [InlineData(35, 37, 21)]
    public void Double_buffered_matmul(long m, long n, long k) =>
        Lowers(SimtSchedules.TiledMatmul(m, n, k, "double_buffer ko"));

    [Theory]
    [InlineData(5, 70)]
    [InlineData(6, 64)]
    [InlineData(2, 5)]
    public void Softmax_of_a_warp(long rows, long columns) => Lowers(SimtSchedules.WarpSoftmax(rows, columns));

    [Theory]
    [InlineData(2, 70, 64, "register")]
    [InlineData(2, 70, 64, "shared")]
    [InlineData(2, 200, 96, "shared")]
    [InlineData(3, 20, 7, "register")]
    [InlineData(3, 40, 48, "register")]
    public void Softmax_of_a_block(long rows, long columns, int threads, string scope) =>
        Lowers(SimtSchedules.BlockSoftmax(rows, columns, threads, scope));

    [Theory]
    [InlineData(5, 19, 4, 8)]
    [InlineData(5, 19, 3, 8)]
    [InlineData(4, 19, 2, 5)]
    [InlineData(3, 100, 2, 64)]
    [InlineData(3, 100, 2, 50)]
    public void Argmax(long rows, long columns, int perBlock, int threads) =>
        Lowers(SimtSchedules.ArgMax(rows, columns, perBlock, threads));

    [Theory]
    [InlineData(30, 40, 32, 4)]
    [InlineData(30, 40, 8, 8)]
    [InlineData(30, 40, 12, 3)]
    [InlineData(21, 70, 48, 3)]
    public void Column_sums(long rows, long columns, int across, int down) =>
        Lowers(SimtSchedules.ColumnSum(rows, columns, across, down));

    [Theory]
    [InlineData(32, 32)]
    [InlineData(35, 19)]
    public void Transpose(long rows, long columns) => Lowers(SimtSchedules.Transpose(rows, columns));

    [Theory]
    [InlineData(7, 19, 20)]
    public void Split_k(long m, long n, long k) => Lowers(SimtSchedules.SplitK(m, n, k));

    [Theory]
    [InlineData(35, 37, 29, 2)]
    [InlineData(35, 37, 29, 3)]
    [InlineData(35, 37, 16, 2)]
    [InlineData(35, 37, 16, 3)]
    public void Pipelined_matmul(long m, long n, long k, int stages) =>
        Lowers(SimtSchedules.TiledMatmul(m, n, k, $"pipeline ko stages={stages}", across: 2));

    private void Lowers(LoopNest nest)
    {
        log.WriteLine(nest.ToString());
        log.WriteLine(CudaLowering.Run(nest, GpuInfo.H100).ToString());
        Proof.Lowers(nest);
    }
}
