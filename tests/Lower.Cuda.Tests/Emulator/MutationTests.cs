using System.Text.RegularExpressions;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Xunit;
using Xunit.Sdk;

namespace Picograd.Tests;

/// <summary>
/// Texts that are right, broken in one place: the emulator has to notice every time, by a wrong result or by an error.
/// </summary>
[Collection(EmulatorCollection.Name)]
public partial class EmulatorMutationTests
{
    /// <summary>A kernel and how to check it.</summary>
    private static (string Source, Action<string> Check) Kernel(string name) =>
        name switch
        {
            "sgemm" => (EmulatorSimtTests.Sgemm, s => EmulatorSimtTests.RunSgemm(s)),
            "cp.async" => (EmulatorSimtTests.CpAsync, EmulatorSimtTests.Pipeline),
            "mma" => (TensorCoreKernels.MmaHalf("bf16"), s => EmulatorTensorCoreTests.RunMmaHalf(s, "bf16")),
            "mma tf32" => (TensorCoreKernels.MmaTf32, EmulatorTensorCoreTests.RunMmaTf32),
            "wgmma" => (TensorCoreKernels.WgmmaKMajor("bf16"), s => EmulatorTensorCoreTests.RunWgmmaKMajor(s, "bf16")),
            "wgmma tf32" => (
                TensorCoreKernels.WgmmaKMajor("tf32"),
                s => EmulatorTensorCoreTests.RunWgmmaKMajor(s, "tf32")
            ),
            "wgmma mn" => (TensorCoreKernels.WgmmaMnMajor, EmulatorTensorCoreTests.RunWgmmaMnMajor),
            "cluster" => (EmulatorClusterTests.Multicast, EmulatorClusterTests.RunMulticast),
            _ => throw new ArgumentException($"there is no kernel '{name}'", nameof(name)),
        };

    /// <summary>Statements that order, start or end something: each is left out in turn.</summary>
    [GeneratedRegex(
        @"^\s*(__syncthreads|named_barrier|mbarrier_|wgmma_fence|wgmma_commit|wgmma_wait|cp_async|bulk_|fence_proxy|cluster_sync|setmaxnreg_dec|if \(.*\) cp_async).*;"
    )]
    private static partial Regex Ordering();

    [SkippableTheory]
    [InlineData("sgemm", 2)]
    [InlineData("cp.async", 6)]
    [InlineData("mma", 7)]
    [InlineData("mma tf32", 2)]
    [InlineData("wgmma", 14)]
    [InlineData("wgmma tf32", 14)]
    [InlineData("wgmma mn", 21)]
    [InlineData("cluster", 10)]
    public void LeavingOutAnyStatementThatOrdersSomethingIsNoticed(string kernel, int atLeast)
    {
        EmulatedLaunch.Require();
        var (source, check) = Kernel(kernel);
        string[] lines = source.Split('\n');
        int start = Array.FindIndex(lines, l => l.Contains("extern \"C\" __global__", StringComparison.Ordinal));
        int count = 0;
        for (int i = start; i < lines.Length; i++)
        {
            if (!Ordering().IsMatch(lines[i]))
                continue;
            count++;
            string line = lines[i];
            lines[i] = ";";
            AssertNoticed(string.Join('\n', lines), check, $"{kernel} without '{line.Trim()}'");
            lines[i] = line;
        }
        Assert.True(count >= atLeast, $"{count} statements were found, {atLeast} were expected");
    }

