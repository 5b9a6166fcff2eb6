using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Picograd.Algorithms.Functions;

/// <summary>
/// a^b of Float32 by 2^(b·log2 |a|) in Float64: at most <see cref="MaxUlp"/>, exact wherever the result is a Float32 number, special
/// values as C99 has them. The interpreter and processors run this very code, one lane or many, so that their bits agree.
/// </summary>
/// <remarks>
/// log2 to 2^-45 and 2^r to 2^-41, relative: with |b·log2 a| up to 150 the result is within 2^-37 before it is rounded once to Float32,
/// which also makes it denormal, zero or infinite. 60 operations a lane (1 division), two Float64 vectors for one of Float32.
/// </remarks>
public static class PowFloat32
{
    /// <summary>Maximum error in units of the last place of the exact result.</summary>
    public const double MaxUlp = 0.501;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Pow(float a, float b) =>
        (float)Core(Vector512.CreateScalar((double)a), Vector512.CreateScalar((double)b)).ToScalar();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector128<float> Pow(Vector128<float> a, Vector128<float> b) =>
        Pow(Vector256.Create(a, a), Vector256.Create(b, b)).GetLower();

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector256<float> Pow(Vector256<float> a, Vector256<float> b)
    {
        var (a0, a1) = Vector256.Widen(a);
        var (b0, b1) = Vector256.Widen(b);
        var r = Core(Vector512.Create(a0, a1), Vector512.Create(b0, b1));
        return Vector256.Narrow(r.GetLower(), r.GetUpper());
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static Vector512<float> Pow(Vector512<float> a, Vector512<float> b)
    {
        var (a0, a1) = Vector512.Widen(a);
        var (b0, b1) = Vector512.Widen(b);
        return Vector512.Narrow(Core(a0, b0), Core(a1, b1));
    }

    // Every Float32 is a normal Float64 or zero.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Core(Vector512<double> a, Vector512<double> b)
    {
        var zero = Vector512<double>.Zero;
        var one = Vector512<double>.One;
        var size = Vector512.Abs(a);
        var t = b * Log2(size);
        // 1 to an infinite power, and anything to the power of 0: infinity times zero.
        t = Vector512.ConditionalSelect(Vector512.Equals(size, one) | Vector512.Equals(b, zero), zero, t);
        var power = Exp2(t);

        var whole = Vector512.Equals(Vector512.Floor(b), b);
        var half = b * Vector512.Create(0.5);
        var odd = Vector512.AndNot(whole, Vector512.Equals(Vector512.Floor(half), half));
        var negative = Vector512.LessThan(a.AsInt64(), Vector512<long>.Zero).AsDouble();
        power ^= negative & odd & Vector512.Create(-0.0);
        // The finite negative numbers have no powers between the whole ones.
        var none = Vector512.AndNot(
            Vector512.LessThan(a, zero) & Vector512.GreaterThan(a, Vector512.Create(double.NegativeInfinity)),
            whole
        );
        power = Vector512.ConditionalSelect(none, Vector512.Create(double.NaN), power);
        power = Vector512.ConditionalSelect(Vector512.Equals(a, a), power, a);
        power = Vector512.ConditionalSelect(Vector512.Equals(b, b), power, b);
        return Vector512.ConditionalSelect(Vector512.Equals(b, zero) | Vector512.Equals(a, one), one, power);
    }

    // x = 2^k·m, m in [√½, √2); log2 m = 2/ln 2·(s + s³/3 + …) with s = (m - 1)/(m + 1), |s| ≤ 0.1716.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Log2(Vector512<double> x)
    {
        var bits = x.AsInt64();
        var k = Vector512.ShiftRightArithmetic(bits - Vector512.Create(0x3fe6a09e667f3bcdL), 52);
        var m = (bits - Vector512.ShiftLeft(k, 52)).AsDouble();
        var s = (m - Vector512<double>.One) / (m + Vector512<double>.One);
        var z = s * s;
        var p = Vector512.Create(1 / 15.0);
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1 / 13.0));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1 / 11.0));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1 / 9.0));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1 / 7.0));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1 / 5.0));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512.Create(1 / 3.0));
        p = Vector512.FusedMultiplyAdd(p, z, Vector512<double>.One);
        // k is small: its Float64 from the low bits of 1.5·2^52 + k.
        var whole =
            (k + Vector512.Create(6755399441055744.0).AsInt64()).AsDouble() - Vector512.Create(6755399441055744.0);
        var log = Vector512.FusedMultiplyAdd(p * s, Vector512.Create(2 / 0.69314718055994530942), whole);
        log = Vector512.ConditionalSelect(
            Vector512.Equals(x, Vector512<double>.Zero),
            Vector512.Create(double.NegativeInfinity),
            log
        );
        return Vector512.ConditionalSelect(
            Vector512.Equals(x, Vector512.Create(double.PositiveInfinity)),
            Vector512.Create(double.PositiveInfinity),
            log
        );
    }

    // 2^n·e^(r·ln 2), n = round(t), |r| ≤ ½; beyond ±160 the Float32 is zero or infinite.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<double> Exp2(Vector512<double> t)
    {
        t = Vector512.Min(Vector512.Max(t, Vector512.Create(-160.0)), Vector512.Create(160.0));
        var biased = t + Vector512.Create(6755399441055744.0);
        var n = biased - Vector512.Create(6755399441055744.0);
        var r = (t - n) * Vector512.Create(0.69314718055994530942);
        var p = Vector512.Create(1 / 3628800.0);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 362880.0));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 40320.0));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 5040.0));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 720.0));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 120.0));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 24.0));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(1 / 6.0));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512.Create(0.5));
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<double>.One);
        p = Vector512.FusedMultiplyAdd(p, r, Vector512<double>.One);
        var scale = Vector512.ShiftLeft(
            biased.AsInt64() - Vector512.Create(6755399441055744.0).AsInt64() + Vector512.Create(1023L),
            52
        );
        return p * scale.AsDouble();
    }
}
