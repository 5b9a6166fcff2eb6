using Picograd.Lower.Cuda.Prelude;
using Xunit;

namespace Picograd.Tests;

/// <summary>Hand-written CUDA C of the SIMT kind on the emulator.</summary>
[Collection(EmulatorCollection.Name)]
public class EmulatorSimtTests
{
    internal const string Sgemm = """
        // C = A B, row-major; a block makes 64 x 64 of C with 16 x 16 threads, a thread 4 x 4.
        extern "C" __global__ __launch_bounds__(256) void sgemm(const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C, int M, int N, int K)
        {
            __shared__ float As[16][64 + 4];
            __shared__ __align__(16) float Bs[16][64];
            int tx = threadIdx.x % 16, ty = threadIdx.x / 16;
            float acc[4][4] = {};
            for (int k0 = 0; k0 < K; k0 += 16)
            {
                for (int i = threadIdx.x; i < 64 * 16; i += 256)
                    As[i % 16][i / 16] = A[(blockIdx.y * 64 + i / 16) * K + k0 + i % 16];
                for (int i = threadIdx.x; i < 16 * 16; i += 256)
                    *(float4*)&Bs[i / 16][i % 16 * 4] = *(const float4*)&B[(k0 + i / 16) * N + blockIdx.x * 64 + i % 16 * 4];
                __syncthreads();
        #pragma unroll
                for (int k = 0; k < 16; k++)
                    for (int i = 0; i < 4; i++)
                        for (int j = 0; j < 4; j++)
                            acc[i][j] = fmaf(As[k][ty * 4 + i], Bs[k][tx * 4 + j], acc[i][j]);
                __syncthreads();
            }
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++)
                    C[(blockIdx.y * 64 + ty * 4 + i) * N + blockIdx.x * 64 + tx * 4 + j] = acc[i][j];
        }
        """;

    internal static void RunSgemm(string source, int m = 128, int n = 128, int k = 64)
    {
        var (a, b, c) = (Values.Random(m * k, 1), Values.Random(k * n, 2), new float[m * n]);
        EmulatedLaunch.Run(source, "sgemm", (n / 64, m / 64, 1), 256, 0, [a, b, c, m, n, k]);
        Values.AssertProduct(a, b, c, m, n, k, 1e-5);
    }

    [SkippableFact]
    public void SgemmWithSharedMemoryIsExactToItsBound()
    {
        EmulatedLaunch.Require();
        RunSgemm(Sgemm, 256, 256, 128);
    }

    [SkippableFact]
    public void AReductionWithShufflesAddsEverythingUp()
    {
        EmulatedLaunch.Require();
        const string source = """
            extern "C" __global__ void sum(const float* x, float* y, int n)
            {
                extern __shared__ float partial[];
                float s = 0;
                for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
                    s += __ldg(x + i);
                for (int d = 16; d > 0; d >>= 1)
                    s += __shfl_down_sync(0xffffffff, s, d);
                if (threadIdx.x % 32 == 0)
                    partial[threadIdx.x / 32] = s;
                __syncthreads();
                if (threadIdx.x < 32)
                {
                    s = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0.0f;
                    for (int d = 16; d > 0; d >>= 1)
                        s += __shfl_xor_sync(0xffffffff, s, d);
                    unsigned votes = __ballot_sync(0xffffffff, threadIdx.x & 1);
                    if (threadIdx.x == 0)
                        atomicAdd(y, votes == 0xAAAAAAAAu ? s : 0.0f);
                }
            }
            """;
        float[] x = Values.Random(10_000, 3);
        float[] y = [0];
        EmulatedLaunch.Run(source, "sum", (7, 1, 1), 256, 32, [x, y, x.Length]);
        Assert.Equal(x.Sum(v => (double)v), y[0], 1e-3);
    }

    [SkippableFact]
    public void ThreeStagesOfCpAsyncCopyWhatIsWaitedFor()
    {
        EmulatedLaunch.Require();
        Pipeline(CpAsync);
    }

    internal static readonly string CpAsync =
        PreludeText.Source(["cp_async_16", "cp_async_commit", "cp_async_wait"])
        + """
            // y[i] = the sum over steps of x[step][reversed i]; three stages in flight.
            extern "C" __global__ void pipeline(const float* x, float* y, int steps)
            {
                __shared__ __align__(16) float stage[3][256];
                int t = threadIdx.x;
                for (int s = 0; s < 2; s++)
                {
                    if (s < steps) cp_async_16(&stage[s][t * 4], x + s * 256 + t * 4);
                    cp_async_commit();
                }
                float sum[4] = {};
                for (int s = 0; s < steps; s++)
                {
                    cp_async_wait<1>();
                    __syncthreads();
                    if (s + 2 < steps) cp_async_16(&stage[(s + 2) % 3][t * 4], x + (s + 2) * 256 + t * 4);
                    cp_async_commit();
                    for (int i = 0; i < 4; i++)
                        sum[i] += stage[s % 3][255 - t * 4 - i];
                }
                for (int i = 0; i < 4; i++)
                    y[t * 4 + i] = sum[i];
            }
            """;

    internal static void Pipeline(string source)
    {
        const int steps = 9;
        float[] x = Values.Random(steps * 256, 4);
        var y = new float[256];
        EmulatedLaunch.Run(source, "pipeline", (1, 1, 1), 64, 0, [x, y, steps]);
        for (int i = 0; i < 256; i++)
        {
            double expected = Enumerable.Range(0, steps).Sum(s => (double)x[s * 256 + 255 - i]);
            Assert.True(Math.Abs(expected - y[i]) < 1e-5, $"element {i}: {y[i]}, not {expected}");
        }
    }

    [SkippableFact]
    public void AStaticAndADynamicSharedArrayAndThreadsInThreeDimensions()
    {
        EmulatedLaunch.Require();
        const string source = """
            __device__ int square(int x) { return x * x; }
            extern "C" __global__ void indices(int* y)
            {
                extern __shared__ int dynamic[];
                __shared__ int fixed_one[64], scalar;
                int t = threadIdx.x;
                dynamic[t] = square(t);
                fixed_one[t] = 3 * t;
                if (t == 5) scalar = 7;
                __syncthreads();
                y[(blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x * 64 + blockIdx.x * 64 + t] = dynamic[63 - t] + fixed_one[t ^ 1] + scalar;
            }
            """;
        var y = new int[2 * 3 * 4 * 64];
        EmulatedLaunch.Run(source, "indices", (4, 3, 2), 64, 256, [y]);
        for (int i = 0; i < y.Length; i++)
            Assert.Equal((63 - i % 64) * (63 - i % 64) + 3 * (i % 64 ^ 1) + 7, y[i]);
    }
}
