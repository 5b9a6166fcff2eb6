using System.Collections.Immutable;
using System.Text;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Small functions of arithmetic whose meaning C does not have: division rounding towards minus infinity, min and max
/// that keep NaN, conversions that saturate, absolute values that wrap. Each is written out only where it is used.
/// </summary>
internal static class Arithmetic
{
    private static readonly ImmutableArray<(string Name, string Body)> s_functions =
    [
        ("floor_div", FloorDivision("int") + FloorDivision("long long")),
        ("floor_mod", FloorRemainder("int") + FloorRemainder("long long")),
        ("min_nan", Extremum("min", "float", "<", "min.NaN.f32") + Extremum("min", "double", "<", null)),
        ("max_nan", Extremum("max", "float", ">", "max.NaN.f32") + Extremum("max", "double", ">", null)),
        ("lesser", Choice("lesser", "<")),
        ("greater", Choice("greater", ">")),
        ("abs_wrap", Absolute("int", "unsigned int") + Absolute("long long", "unsigned long long")),
        ("sigmoid", Sigmoid("float", "expf", "fabsf", "1.0f") + Sigmoid("double", "exp", "fabs", "1.0")),
        ("silu", Silu("float", "expf", "fabsf", "f") + Silu("double", "exp", "fabs", "")),
        (
            "f64_to_odd",
            """
            // The neighbour with an odd last bit, where x is not a float: rounded further, it gives what x gives rounded at once.
            __device__ __forceinline__ float f64_to_odd(double x) {
              const float near = (float)x;
              if (near == x || x != x) return near;
              unsigned int bits = __float_as_uint(near);
              if (fabs((double)near) > fabs(x)) bits--;
              return __uint_as_float(bits | 1u);
            }

            """
        ),
        (
            "i64_to_odd",
            """
            __device__ __forceinline__ float i64_to_odd(long long x) {
              const bool exact = x < (1LL << 53) && x > -(1LL << 53);
              return f64_to_odd(exact ? (double)x : (double)(x >> 11 | ((x & 2047) != 0)) * 2048.0);
            }

            """
        ),
        (
            "to_i32",
            Saturating("int", "float", "to_i32", "-2147483648.0f", "2147483648.0f", "-2147483647 - 1", "2147483647")
                + Saturating(
                    "int",
                    "double",
                    "to_i32",
                    "-2147483648.0",
                    "2147483648.0",
                    "-2147483647 - 1",
                    "2147483647"
                )
        ),
        (
            "to_i64",
            Saturating(
                "long long",
                "float",
                "to_i64",
                "-9223372036854775808.0f",
                "9223372036854775808.0f",
                I64Min,
                I64Max
            )
                + Saturating(
                    "long long",
                    "double",
                    "to_i64",
                    "-9223372036854775808.0",
                    "9223372036854775808.0",
                    I64Min,
                    I64Max
                )
        ),
        ("to_u32", Wrapping("unsigned int", "to_u32", "float") + Wrapping("unsigned int", "to_u32", "double")),
        .. DTypes
            .All.Where(type => type.Info().IsNarrow)
            .Select(type =>
                (
                    $"to_{type.Name()}",
                    Wrapping(CText.Value(type), $"to_{type.Name()}", "float")
                        + Wrapping(CText.Value(type), $"to_{type.Name()}", "double")
                )
            ),
        (
            "swizzle",
            """
            // Elements of a shared buffer in permuted order: bits of the row are added to those of the 16-byte chunk.
            __device__ __forceinline__ int swizzle(int i, int shift, int mask) { return i ^ ((i >> shift) & mask); }

            """
        ),
        (
            "pack",
            """
            __device__ __forceinline__ unsigned int pack(unsigned short low, unsigned short high) {
              return (unsigned int)low | (unsigned int)high << 16;
            }

            __device__ __forceinline__ unsigned int pack(unsigned char a, unsigned char b, unsigned char c, unsigned char d) {
              return (unsigned int)a | (unsigned int)b << 8 | (unsigned int)c << 16 | (unsigned int)d << 24;
            }

            """
        ),
    ];

