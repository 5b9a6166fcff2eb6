using System.Collections.Immutable;
using System.Text;

namespace Picograd.Lower.Cuda;

/// <summary>Device functions over machine instructions that kernels call by name.</summary>
internal static class DeviceFunctions
{
    private static readonly ImmutableArray<(string Name, string Body)> s_functions =
    [
        ("bf16_to_f32", "float bf16_to_f32(unsigned short x) { return __uint_as_float((unsigned int)x << 16); }"),
        (
            "f32_to_bf16",
            """unsigned short f32_to_bf16(float x) { unsigned short r; asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(r) : "f"(x)); return r; }"""
        ),
        (
            "f16_to_f32",
            """float f16_to_f32(unsigned short x) { float r; asm("cvt.f32.f16 %0, %1;" : "=f"(r) : "h"(x)); return r; }"""
        ),
        (
            "f32_to_f16",
            """unsigned short f32_to_f16(float x) { unsigned short r; asm("cvt.rn.f16.f32 %0, %1;" : "=h"(r) : "f"(x)); return r; }"""
        ),
        .. new[] { 4, 8, 16 }.Select(n =>
            (
                $"cp_async_{n}",
                $"void cp_async_{n}(void* to, const void* from) {{ asm volatile(\"cp.async.{(n == 16 ? "cg" : "ca")}.shared.global [%0], [%1], {n};\" :: \"r\"((unsigned int)__cvta_generic_to_shared(to)), \"l\"(from) : \"memory\"); }}"
            )
        ),
        .. new[] { 4, 8, 16 }.Select(n =>
            (
                $"cp_async_{n}_zfill",
                $"void cp_async_{n}_zfill(void* to, const void* from, int bytes) {{ asm volatile(\"cp.async.{(n == 16 ? "cg" : "ca")}.shared.global [%0], [%1], {n}, %2;\" :: \"r\"((unsigned int)__cvta_generic_to_shared(to)), \"l\"(from), \"r\"(bytes) : \"memory\"); }}"
            )
        ),
        ("cp_async_commit", """void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }"""),
        (
            "cp_async_wait",
            """void cp_async_wait() { asm volatile("cp.async.wait_group %0;" :: "n"(Pending) : "memory"); }"""
        ),
        (
            "named_barrier_sync",
            """void named_barrier_sync(int id, int threads) { asm volatile("bar.sync %0, %1;" :: "r"(id), "r"(threads) : "memory"); }"""
        ),
    ];

    public static string Source(IEnumerable<string> names)
    {
        var wanted = names.ToHashSet();
        var text = new StringBuilder();
        foreach (var (name, body) in s_functions)
        {
            if (!wanted.Remove(name))
                continue;
            text.Append(name == "cp_async_wait" ? "template <int Pending> " : "");
            text.Append("__device__ __forceinline__ ").Append(body).Append('\n');
        }
        return wanted.Count == 0
            ? text.Append('\n').ToString()
            : throw new InvalidOperationException($"no device function {string.Join(", ", wanted)}");
    }
}
