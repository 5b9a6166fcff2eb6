using Picograd.Lower.Cuda.Prelude;

namespace Picograd.Tests;

/// <summary>GEMM on tensor cores as one would write it by hand: the texts that tests run, and break.</summary>
internal static class TensorCoreKernels
{
    /// <summary>C (m×n, fp32) = A (m×k) B (k×n) in bf16 or fp16, all row-major: a block makes 64 × 32, a warp 16 × 32.</summary>
    public static string MmaHalf(string type) =>
        PreludeText.Source([
            "cp_async_16",
            "cp_async_commit",
            "cp_async_wait",
            "ldmatrix_x4",
            "ldmatrix_x2_trans",
            $"mma_m16n8k16_{type}",
        ])
        + """
            extern "C" __global__ __launch_bounds__(128) void gemm(const unsigned short* A, const unsigned short* B, float* C, int M, int N, int K)
            {
                __shared__ __align__(16) unsigned short As[2][64][16 + 8];
                __shared__ __align__(16) unsigned short Bs[2][16][32 + 8];
                int thread = threadIdx.x, warp = thread / 32, lane = thread % 32, g = lane >> 2, t = lane & 3;
                int row0 = blockIdx.y * 64, column0 = blockIdx.x * 32;
                auto load = [&](int step)
                {
                    cp_async_16(&As[step & 1][thread / 2][thread % 2 * 8], A + (row0 + thread / 2) * K + step * 16 + thread % 2 * 8);
                    if (thread < 64)
                        cp_async_16(&Bs[step & 1][thread / 4][thread % 4 * 8], B + (step * 16 + thread / 4) * N + column0 + thread % 4 * 8);
                };
                float c[4][4] = {};
                load(0);
                cp_async_commit();
                for (int step = 0; step < K / 16; step++)
                {
                    if (step + 1 < K / 16)
                        load(step + 1);
                    cp_async_commit(); // of the next stage
                    cp_async_wait<1>();
                    __syncthreads(); // before use
                    unsigned a[4], b[2];
                    ldmatrix_x4(a, &As[step & 1][warp * 16 + lane % 16][lane / 16 * 8]);
                    for (int j = 0; j < 4; j++)
                    {
                        ldmatrix_x2_trans(b, &Bs[step & 1][lane % 16][j * 8]);
                        mma(c[j], a, b);
                    }
                    __syncthreads(); // before reuse
                }
                for (int j = 0; j < 4; j++)
                    for (int i = 0; i < 4; i++)
                        C[(row0 + warp * 16 + g + 8 * (i >> 1)) * N + column0 + j * 8 + 2 * t + (i & 1)] = c[j][i];
            }
            """.Replace("mma(", $"mma_m16n8k16_{type}(", StringComparison.Ordinal);

    /// <summary>The same in tf32 with B given as n×k, both through ldmatrix, without asynchronous copies.</summary>
    public static readonly string MmaTf32 =
        PreludeText.Source(["ldmatrix_x4", "ldmatrix_x2", "mma_m16n8k8_tf32", "f32_to_tf32"])
        + """
            extern "C" __global__ __launch_bounds__(128) void gemm(const float* A, const float* B, float* C, int M, int N, int K)
            {
                __shared__ __align__(16) unsigned As[64][8 + 4];
                __shared__ __align__(16) unsigned Bs[32][8 + 4];
                int thread = threadIdx.x, warp = thread / 32, lane = thread % 32, g = lane >> 2, t = lane & 3;
                int row0 = blockIdx.y * 64, column0 = blockIdx.x * 32;
                float c[4][4] = {};
                for (int k0 = 0; k0 < K; k0 += 8)
                {
                    for (int i = thread; i < 64 * 8; i += 128)
                        As[i / 8][i % 8] = f32_to_tf32(A[(row0 + i / 8) * K + k0 + i % 8]);
                    for (int i = thread; i < 32 * 8; i += 128)
                        Bs[i / 8][i % 8] = f32_to_tf32(B[(column0 + i / 8) * K + k0 + i % 8]);
                    __syncthreads(); // before use
                    unsigned a[4], b[2];
                    ldmatrix_x4(a, &As[warp * 16 + lane % 16][lane / 16 * 4]);
                    for (int j = 0; j < 4; j++)
                    {
                        ldmatrix_x2(b, &Bs[j * 8 + lane % 8][(lane / 8 & 1) * 4]);
                        mma_m16n8k8_tf32(c[j], a, b);
                    }
                    __syncthreads(); // before reuse
                }
                for (int j = 0; j < 4; j++)
                    for (int i = 0; i < 4; i++)
                        C[(row0 + warp * 16 + g + 8 * (i >> 1)) * N + column0 + j * 8 + 2 * t + (i & 1)] = c[j][i];
            }
            """;

