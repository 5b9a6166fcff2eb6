using System.Globalization;
using System.Text;

namespace Picograd.Lower.Cuda.Machine;

/// <summary>The text of a kernel that does nothing but warpgroup matrix products: m64n256k16, bf16, sums in fp32.</summary>
internal static class WgmmaProbe
{
    /// <summary>Products between two waits.</summary>
    public const int ProductsPerTurn = 4;

    private const int Accumulators = 128;

    /// <summary>
    /// Operands are small numbers in shared memory (zeros would run faster), in 128-byte swizzled K-major tiles; where
    /// which number lies does not matter to the time.
    /// </summary>
    public static string Source { get; } = Write();

    private static string Write()
    {
        string registers = string.Join(
            ',',
            Enumerable.Range(0, Accumulators).Select(i => string.Create(CultureInfo.InvariantCulture, $"%{i}"))
        );
        string outputs = string.Join(
            ", ",
            Enumerable
                .Range(0, Accumulators)
                .Select(i => string.Create(CultureInfo.InvariantCulture, $"\"+f\"(c[{i}])"))
        );
        var text = new StringBuilder();
        text.Append(
            """
            extern "C" __global__ __launch_bounds__(256, 1) void wgmma_peak(float* out, long long turns) {
                __shared__ __align__(1024) unsigned short tiles[256 * 64];
                for (int i = threadIdx.x; i < 256 * 64; i += 256) tiles[i] = 0x3e00 + (i * 7 & 255);
                asm volatile("fence.proxy.async;");
                __syncthreads();
                unsigned base = (unsigned)__cvta_generic_to_shared(tiles);
                unsigned long long high = (64ull << 32) | (1ull << 16) | (1ull << 62);
                unsigned long long a = high | ((base & 0x3ffffu) >> 4);
                unsigned long long b = high | ((base & 0x3ffffu) >> 4);
                float c[128];
                #pragma unroll
                for (int i = 0; i < 128; i++) c[i] = 0.0f;
                for (long long n = 0; n < turns; n++) {
                    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");

            """
        );
        for (int i = 0; i < ProductsPerTurn; i++)
        {
            text.Append(
                CultureInfo.InvariantCulture,
                $"        asm volatile(\"{{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {{{registers}}}, %{Accumulators}, %{Accumulators + 1}, p, 1, 1, 0, 0; }}\" : {outputs} : \"l\"(a), \"l\"(b));\n"
            );
        }
        text.Append(
            """
                    asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
                    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
                }
                float sum = 0.0f;
                #pragma unroll
                for (int i = 0; i < 128; i++) sum += c[i];
                out[blockIdx.x * 256ll + threadIdx.x] = sum;
            }

            """
        );
        return text.ToString();
    }
}
