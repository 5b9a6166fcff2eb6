using Picograd.Lower.Cuda.Native;
using Xunit;

namespace Picograd.Tests;

/// <summary>Our binding of NVRTC against NVIDIA's, where it is installed.</summary>
public class NvrtcTests
{
    private const string Scale = """
        extern "C" __global__ __launch_bounds__(256) void scale(const float* x, float* y, long long n) {
            __shared__ float tile[256];
            long long i = blockIdx.x * 256ll + threadIdx.x;
            tile[threadIdx.x] = i < n ? x[i] : 0.0f;
            __syncthreads();
            if (i < n) y[i] = 2.0f * tile[255 - threadIdx.x];
        }
        """;

    [SkippableTheory]
    [InlineData("sm_80")]
    [InlineData("sm_90a")]
    public void AKernelBecomesACubinAndAReport(string architecture)
    {
        var nvrtc = InstalledNvrtc.Require(architecture);
        var result = nvrtc.Compile(Scale, "scale", architecture);
        Assert.True(result.Succeeded, result.Log);
        // A cubin is an ELF file.
        Assert.Equal([0x7F, (byte)'E', (byte)'L', (byte)'F'], result.Cubin[..4].ToArray());
        var kernel = Assert.Single(result.Report.Kernels);
        Assert.Equal("scale", kernel.Kernel);
        Assert.InRange(kernel.Registers, 4, 64);
        Assert.Equal(1024, kernel.SharedBytes);
        Assert.Equal(0, kernel.SpillBytes);
        Assert.Empty(result.Report.Problems);
    }

    [SkippableFact]
    public void EqualTextsGiveEqualCubinsFromSeveralThreads()
    {
        var nvrtc = InstalledNvrtc.Require();
        var results = new CompileResult[6];
        Parallel.For(0, results.Length, i => results[i] = nvrtc.Compile(Scale, "scale", "sm_80"));
        Assert.All(results, r => Assert.Equal(results[0].Cubin.AsSpan(), r.Cubin.AsSpan()));
    }

    [SkippableFact]
    public void ATextThatDoesNotCompileIsToldWithItsLine()
    {
        var nvrtc = InstalledNvrtc.Require();
        var result = nvrtc.Compile("extern \"C\" __global__ void k(float* x) {\n  x[0] = y;\n}", "k", "sm_80");
        Assert.False(result.Succeeded);
        Assert.Contains("k.cu(2): error: identifier \"y\" is undefined", result.FirstError);
    }

    [SkippableFact]
    public void AnUnknownOptionNamesTheCallAndTheOption()
    {
        var nvrtc = InstalledNvrtc.Require();
        var e = Assert.Throws<CudaException>(() => nvrtc.Compile(Scale, "scale", "sm_80", ["--no-such-option"]));
        Assert.Equal("nvrtcCompileProgram", e.Call);
        Assert.Contains("NVRTC_ERROR_INVALID_OPTION", e.Message);
        Assert.Contains("--no-such-option", e.Message);
    }

    [SkippableFact]
    public void SpillsAreReported()
    {
        var nvrtc = InstalledNvrtc.Require();
        string source = """
            extern "C" __global__ void k(float* x) {
                float a[96];
                #pragma unroll
                for (int i = 0; i < 96; i++) a[i] = x[i * 32 + threadIdx.x];
                __syncthreads();
                #pragma unroll
                for (int i = 0; i < 96; i++) x[i * 32 + threadIdx.x] = a[95 - i] * a[(i * 7) % 96];
            }
            """;
        var result = nvrtc.Compile(source, "k", "sm_80", ["--maxrregcount=32"]);
        Assert.True(result.Succeeded, result.Log);
        Assert.True(result.Report.SpillBytes > 100, result.Log);
        Assert.Equal(32, result.Report.Registers);
    }

    [SkippableFact]
    public void TooMuchSharedMemoryIsAPruneReason()
    {
        var nvrtc = InstalledNvrtc.Require();
        var result = nvrtc.Compile(
            "extern \"C\" __global__ void k(float* x) { __shared__ float t[70000]; t[threadIdx.x] = x[threadIdx.x]; __syncthreads(); x[0] = t[threadIdx.x + 1]; }",
            "k",
            "sm_80"
        );
        Assert.False(result.Succeeded);
        Assert.Contains(result.Report.Problems, p => p.Reason == CompileReport.SharedTooLarge);
    }

    [SkippableFact]
    public void SerialisedWgmmaIsAPruneReason()
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        // The accumulator is read between the product and the wait for it.
        string source = """
            extern "C" __global__ void __launch_bounds__(128) k(float* x, unsigned long long a, unsigned long long b) {
                float c0 = x[0], c1 = x[1], c2 = x[2], c3 = x[3];
                asm volatile("wgmma.fence.sync.aligned;");
                asm volatile("{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
                    "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, %4, %5, p, 1, 1, 0, 0; }"
                    : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3) : "l"(a), "l"(b));
                c0 += 1.0f;
                asm volatile("{ .reg .pred p; setp.ne.b32 p, 1, 0;\n"
                    "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0,%1,%2,%3}, %4, %5, p, 1, 1, 0, 0; }"
                    : "+f"(c0), "+f"(c1), "+f"(c2), "+f"(c3) : "l"(a), "l"(b));
                asm volatile("wgmma.commit_group.sync.aligned;");
                asm volatile("wgmma.wait_group.sync.aligned 0;");
                x[threadIdx.x] = c0 + c1 + c2 + c3;
            }
            """;
        var result = nvrtc.Compile(source, "k", "sm_90a");
        Assert.Contains(result.Report.Problems, p => p.Reason == CompileReport.WgmmaSerialised);
    }
}
