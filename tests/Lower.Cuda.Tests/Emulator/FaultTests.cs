using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Prelude;
using Xunit;

namespace Picograd.Tests;

/// <summary>What the emulator says of kernels that are wrong, and faults that it is asked for.</summary>
[Collection(EmulatorCollection.Name)]
public class EmulatorFaultTests
{
    private static string Fails(
        string body,
        int threads = 64,
        int sharedBytes = 256,
        int elements = 64,
        string prelude = ""
    )
    {
        EmulatedLaunch.Require();
        CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", "1");
        try
        {
            string source =
                prelude
                + "\nextern \"C\" __global__ void wrong(float* x)\n{\n    extern __shared__ __align__(16) float s[];\n    int t = threadIdx.x;\n"
                + body
                + "\n}\n";
            return Assert
                .Throws<CudaException>(() =>
                    EmulatedLaunch.Run(source, "wrong", (1, 1, 1), threads, sharedBytes, [new float[elements]])
                )
                .Message;
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", null);
        }
    }

    [SkippableFact]
    public void ABarrierThatNotAllReachIsToldWithWhoWaitsWhere()
    {
        string message = Fails("    if (t < 40)\n        __syncthreads();\n    x[t] = 1;");
        Assert.Contains("702", message);
        Assert.Contains("deadlock or divergent barrier", message);
        Assert.Contains("40 threads (0..39) wait at __syncthreads (line 7)", message);
        Assert.Contains("24 threads (40..63) returned", message);
    }

    [SkippableFact]
    public void LanesOfAWarpAtTwoBarriersAreDivergent()
    {
        string message = Fails("    if (t % 2)\n        __syncthreads();\n    else\n        __syncthreads();");
        Assert.Contains("divergent barrier", message);
        Assert.Contains("lines", message);
    }

    [SkippableFact]
    public void AMisalignedVectorAccessIsToldWithItsLine()
    {
        string message = Fails("    float4 v = *(const float4*)(x + 1);\n    x[0] = v.x;");
        Assert.Contains("716", message);
        Assert.Contains("float4", message);
        Assert.Contains("not aligned to 16 bytes", message);
        Assert.Contains("line 6", message);
    }

    [SkippableFact]
    public void WritesBehindSharedAndDeviceMemoryAreFound()
    {
        Assert.Contains("behind the dynamic shared memory", Fails("    s[64 + t] = 1;"));
        Assert.Contains("before the dynamic shared memory", Fails("    s[-1] = 1;"));
        Assert.Contains("is out of range for an array", Fails("    float r[4];\n    r[t] = 1;\n    x[t] = r[t];"));
        Assert.Contains("behind an allocation of 40", Fails("    if (t == 10) x[t] = 1;", elements: 10));
        Assert.Contains("no memory of the device", Fails("    x[1000000 + t] = 1;"));
        Assert.Contains("no memory of the device", Fails("    *(float*)16 = 1;"));
    }

    [SkippableFact]
    public void AsynchronousCopiesCheckTheirAddresses()
    {
        string prelude = PreludeText.Source(["cp_async_16", "ldmatrix_x1"]);
        Assert.Contains("destination", Fails("    cp_async_16(s + 1, x);", prelude: prelude));
        Assert.Contains("source", Fails("    cp_async_16(s, x + 1);", prelude: prelude));
        Assert.Contains("an access of 16 bytes at offset 256", Fails("    cp_async_16(s + 64, x);", prelude: prelude));
        Assert.Contains("ldmatrix's row", Fails("    unsigned r[1];\n    ldmatrix_x1(r, s + 1);", prelude: prelude));
    }

    [SkippableFact]
    public void WhatNobodyWroteIsNotANumber()
    {
        EmulatedLaunch.Require();
        var x = new float[64];
        EmulatedLaunch.Run(
            "extern \"C\" __global__ void read(float* x) { extern __shared__ float s[]; __shared__ float f[64]; x[threadIdx.x] = s[threadIdx.x] + f[threadIdx.x]; }",
            "read",
            (1, 1, 1),
            64,
            256,
            [x]
        );
        Assert.All(x, v => Assert.True(float.IsNaN(v)));
    }

    [SkippableFact]
    public void ALaunchCanBeMadeToFail()
    {
        EmulatedLaunch.Require();
        const string source = "extern \"C\" __global__ void fine(float* x) { x[threadIdx.x] = 1; }";
        CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", "1");
        CudaEmulator.Set("PICOGRAD_EMULATOR_FAULT", "719@fine");
        try
        {
            var e = Assert.Throws<CudaException>(() =>
                EmulatedLaunch.Run(source, "fine", (1, 1, 1), 32, 0, [new float[32]])
            );
            Assert.Equal(719, e.Code);
            CudaEmulator.Set("PICOGRAD_EMULATOR_FAULT", "700@2");
            EmulatedLaunch.Run(source, "fine", (1, 1, 1), 32, 0, [new float[32]]);
            e = Assert.Throws<CudaException>(() =>
                EmulatedLaunch.Run(source, "fine", (1, 1, 1), 32, 0, [new float[32]])
            );
            Assert.Equal(700, e.Code);
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_FAULT", null);
            CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", null);
        }
        EmulatedLaunch.Run(source, "fine", (1, 1, 1), 32, 0, [new float[32]]);
    }

    [SkippableFact]
    public void LaunchesThatADeviceRefusesAreRefused()
    {
        EmulatedLaunch.Require();
        const string source =
            "extern \"C\" __global__ __launch_bounds__(64) void small(float* x) { x[threadIdx.x] = 1; }";
        var x = new float[128];
        Assert.Equal(701, Refused(() => EmulatedLaunch.Run(source, "small", (1, 1, 1), 128, 0, [x])));
        Assert.Equal(1, Refused(() => EmulatedLaunch.Run(source, "small", (1, 70_000, 1), 32, 0, [x])));
        Assert.Equal(1, Refused(() => EmulatedLaunch.Run(source, "small", (1, 1, 1), 32, 240 * 1024, [x])));
        Assert.Equal(
            209,
            Refused(() => EmulatedLaunch.Run(source, "small", (1, 1, 1), 32, 0, [x], architecture: "sm_80"))
        );
        static int? Refused(Action run) => Assert.Throws<CudaException>(run).Code;
    }

    [SkippableFact]
    public void ErrorsOfTheTextGoToTheLogWithTheirLine()
    {
        EmulatedLaunch.Require();
        var result = EmulatedLaunch
            .Compiler()
            .Compile("extern \"C\" __global__ void k()\n{\n    uint32_t x = 1;\n}\n", "k", "sm_90a");
        Assert.False(result.Succeeded);
        Assert.Contains("k.cu:3", result.Log);
        Assert.Contains("uint32_t", result.FirstError);
    }
}