    private const string I64Min = "-9223372036854775807LL - 1";
    private const string I64Max = "9223372036854775807LL";

    public static bool Has(string name) => s_functions.Any(f => f.Name == name);

    /// <summary>The functions of these names, in a fixed order.</summary>
    public static string Source(IReadOnlySet<string> names)
    {
        var text = new StringBuilder();
        bool wraps =
            names.Contains("to_u32")
            || DTypes.All.Any(type => type.Info().IsNarrow && names.Contains($"to_{type.Name()}"));
        foreach (var (name, body) in s_functions)
        {
            bool needed = (name == "to_i64" && wraps) || (name == "f64_to_odd" && names.Contains("i64_to_odd"));
            if (needed || names.Contains(name))
                text.Append(body).Append('\n');
        }
        return text.ToString();
    }

    private static string FloorDivision(string type) =>
        $$"""
            __device__ __forceinline__ {{type}} floor_div({{type}} a, {{type}} b) {
              const {{type}} q = a / b;
              return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
            }

            """;

    private static string FloorRemainder(string type) =>
        $$"""
            __device__ __forceinline__ {{type}} floor_mod({{type}} a, {{type}} b) {
              const {{type}} r = a % b;
              return r != 0 && (a < 0) != (b < 0) ? r + b : r;
            }

            """;

    // The instruction where there is one; the comparison takes a NaN on either side, and is wrong only in the sign of zero.
    private static string Extremum(string name, string type, string less, string? instruction)
    {
        string plain = $"a {less} b || a != a ? a : b";
        if (instruction is null)
            return $"__device__ __forceinline__ {type} {name}_nan({type} a, {type} b) {{ return {plain}; }}\n";
        return $$"""
            __device__ __forceinline__ {{type}} {{name}}_nan({{type}} a, {{type}} b) {
            #ifndef PICOGRAD_EMULATOR
              {{type}} r;
              asm("{{instruction}} %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
              return r;
            #else
              return {{plain}};
            #endif
            }

            """;
    }

    private static string Choice(string name, string less) =>
        $$"""
            template <typename T> __device__ __forceinline__ T {{name}}(T a, T b) { return b {{less}} a ? b : a; }

            """;

    private static string Absolute(string type, string unsigned) =>
        $"__device__ __forceinline__ {type} abs_wrap({type} a) {{ return a < 0 ? ({type})(0 - ({unsigned})a) : a; }}\n";

    private static string Sigmoid(string type, string exp, string abs, string one) =>
        $$"""
            __device__ __forceinline__ {{type}} sigmoid({{type}} x) {
              const {{type}} e = {{exp}}(-{{abs}}(x));
              return (x < 0 ? e : {{one}}) / ({{one}} + e);
            }

            """;

    // Below 0 the exponential in two halves: where all of it is denormal, the product need not be.
    private static string Silu(string type, string exp, string abs, string suffix) =>
        $$"""
            __device__ __forceinline__ {{type}} silu({{type}} x) {
              const {{type}} h = {{exp}}(-0.5{{suffix}} * {{abs}}(x));
              const {{type}} q = x / (1.0{{suffix}} + h * h);
              return x < 0 ? q * h * h : q;
            }

            """;

    // Negative numbers wrap, as they do in the evaluator and on the CPU.
    private static string Wrapping(string to, string name, string from) =>
        $"__device__ __forceinline__ {to} {name}({from} x) {{ return ({to})to_i64(x); }}\n";

    private static string Saturating(
        string to,
        string from,
        string name,
        string least,
        string beyond,
        string low,
        string high
    ) =>
        $"__device__ __forceinline__ {to} {name}({from} x) "
        + $"{{ return x != x ? 0 : x < {least} ? {low} : x >= {beyond} ? {high} : ({to})x; }}\n";
}