    [SkippableTheory]
    [InlineData("sgemm", "As[k][ty * 4 + i]", "As[k][tx * 4 + i]")]
    [InlineData("sgemm", "As[i % 16][i / 16]", "As[i / 16 % 16][i % 16]")]
    [InlineData("cp.async", "cp_async_wait<1>", "cp_async_wait<2>")]
    [InlineData("cp.async", "(s + 2) % 3", "(s + 1) % 3")]
    [InlineData("mma", "cp_async_wait<1>", "cp_async_wait<2>")]
    [InlineData("mma", "lane % 16][lane / 16 * 8", "lane / 16][lane % 16 * 8")]
    [InlineData("mma", "warp * 16 + lane % 16", "warp * 16 + lane % 8")]
    [InlineData("mma", "[lane / 16 * 8]", "[lane / 8 % 2 * 8]")]
    [InlineData("mma", "Bs[step & 1][lane % 16]", "Bs[step & 1][lane % 8]")]
    [InlineData("mma", "ldmatrix_x2_trans(b", "ldmatrix_x2(b")]
    [InlineData("mma", "As[step & 1][warp", "As[0][warp")]
    [InlineData("mma", "lane >> 2, t = lane & 3", "lane & 7, t = lane >> 3")]
    [InlineData("mma", "g + 8 * (i >> 1)", "g + 8 * (i & 1)")]
    [InlineData("mma", "2 * t + (i & 1)", "2 * t + (i >> 1)")]
    [InlineData("mma", "2 * t + (i & 1)", "t + 4 * (i & 1)")]
    [InlineData("mma", "[16 + 8]", "[16 + 4]")]
    [InlineData("mma tf32", "[lane / 16 * 4]", "[lane / 8 % 2 * 4]")]
    [InlineData("mma tf32", "lane % 8][(lane / 8 & 1) * 4]", "lane % 8][0]")]
    [InlineData("mma tf32", "j * 8 + lane % 8", "j * 8 + lane / 4")]
    [InlineData("mma tf32", "ldmatrix_x2(b, &Bs[j * 8", "ldmatrix_x2(b, &Bs[(j ^ 1) * 8")]
    [InlineData("wgmma", "As + s * Bytes + k * 32, 16, 1024, 1", "As + s * Bytes + k * 32, 16, 512, 1")]
    [InlineData("wgmma", "As + s * Bytes + k * 32, 16, 1024, 1", "As + s * Bytes + k * 32, 16, 1024, 2")]
    [InlineData("wgmma", "As + s * Bytes + k * 32, 16, 1024, 1", "As + s * Bytes + k * 32, 16, 1024, 0")]
    [InlineData("wgmma", "Bs + s * Bytes + k * 32, 16, 1024, 1", "Bs + s * Bytes + k * 16, 16, 1024, 1")]
    [InlineData("wgmma", "Bs + s * Bytes + k * 32, 16, 1024, 1", "Bs + s * Bytes + k * 128, 16, 1024, 1")]
    [InlineData("wgmma", "Bs + s * Bytes + k * 32, 16, 1024, 1", "Bs + s * Bytes + k * 32, 16, 2048, 1")]
    [InlineData("wgmma", "<0, 0>", "<1, 0>")]
    [InlineData("wgmma", "<0, 0>", "<0, 1>")]
    [InlineData("wgmma", "step > 0 || k > 0", "k > 0")]
    [InlineData("wgmma", "step > 0 || k > 0", "1")]
    [InlineData("wgmma", "(c, a, b", "(c, b, a")]
    [InlineData("wgmma", "wgmma_wait<0>", "wgmma_wait<1>")]
    [InlineData("wgmma", "& 1) ^ 1)", "& 1))")]
    [InlineData(
        "wgmma",
        "mbarrier_wait(full + s, step / Stages & 1)",
        "mbarrier_wait(full + s, (step / Stages & 1) ^ 1)"
    )]
    [InlineData("wgmma", "mbarrier_init(empty + s, 4)", "mbarrier_init(empty + s, 3)")]
    [InlineData("wgmma", "mbarrier_init(empty + s, 4)", "mbarrier_init(empty + s, 5)")]
    [InlineData("wgmma", "mbarrier_expect_tx(full + s, 2 * Bytes)", "mbarrier_expect_tx(full + s, Bytes)")]
    [InlineData("wgmma", "step * Depth, blockIdx.x * 64", "blockIdx.x * 64, step * Depth")]
    [InlineData("wgmma", "8 * (r >> 1 & 1)", "8 * (r >> 2 & 1)")]
    [InlineData("wgmma", "8 * (r >> 2) + 2 * t + (r & 1)", "8 * (r >> 2) + t + 4 * (r & 1)")]
    [InlineData("wgmma", "16 * warp", "8 * warp")]
    [InlineData("wgmma", "const __grid_constant__ CUtensorMap mapB", "const CUtensorMap mapB")]
    [InlineData("wgmma tf32", "As + s * Bytes + k * 32, 16, 1024, 1", "As + s * Bytes + k * 64, 16, 1024, 1")]
    [InlineData("wgmma tf32", "Bs + s * Bytes + k * 32, 16, 1024, 1", "Bs + s * Bytes + k * 32, 16, 1024, 3")]
    [InlineData("wgmma mn", "k * 2048, 8192, 1024, 1);\n", "k * 1024, 8192, 1024, 1);\n")]
    [InlineData("wgmma mn", "2 * s * Chunk + k * 2048, 8192, 1024, 1", "2 * s * Chunk + k * 2048, 4096, 1024, 1")]
    [InlineData("wgmma mn", "2 * s * Chunk + k * 2048, 8192, 1024, 1", "2 * s * Chunk + k * 2048, 1024, 8192, 1")]
    [InlineData("wgmma mn", "As + s * Chunk + k * 2048, 8192, 1024, 1", "As + s * Chunk + k * 2048, 8192, 2048, 1")]
    [InlineData("wgmma mn", "<1, 1>", "<0, 1>")]
    [InlineData("wgmma mn", "<1, 1>", "<1, 0>")]
    [InlineData("wgmma mn", "wgmma_wait<1>", "wgmma_wait<2>")]
    [InlineData("wgmma mn", "wgmma_wait<0>", "wgmma_wait<1>")]
    [InlineData("wgmma mn", "(step - 1) % Stages", "step % Stages")]
    [InlineData("wgmma mn", "named_barrier_sync(1, 128)", "named_barrier_sync(1, 256)")]
    [InlineData("wgmma mn", "(2 * s + 1) * Chunk, &mapB", "(2 * s) * Chunk, &mapB")]
    [InlineData("wgmma mn", "setmaxnreg_dec<40>", "setmaxnreg_dec<48>")]
    [InlineData("cluster", "3, 0, 0", "1, 0, 0")]
    [InlineData("cluster", "mbarrier_arrive_cluster(empty, 0)", "mbarrier_arrive(empty)")]
    public void ChangingAnyIndexOrCountIsNoticed(string kernel, string find, string replacement)
    {
        EmulatedLaunch.Require();
        var (source, check) = Kernel(kernel);
        int start = source.IndexOf("extern \"C\" __global__", StringComparison.Ordinal);
        Assert.Contains(find, source[start..]);
        AssertNoticed(
            source[..start] + source[start..].Replace(find, replacement, StringComparison.Ordinal),
            check,
            $"{kernel} with '{replacement}' for '{find}'"
        );
    }

    private static void AssertNoticed(string source, Action<string> check, string what)
    {
        CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", "1");
        try
        {
            // What depends on the order of threads shows in some orders.
            for (int seed = 1; seed <= 6; seed++)
            {
                CudaEmulator.Set("PICOGRAD_EMULATOR_SEED", $"{seed}");
                try
                {
                    check(source);
                }
                catch (Exception e) when (e is CudaException or XunitException)
                {
                    return;
                }
            }
        }
        finally
        {
            CudaEmulator.Set("PICOGRAD_EMULATOR_QUIET", null);
            CudaEmulator.Set("PICOGRAD_EMULATOR_SEED", null);
        }
        Assert.Fail($"nobody noticed: {what}");
    }
}
