using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Prelude;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// One wgmma or mma on operands that are placed by formulas of their own: rows, chunks of 16 bytes and registers as the PTX
/// manual's figures have them, not as address arithmetic.
/// </summary>
[Collection(EmulatorCollection.Name)]
public class EmulatorLayoutTests
{
    private const int N = 64;
    private const int Region = 32 * 1024;

    public static TheoryData<int, bool, bool> Layouts()
    {
        var data = new TheoryData<int, bool, bool>();
        foreach (int width in (int[])[0, 32, 64, 128])
        {
            foreach (bool a in (bool[])[false, true])
            {
                foreach (bool b in (bool[])[false, true])
                    data.Add(width, a, b);
            }
        }
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Layouts))]
    public void WgmmaReadsEverySwizzleAndBothMajors(int width, bool transposeA, bool transposeB)
    {
        EmulatedLaunch.Require();
        ushort[] image = new ushort[2 * Region / 2];
        // Nothing but the operands' elements may be read.
        Array.Fill(image, (ushort)0x7FC0);
        float[] a = [.. Values.Random(64 * 16, 1).Select(x => Values.FromBf16(Values.Bf16(x)))];
        float[] b = [.. Values.Random(16 * N, 2).Select(x => Values.FromBf16(Values.Bf16(x)))];
        // The strides between groups are wider than the groups, so that none is taken for another.
        int group = width == 0 ? 128 : 8 * width;
        int stride = 2 * group;
        int leading = width == 0 ? 8 * stride : 6 * group;
        for (int i = 0; i < 64; i++)
        {
            for (int k = 0; k < 16; k++)
                image[Place(width, transposeA, i, k, leading, stride) / 2] = Values.Bf16(a[i * 16 + k]);
        }
        for (int j = 0; j < N; j++)
        {
            for (int k = 0; k < 16; k++)
                image[(Region + Place(width, transposeB, j, k, leading, stride)) / 2] = Values.Bf16(b[k * N + j]);
        }
        int mode = width switch
        {
            0 => 0,
            128 => 1,
            64 => 2,
            _ => 3,
        };
        string source =
            PreludeText.Source([
                "wgmma_m64n64k16_bf16",
                "wgmma_fence",
                "wgmma_commit",
                "wgmma_wait",
                "wgmma_descriptor",
                "fence_proxy_async",
            ])
            + $$"""
                extern "C" __global__ __launch_bounds__(128) void one(const uint4* image, float* C)
                {
                    extern __shared__ __align__(1024) unsigned char shared[];
                    for (int i = threadIdx.x; i < {{2 * Region / 16}}; i += 128)
                        ((uint4*)shared)[i] = image[i];
                    fence_proxy_async();
                    __syncthreads();
                    float c[{{N / 2}}];
                    unsigned long long a = wgmma_descriptor(shared, {{leading}}, {{stride}}, {{mode}});
                    unsigned long long b = wgmma_descriptor(shared + {{Region}}, {{leading}}, {{stride}}, {{mode}});
                    wgmma_fence();
                    wgmma_m64n64k16_bf16<{{(transposeA ? 1 : 0)}}, {{(transposeB ? 1 : 0)}}>(c, a, b, 0);
                    wgmma_commit();
                    wgmma_wait<0>();
                    for (int r = 0; r < {{N / 2}}; r++)
                        C[threadIdx.x * {{N / 2}} + r] = c[r];
                }
                """;
        var registers = new float[128 * N / 2];
        EmulatedLaunch.Run(source, "one", (1, 1, 1), 128, 2 * Region, [image, registers]);
        Values.AssertProduct(a, b, Accumulators(registers), 64, N, 16, 1e-5);
    }

    /// <summary>
    /// Byte of element (mn, k) of an operand of 16-bit elements. Rows of `width` bytes come in groups of eight, and the 16-byte chunks
    /// of a row are permuted by the row; without a swizzle eight rows of 16 bytes are a matrix of their own.
    /// </summary>
    private static int Place(int width, bool mnMajor, int mn, int k, int leading, int stride)
    {
        // Along the contiguous dimension `fast`, across it `slow`.
        var (fast, slow) = mnMajor ? (mn, k) : (k, mn);
        int chunk = fast / 8;
        int inside = fast % 8 * 2;
        int row = slow % 8;
        int group = slow / 8;
        if (width == 0)
        {
            // Matrices that are neighbours along k are `leading` apart, along m or n `stride`, whichever is contiguous.
            return row * 16 + inside + (mnMajor ? chunk * stride + group * leading : chunk * leading + group * stride);
        }
        int chunks = width / 16;
        int permuted = (chunk % chunks) ^ (row * chunks / 8);
        return group * stride + chunk / chunks * leading + row * width + permuted * 16 + inside;
    }

    /// <summary>64×N from the registers of 128 threads: pairs of columns, eight rows apart, one warp to 16 rows.</summary>
    private static float[] Accumulators(float[] registers)
    {
        var c = new float[64 * N];
        for (int thread = 0; thread < 128; thread++)
        {
            for (int block = 0; block < N / 8; block++)
            {
                for (int half = 0; half < 2; half++)
                {
                    for (int pair = 0; pair < 2; pair++)
                    {
                        int row = thread / 32 * 16 + half * 8 + thread % 32 / 4;
                        c[row * N + block * 8 + thread % 4 * 2 + pair] = registers[
                            thread * N / 2 + block * 4 + half * 2 + pair
                        ];
                    }
                }
            }
        }
        return c;
    }

    [SkippableTheory]
    [InlineData("bf16")]
    [InlineData("tf32")]
    public void WgmmaTakesItsLeftOperandFromRegisters(string type)
    {
        EmulatedLaunch.Require();
        bool tf32 = type == "tf32";
        int depth = tf32 ? 8 : 16;
        float[] a = [.. Values.Random(64 * depth, 1).Select(x => Values.FromBf16(Values.Bf16(x)))];
        float[] b = [.. Values.Random(N * depth, 2).Select(x => Values.FromBf16(Values.Bf16(x)))];
        // Each thread's registers, from the figure: rows g and g + 8, then the same at the second half of k.
        uint[] fragments = new uint[128 * 4];
        for (int thread = 0; thread < 128; thread++)
        {
            for (int register = 0; register < 4; register++)
            {
                int row = thread / 32 * 16 + thread % 32 / 4 + register % 2 * 8;
                int k = register / 2 * (depth / 2) + thread % 4 * (tf32 ? 1 : 2);
                fragments[thread * 4 + register] = tf32
                    ? BitConverter.SingleToUInt32Bits(a[row * depth + k])
                    : Values.Bf16(a[row * depth + k]) | (uint)Values.Bf16(a[row * depth + k + 1]) << 16;
            }
        }
        // b as eight rows of 16 bytes after another: 8 n × 16 bytes of k, then the next 16 bytes of k.
        byte[] image = new byte[N * 32];
        for (int j = 0; j < N; j++)
        {
            for (int k = 0; k < depth; k++)
            {
                int at = j / 8 * 256 + k * (32 / depth) / 16 * 128 + j % 8 * 16 + k * (32 / depth) % 16;
                if (tf32)
                    BitConverter.TryWriteBytes(image.AsSpan(at), b[j * depth + k]);
                else
                    BitConverter.TryWriteBytes(image.AsSpan(at), Values.Bf16(b[j * depth + k]));
            }
        }
        string name = $"wgmma_m64n64k{depth}_{type}_ra";
        string source =
            PreludeText.Source([
                name,
                "wgmma_fence",
                "wgmma_commit",
                "wgmma_wait",
                "wgmma_descriptor",
                "fence_proxy_async",
            ])
            + $$"""
                extern "C" __global__ __launch_bounds__(128) void one(const uint4* image, const uint4* fragments, float* C)
                {
                    extern __shared__ __align__(128) uint4 shared[];
                    shared[threadIdx.x] = image[threadIdx.x];
                    fence_proxy_async();
                    __syncthreads();
                    float c[{{N / 2}}];
                    uint4 f = fragments[threadIdx.x];
                    unsigned a[4] = {f.x, f.y, f.z, f.w};
                    wgmma_fence();
                    {{name}}{{(tf32 ? "" : "<0>")}}(c, a, wgmma_descriptor(shared, 128, 256, 0), 0);
                    wgmma_commit();
                    wgmma_wait<0>();
                    for (int r = 0; r < {{N / 2}}; r++)
                        C[threadIdx.x * {{N / 2}} + r] = c[r];
                }
                """;
        var registers = new float[128 * N / 2];
        EmulatedLaunch.Run(source, "one", (1, 1, 1), 128, image.Length, [image, fragments, registers]);
        Values.AssertProduct(a, Values.Transpose(b, N, depth), Accumulators(registers), 64, N, depth, 1e-5);
    }

    [SkippableFact]
    public void ConversionsRoundAsTheHardwareDoes()
    {
        EmulatedLaunch.Require();
        var random = new Random(7);
        float[] x =
        [
            0,
            -0.0f,
            1,
            65504,
            65519.996f,
            65520,
            -1e30f,
            6e-8f,
            2.9802322e-8f,
            2.98023224e-8f * 1.01f,
            6.1e-5f,
            float.PositiveInfinity,
            float.MaxValue,
            .. Enumerable
                .Range(0, 3000)
                .Select(_ => BitConverter.Int32BitsToSingle(random.Next() & ~0x60000000 | 0x20000000)),
            .. Enumerable.Range(0, 2000).Select(_ => (float)(random.NextDouble() * 1e-4)),
        ];
        x = [.. x.Where(v => !float.IsNaN(v))];
        Array.Resize(ref x, x.Length / 32 * 32);
        var (half, brain, back) = (new ushort[x.Length], new ushort[x.Length], new float[x.Length]);
        uint[] tensor = new uint[x.Length];
        string source =
            PreludeText.Source(["f32_to_f16", "f32_to_bf16", "f16_to_f32", "f32_to_tf32"])
            + """
                extern "C" __global__ void convert(const float* x, unsigned short* half, unsigned short* brain, float* back, unsigned* tensor)
                {
                    int i = blockIdx.x * 32 + threadIdx.x;
                    half[i] = f32_to_f16(x[i]);
                    brain[i] = f32_to_bf16(x[i]);
                    back[i] = f16_to_f32(half[i]);
                    tensor[i] = f32_to_tf32(x[i]);
                }
                """;
        EmulatedLaunch.Run(source, "convert", (x.Length / 32, 1, 1), 32, 0, [x, half, brain, back, tensor]);
        for (int i = 0; i < x.Length; i++)
        {
            Assert.Equal(BitConverter.HalfToUInt16Bits((Half)x[i]), half[i]);
            Assert.Equal((float)(Half)x[i], back[i]);
            Assert.Equal(Values.Bf16(x[i]), brain[i]);
            if (float.IsFinite(x[i]) && Math.Abs(x[i]) < 1e38f && Math.Abs(x[i]) > 1e-30f)
            {
                // Eleven significant bits, ties away from zero.
                double unit = Math.ScaleB(1, Math.ILogB(x[i]) - 10);
                double expected = Math.Round(x[i] / unit, MidpointRounding.AwayFromZero) * unit;
                Assert.Equal(expected, BitConverter.UInt32BitsToSingle(tensor[i]));
            }
        }
    }
}
