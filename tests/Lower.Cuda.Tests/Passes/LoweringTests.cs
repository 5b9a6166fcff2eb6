using Picograd.Lower.Cuda;
using Picograd.Schedules;
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
    [InlineData(32, 32, 16)]
    [InlineData(35, 37, 21)]
    public void Tiled_matmul(long m, long n, long k) => Lowers(SimtSchedules.TiledMatmul(m, n, k));

    [Theory]
    [InlineData(35, 37, 21)]
    public void Double_buffered_matmul(long m, long n, long k) =>
        Lowers(SimtSchedules.TiledMatmul(m, n, k, "double_buffer ko"));

    private void Lowers(LoopNest nest)
    {
        log.WriteLine(nest.ToString());
        log.WriteLine(CudaLowering.Run(nest, GpuInfo.H100).ToString());
        Proof.Lowers(nest);
    }
}
