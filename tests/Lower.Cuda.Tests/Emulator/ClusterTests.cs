using Picograd.Lower.Cuda.Prelude;
using Xunit;

namespace Picograd.Tests;

/// <summary>Blocks of a cluster: copies to all of them, and barriers of one that others arrive at.</summary>
[Collection(EmulatorCollection.Name)]
public class EmulatorClusterTests
{
    /// <summary>
    /// Block 0 of each pair loads a box of 32 × 8 for both, once both have said that they are ready for it; y gets the sum over
    /// the steps in each block, times its rank + 1.
    /// </summary>
    internal static readonly string Multicast =
        PreludeText.Source([
            "mbarrier_init",
            "mbarrier_fence_init",
            "mbarrier_expect_tx",
            "mbarrier_wait",
            "mbarrier_arrive",
            "mbarrier_arrive_cluster",
            "bulk_load_2d_multicast",
            "cluster_rank",
            "cluster_sync",
        ])
        + """
            extern "C" __global__ __launch_bounds__(64) void multicast(const __grid_constant__ CUtensorMap map, float* y, int steps)
            {
                extern __shared__ __align__(1024) float box[];
                unsigned long long *full = (unsigned long long*)(box + 256), *empty = full + 1;
                if (threadIdx.x == 0)
                {
                    mbarrier_init(full, 1);
                    mbarrier_init(empty, 2);
                    mbarrier_fence_init();
                }
                cluster_sync(); // barriers are there
                float sum[4] = {};
                for (int step = 0; step < steps; step++)
                {
                    if (threadIdx.x == 0)
                    {
                        mbarrier_expect_tx(full, 1024);
                        mbarrier_arrive_cluster(empty, 0);
                        if (cluster_rank() == 0)
                        {
                            mbarrier_wait(empty, step & 1);
                            bulk_load_2d_multicast(box, &map, full, 3, 0, 0 + step * 8);
                        }
                    }
                    mbarrier_wait(full, step & 1);
                    for (int i = 0; i < 4; i++)
                        sum[i] += box[threadIdx.x * 4 + i];
                    __syncthreads(); // before the next box
                }
                for (int i = 0; i < 4; i++)
                    y[blockIdx.x * 256 + threadIdx.x * 4 + i] = sum[i] * (cluster_rank() + 1);
            }
            """;

    internal static void RunMulticast(string source)
    {
        const int steps = 4;
        float[] x = Values.Random(steps * 256, 1);
        var y = new float[4 * 256];
        EmulatedLaunch.Run(
            source,
            "multicast",
            (4, 1, 1),
            64,
            1024 + 16,
            [new MapOf(3, 7, [32, steps * 8], [128], [32, 8], 0), y, steps, x],
            cluster: 2
        );
        for (int i = 0; i < y.Length; i++)
        {
            double expected = Enumerable.Range(0, steps).Sum(s => (double)x[s * 256 + i % 256]) * (i / 256 % 2 + 1);
            Assert.True(Math.Abs(expected - y[i]) < 1e-5, $"element {i}: {y[i]}, not {expected}");
        }
    }

    [SkippableFact]
    public void OneCopyServesTwoBlocks()
    {
        EmulatedLaunch.Require();
        RunMulticast(Multicast);
    }
}