    private static readonly string[] Pipeline =
    [
        "mbarrier_init",
        "mbarrier_fence_init",
        "mbarrier_wait",
        "mbarrier_expect_tx",
        "mbarrier_arrive",
        "bulk_load_2d",
        "setmaxnreg_dec",
        "setmaxnreg_inc",
        "wgmma_fence",
        "wgmma_commit",
        "wgmma_wait",
        "wgmma_descriptor",
    ];

    /// <summary>
    /// C = A Bᵀ, both K-major: A m×k and B n×k, bf16 or tf32. A ring of two stages of 64 × 128 bytes of each; one producer and
    /// one consumer warpgroup; a block makes 64 × 64.
    /// </summary>
    public static string WgmmaKMajor(string type)
    {
        bool tf32 = type == "tf32";
        string name = tf32 ? "wgmma_m64n64k8_tf32" : $"wgmma_m64n64k16_{type}";
        return PreludeText.Source([.. Pipeline, name])
            + """
                extern "C" __global__ __launch_bounds__(256, 2) void gemm(const __grid_constant__ CUtensorMap mapA, const __grid_constant__ CUtensorMap mapB, float* C, int M, int N, int K)
                {
                    constexpr int Stages = 2, Bytes = 64 * 128, Depth = DEPTH;
                    extern __shared__ __align__(1024) unsigned char shared[];
                    unsigned char *As = shared, *Bs = shared + Stages * Bytes;
                    unsigned long long *full = (unsigned long long*)(shared + 2 * Stages * Bytes), *empty = full + Stages;
                    int thread = threadIdx.x % 128, warp = thread / 32, g = thread % 32 >> 2, t = thread & 3;
                    if (threadIdx.x == 0)
                    {
                        for (int s = 0; s < Stages; s++)
                        {
                            mbarrier_init(full + s, 1);
                            mbarrier_init(empty + s, 4);
                        }
                        mbarrier_fence_init();
                    }
                    __syncthreads();
                    if (threadIdx.x < 128)
                    {
                        setmaxnreg_dec<40>();
                        if (thread == 0)
                            for (int step = 0; step < K / Depth; step++)
                            {
                                int s = step % Stages;
                                mbarrier_wait(empty + s, (step / Stages & 1) ^ 1);
                                mbarrier_expect_tx(full + s, 2 * Bytes);
                                bulk_load_2d(As + s * Bytes, &mapA, full + s, step * Depth, blockIdx.y * 64);
                                bulk_load_2d(Bs + s * Bytes, &mapB, full + s, step * Depth, blockIdx.x * 64);
                            }
                    }
                    else
                    {
                        setmaxnreg_inc<216>();
                        float c[32];
                        for (int step = 0; step < K / Depth; step++)
                        {
                            int s = step % Stages;
                            mbarrier_wait(full + s, step / Stages & 1);
                            wgmma_fence();
                            for (int k = 0; k < 4; k++)
                            {
                                unsigned long long a = wgmma_descriptor(As + s * Bytes + k * 32, 16, 1024, 1);
                                unsigned long long b = wgmma_descriptor(Bs + s * Bytes + k * 32, 16, 1024, 1);
                                MULTIPLY(c, a, b, step > 0 || k > 0);
                            }
                            wgmma_commit();
                            wgmma_wait<0>();
                            if (thread % 32 == 0)
                                mbarrier_arrive(empty + s);
                        }
                        for (int r = 0; r < 32; r++)
                            C[(blockIdx.y * 64 + 16 * warp + g + 8 * (r >> 1 & 1)) * N + blockIdx.x * 64 + 8 * (r >> 2) + 2 * t + (r & 1)] = c[r];
                    }
                }
                """.Replace("DEPTH", tf32 ? "32" : "64", StringComparison.Ordinal).Replace(
                "MULTIPLY",
                tf32 ? name : name + "<0, 0>",
                StringComparison.Ordinal
            );
    }

