using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using V = System.Runtime.Intrinsics.Vector128<float>;

namespace Picograd.Baselines;

/// <summary>Four floats: every machine with vectors.</summary>
internal readonly unsafe struct Simd128 : ISimd<V>
{
    public static int Count => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Load(float* p) => Vector128.Load(p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(V v, float* p) => v.Store(p);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LoadTail(float* p, long count, float fill)
    {
        if (Avx.IsSupported)
        {
            V mask = Mask(count);
            return Vector128.ConditionalSelect(mask, Avx.MaskLoad(p, mask), Vector128.Create(fill));
        }
        return Vector128.Create(p[0], count > 1 ? p[1] : fill, count > 2 ? p[2] : fill, count > 3 ? p[3] : fill);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreTail(V v, float* p, long count)
    {
        if (Avx.IsSupported)
        {
            Avx.MaskStore(p, Mask(count), v);
            return;
        }
        for (int i = 0; i < count; i++)
        {
            p[i] = v[i];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Mask(long count) =>
        Vector128.LessThan(Vector128<int>.Indices, Vector128.Create((int)count)).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Create(float x) => Vector128.Create(x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Add(V a, V b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sub(V a, V b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Mul(V a, V b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Div(V a, V b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Fma(V a, V b, V c) => Vector128.MultiplyAddEstimate(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Max(V a, V b) => Vector128.MaxNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Min(V a, V b) => Vector128.MinNative(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Round(V a) => Vector128.Round(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Scale(V a, V n)
    {
        // In two steps, each with a normal power of two.
        Vector128<int> exponent = Vector128.ConvertToInt32(n);
        Vector128<int> half = exponent >> 1;
        return a * Power(half) * Power(exponent - half);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Power(Vector128<int> n) => ((n + Vector128.Create(127)) << 23).AsSingle();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V SelectSmall(V x, V limit, V a, V b) =>
        Vector128.ConditionalSelect(Vector128.LessThan(Vector128.Abs(x), limit), a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(V a) => Vector128.Sum(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxElement(V a)
    {
        V b = Vector128.MaxNative(a, Vector128.Shuffle(a, Vector128.Create(2, 3, 0, 1)));
        return Vector128.MaxNative(b, Vector128.Shuffle(b, Vector128.Create(1, 0, 3, 2))).ToScalar();
    }
}
