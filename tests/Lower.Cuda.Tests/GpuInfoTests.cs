using Picograd.Schedules.Backend;
using Xunit;

namespace Picograd.Tests;

public class GpuInfoTests
{
    [Fact]
    public void FeaturesFollowTheComputeCapability()
    {
        Assert.True(GpuInfo.A100.HasAsyncCopy);
        Assert.False(GpuInfo.A100.HasWarpgroupMma);
        Assert.True(GpuInfo.H100.HasWarpgroupMma);
    }
}