    /// <summary>
    /// C = AᵀB, both MN-major in bf16: A k×m and B k×n row-major. Two wgmma groups in flight, stages given back one step late, and
    /// C written by a bulk store; a block makes 64 × 128.
    /// </summary>
    public static readonly string WgmmaMnMajor =
        PreludeText.Source([
            .. Pipeline,
            "wgmma_m64n128k16_bf16",
            "fence_proxy_async",
            "named_barrier_sync",
            "bulk_store_2d",
            "bulk_commit",
            "bulk_wait",
        ])
        + """
            extern "C" __global__ __launch_bounds__(256, 2) void gemm(const __grid_constant__ CUtensorMap mapA, const __grid_constant__ CUtensorMap mapB, const __grid_constant__ CUtensorMap mapC, int K)
            {
                constexpr int Stages = 3, Chunk = 64 * 128;
                extern __shared__ __align__(1024) unsigned char shared[];
                unsigned char *As = shared, *Bs = As + Stages * Chunk;
                float* Cs = (float*)(Bs + 2 * Stages * Chunk);
                unsigned long long *full = (unsigned long long*)(Cs + 64 * 128), *empty = full + Stages;
                int thread = threadIdx.x % 128, warp = thread / 32, g = thread % 32 >> 2, t = thread & 3;
                if (threadIdx.x == 0)
                {
                    for (int s = 0; s < Stages; s++)
                    {
                        mbarrier_init(full + s, 1);
                        mbarrier_init(empty + s, 128);
                    }
                    mbarrier_fence_init();
                }
                __syncthreads();
                if (threadIdx.x < 128)
                {
                    setmaxnreg_dec<40>();
                    if (thread == 0)
                        for (int step = 0; step < K / 64; step++)
                        {
                            int s = step % Stages;
                            mbarrier_wait(empty + s, (step / Stages & 1) ^ 1);
                            mbarrier_expect_tx(full + s, 3 * Chunk);
                            bulk_load_2d(As + s * Chunk, &mapA, full + s, blockIdx.y * 64, step * 64);
                            bulk_load_2d(Bs + 2 * s * Chunk, &mapB, full + s, blockIdx.x * 128, step * 64);
                            bulk_load_2d(Bs + (2 * s + 1) * Chunk, &mapB, full + s, blockIdx.x * 128 + 64, step * 64);
                        }
                }
                else
                {
                    setmaxnreg_inc<216>();
                    float c[64];
                    for (int step = 0; step < K / 64; step++)
                    {
                        int s = step % Stages;
                        mbarrier_wait(full + s, step / Stages & 1);
                        wgmma_fence();
                        for (int k = 0; k < 4; k++)
                        {
                            unsigned long long a = wgmma_descriptor(As + s * Chunk + k * 2048, 8192, 1024, 1);
                            unsigned long long b = wgmma_descriptor(Bs + 2 * s * Chunk + k * 2048, 8192, 1024, 1);
                            wgmma_m64n128k16_bf16<1, 1>(c, a, b, step > 0 || k > 0);
                        }
                        wgmma_commit();
                        wgmma_wait<1>();
                        if (step > 0)
                            mbarrier_arrive(empty + (step - 1) % Stages);
                    }
                    wgmma_wait<0>();
                    for (int r = 0; r < 64; r++)
                        Cs[(16 * warp + g + 8 * (r >> 1 & 1)) * 128 + 8 * (r >> 2) + 2 * t + (r & 1)] = c[r];
                    fence_proxy_async();
                    named_barrier_sync(1, 128);
                    if (thread == 0)
                    {
                        bulk_store_2d(&mapC, Cs, blockIdx.x * 128, blockIdx.y * 64);
                        bulk_commit();
                        bulk_wait<0>();
                    }
                }
            }
            """;
}
