using Picograd.Lower.Cuda.Prelude;
using Xunit;

namespace Picograd.Tests;

public class PreludeTests
{
    [Fact]
    public void OnlyWhatIsAskedForIsWrittenOutAndWhatItNeeds()
    {
        string text = PreludeText.Source(["pack_bf16x2"]);
        Assert.Contains("f32_to_bf16(float x)", text);
        Assert.DoesNotContain("f16_to_f32", text);
        Assert.Equal("", PreludeText.Source([]));
    }

    [Fact]
    public void AnUnknownFunctionIsNamed()
    {
        var e = Assert.Throws<ArgumentException>(() => PreludeText.Source(["mma_m16n8k32_s8"]));
        Assert.Contains("'mma_m16n8k32_s8' is not in the prelude", e.Message);
    }

    /// <summary>Every function; wgmma by a sample of its shapes.</summary>
    private static string[] Functions() =>
        [
            .. PreludeText.Names.Where(name =>
                name != "CUtensorMap"
                && (
                    !name.StartsWith("wgmma_m64", StringComparison.Ordinal)
                    || name.Contains("n8k")
                    || name.Contains("n64k")
                    || name.Contains("n256k")
                )
            ),
        ];

    [SkippableFact]
    public void NvrtcCompilesEveryDeviceBody()
    {
        var nvrtc = InstalledNvrtc.Require("sm_90a");
        foreach (int architecture in (int[])[80, 90])
        {
            string target = architecture == 90 ? "sm_90a" : "sm_80";
            string[] names = [.. Functions().Where(n => PreludeText.Architecture(n) == architecture)];
            // wgmma one by one: the accumulators of several do not fit into the registers.
            foreach (var group in names.GroupBy(n => n.StartsWith("wgmma_m64", StringComparison.Ordinal) ? n : ""))
            {
                string source = PreludeText.Source(group) + Calls(group);
                var result = nvrtc.Compile(source, "prelude", target);
                Assert.True(result.Succeeded, $"{group.Key} for {target}: {result.Log}");
            }
        }
    }

    [SkippableFact]
    public void TheEmulatorCompilesEveryHostBody()
    {
        EmulatedLaunch.Require();
        string[] names = Functions();
        var result = EmulatedLaunch.Compiler().Compile(PreludeText.Source(names) + Calls(names), "prelude", "sm_90a");
        Assert.True(result.Succeeded, result.Log);
    }

    private static string Calls(IEnumerable<string> names) =>
        string.Concat(names.Select((name, i) => Kernel(name, $"use_{i}")));

    private static string Kernel(string name, string kernel)
    {
        string map =
            name.StartsWith("bulk_load", StringComparison.Ordinal)
            || name.StartsWith("bulk_store", StringComparison.Ordinal)
                ? "const __grid_constant__ CUtensorMap map, "
                : "";
        return $$"""
            extern "C" __global__ void __launch_bounds__(128) {{kernel}}({{map}}float* g, unsigned* u, int n)
            {
                extern __shared__ __align__(1024) unsigned char shared[];
                unsigned long long* bar = (unsigned long long*)shared;
                {{Body(name)}}
            }

            """;
    }

    private static string Body(string name)
    {
        if (name.StartsWith("wgmma_m64", StringComparison.Ordinal))
        {
            int n = int.Parse(name[(name.IndexOf('n') + 1)..name.IndexOf('k')]);
            bool registers = name.EndsWith("_ra", StringComparison.Ordinal);
            string template =
                name.Contains("tf32") ? ""
                : registers ? "<1>"
                : "<0, 1>";
            string a = registers ? "unsigned a[4] = {u[0], u[1], u[2], u[3]};" : "unsigned long long a = bar[n];";
            return $"float c[{n / 2}]; for (int i = 0; i < {n / 2}; i++) c[i] = 0; {a} {name}{template}(c, a, bar[0], n); for (int i = 0; i < {n / 2}; i++) g[i] = c[i];";
        }
        string matrix =
            name.Contains("_x1") ? "1"
            : name.Contains("_x2") ? "2"
            : "4";
        string at =
            name.Contains("_1d") ? "n"
            : name.Contains("_2d") ? "n, 2"
            : "n, 2, 3";
        return name switch
        {
            "f32_to_bf16" or "f32_to_f16" or "f32_to_tf32" => $"u[0] = {name}(g[0]);",
            "bf16_to_f32" or "f16_to_f32" => $"g[0] = {name}((unsigned short)u[0]);",
            "pack_bf16x2" or "pack_f16x2" => $"u[0] = {name}(g[0], g[1]);",
            _ when name.EndsWith("_zfill", StringComparison.Ordinal) => $"{name}(shared, g, n);",
            "cp_async_commit" or "wgmma_fence" or "wgmma_commit" or "mbarrier_fence_init" or "fence_proxy_async" =>
                $"{name}();",
            "cluster_sync" or "bulk_commit" or "grid_dependency_wait" or "grid_dependency_launch" => $"{name}();",
            "cp_async_wait" or "wgmma_wait" or "bulk_wait" or "bulk_wait_read" => $"{name}<1>();",
            "setmaxnreg_inc" or "setmaxnreg_dec" => $"{name}<40>();",
            _ when name.StartsWith("cp_async", StringComparison.Ordinal) => $"{name}(shared, g);",
            _ when name.StartsWith("ldmatrix", StringComparison.Ordinal) =>
                $"unsigned r[{matrix}]; {name}(r, shared + n * 16); for (int i = 0; i < {matrix}; i++) u[i] = r[i];",
            _ when name.StartsWith("stmatrix", StringComparison.Ordinal) =>
                $"unsigned r[{matrix}]; for (int i = 0; i < {matrix}; i++) r[i] = u[i]; {name}(shared + n * 16, r);",
            _ when name.StartsWith("mma_", StringComparison.Ordinal) =>
                $"float c[4] = {{0}}; unsigned a[4] = {{u[0], u[1], u[2], u[3]}}, b[2] = {{u[4], u[5]}}; {name}(c, a, b); g[0] = c[0] + c[1] + c[2] + c[3];",
            "wgmma_fence_operand" => "float x = g[0]; wgmma_fence_operand(x); g[1] = x;",
            "wgmma_descriptor" => "bar[0] = wgmma_descriptor(shared, n, 1024, 1);",
            "mbarrier_init" or "mbarrier_expect_tx" or "mbarrier_wait" or "mbarrier_arrive_cluster" =>
                $"{name}(bar, n);",
            "mbarrier_arrive" => "mbarrier_arrive(bar);",
            "named_barrier_sync" or "named_barrier_arrive" => $"{name}(1, 128);",
            "cluster_rank" => "u[0] = cluster_rank();",
            _ when name.EndsWith("_multicast", StringComparison.Ordinal) => $"{name}(shared, &map, bar, 3, {at});",
            _ when name.StartsWith("bulk_load", StringComparison.Ordinal) => $"{name}(shared, &map, bar, {at});",
            _ when name.StartsWith("bulk_store", StringComparison.Ordinal) => $"{name}(&map, shared, {at});",
            _ => throw new InvalidOperationException($"no call of {name} is written"),
        };
    }
}
