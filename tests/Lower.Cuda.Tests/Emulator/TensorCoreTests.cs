using Xunit;

namespace Picograd.Tests;

/// <summary>Tensor-core GEMM through the emulator against a plain reference in double precision.</summary>
[Collection(EmulatorCollection.Name)]
public class EmulatorTensorCoreTests
{
    private const int Bfloat16 = 9;
    private const int Float32 = 7;

    /// <summary>Swizzles as the driver numbers them.</summary>
    private const int Swizzle128 = 3;

    [SkippableTheory]
    [InlineData("bf16")]
    [InlineData("f16")]
    public void MmaOfHalfTypes(string type)
    {
        EmulatedLaunch.Require();
        RunMmaHalf(TensorCoreKernels.MmaHalf(type), type);
    }

    [SkippableFact]
    public void MmaOfTf32()
    {
        EmulatedLaunch.Require();
        RunMmaTf32(TensorCoreKernels.MmaTf32);
    }

    [SkippableTheory]
    [InlineData("bf16")]
    [InlineData("f16")]
    [InlineData("tf32")]
    public void WgmmaOfKMajorOperands(string type)
    {
        EmulatedLaunch.Require();
        RunWgmmaKMajor(TensorCoreKernels.WgmmaKMajor(type), type);
    }

    [SkippableFact]
    public void WgmmaOfMnMajorOperands()
    {
        EmulatedLaunch.Require();
        RunWgmmaMnMajor(TensorCoreKernels.WgmmaMnMajor);
    }

    [SkippableFact]
    public void NvrtcTakesTheSameTexts()
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        foreach (
            string source in (string[])
                [
                    TensorCoreKernels.MmaHalf("bf16"),
                    TensorCoreKernels.MmaTf32,
                    TensorCoreKernels.WgmmaKMajor("bf16"),
                    TensorCoreKernels.WgmmaKMajor("tf32"),
                    TensorCoreKernels.WgmmaMnMajor,
                ]
        )
        {
            var result = nvrtc.Compile(source, "gemm", "sm_90a");
            Assert.True(result.Succeeded, result.Log);
        }
    }

    internal static void RunMmaHalf(string source, string type)
    {
        const int m = 128;
        const int n = 64;
        const int k = 64;
        var (a, b, c) = (Halves(m * k, 1, type), Halves(k * n, 2, type), new float[m * n]);
        EmulatedLaunch.Run(source, "gemm", (n / 32, m / 64, 1), 128, 0, [a, b, c, m, n, k], architecture: "sm_90a");
        Values.AssertProduct(Floats(a, type), Floats(b, type), c, m, n, k, 1e-5);
    }

    internal static void RunMmaTf32(string source)
    {
        const int m = 128;
        const int n = 64;
        const int k = 32;
        var (a, b, c) = (Values.Random(m * k, 1), Values.Random(n * k, 2), new float[m * n]);
        EmulatedLaunch.Run(source, "gemm", (n / 32, m / 64, 1), 128, 0, [a, b, c, m, n, k]);
        Values.AssertProduct(a, Values.Transpose(b, n, k), c, m, n, k, 2e-3);
    }

    internal static void RunWgmmaKMajor(string source, string type)
    {
        const int m = 128;
        const int n = 128;
        bool tf32 = type == "tf32";
        int depth = tf32 ? 32 : 64;
        int k = 5 * depth;
        Array a = tf32 ? Values.Random(m * k, 1) : Halves(m * k, 1, type);
        Array b = tf32 ? Values.Random(n * k, 2) : Halves(n * k, 2, type);
        var c = new float[m * n];
        int data =
            tf32 ? Float32
            : type == "bf16" ? Bfloat16
            : 6;
        MapOf Map(int array, int rows) => new(array, data, [k, rows], [k * (tf32 ? 4 : 2)], [depth, 64], Swizzle128);
        EmulatedLaunch.Run(
            source,
            "gemm",
            (n / 64, m / 64, 1),
            256,
            4 * 8192 + 32,
            [Map(6, m), Map(7, n), c, m, n, k, a, b]
        );
        Values.AssertProduct(Floats(a, type), Values.Transpose(Floats(b, type), n, k), c, m, n, k, tf32 ? 2e-3 : 1e-5);
    }

    internal static void RunWgmmaMnMajor(string source)
    {
        const int m = 128;
        const int n = 256;
        const int k = 5 * 64;
        var (a, b, c) = (Halves(k * m, 1, "bf16"), Halves(k * n, 2, "bf16"), new float[m * n]);
        EmulatedLaunch.Run(
            source,
            "gemm",
            (n / 128, m / 64, 1),
            256,
            9 * 8192 + 64 * 128 * 4 + 48,
            [
                new MapOf(4, Bfloat16, [m, k], [m * 2], [64, 64], Swizzle128),
                new MapOf(5, Bfloat16, [n, k], [n * 2], [64, 64], Swizzle128),
                new MapOf(6, Float32, [n, m], [n * 4], [128, 64], 0),
                k,
                a,
                b,
                c,
            ]
        );
        Values.AssertProduct(Values.Transpose(Floats(a, "bf16"), k, m), Floats(b, "bf16"), c, m, n, k, 1e-5);
    }

    private static ushort[] Halves(int count, int seed, string type) =>
        [
            .. Values
                .Random(count, seed)
                .Select(x => type == "bf16" ? Values.Bf16(x) : BitConverter.HalfToUInt16Bits((Half)x)),
        ];

    private static float[] Floats(Array values, string type) =>
        values switch
        {
            float[] floats => floats,
            ushort[] halves =>
            [
                .. halves.Select(x => type == "bf16" ? Values.FromBf16(x) : (float)BitConverter.UInt16BitsToHalf(x)),
            ],
            _ => throw new ArgumentException("float[] or ushort[]", nameof(values)),
        };
}
