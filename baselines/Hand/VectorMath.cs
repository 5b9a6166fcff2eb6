using System.Runtime.CompilerServices;

namespace Picograd.Baselines;

/// <summary>exp and tanh of a vector of floats.</summary>
internal static class VectorMath
{
    /// <summary>
    /// e^x within 2 ULP: x = n·ln 2 + r with |r| ≤ ln 2 / 2, a polynomial of degree 6 in r, and 2^n (coefficients of Cephes'
    /// expf). Infinity above 88.73, 0 below -103.98, NaN for NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Exp<TV, TS>(TV x)
        where TV : struct
        where TS : ISimd<TV>
    {
        x = TS.Min(TS.Create(90f), TS.Max(TS.Create(-110f), x));
        TV n = TS.Round(TS.Mul(x, TS.Create(1.44269504f)));
        TV r = TS.Fma(n, TS.Create(-0.693359375f), x);
        r = TS.Fma(n, TS.Create(2.12194440e-4f), r);
        TV p = TS.Create(1.9875691500e-4f);
        p = TS.Fma(p, r, TS.Create(1.3981999507e-3f));
        p = TS.Fma(p, r, TS.Create(8.3334519073e-3f));
        p = TS.Fma(p, r, TS.Create(4.1665795894e-2f));
        p = TS.Fma(p, r, TS.Create(1.6666665459e-1f));
        p = TS.Fma(p, r, TS.Create(5.0000001201e-1f));
        p = TS.Fma(p, TS.Mul(r, r), TS.Add(r, TS.Create(1f)));
        return TS.Scale(p, n);
    }

    /// <summary>
    /// tanh x within 5 ULP (7 on a machine without fused multiply-add): an odd polynomial over an even one (coefficients of Eigen's generic_fast_tanh_float); NaN for NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Tanh<TV, TS>(TV value)
        where TV : struct
        where TS : ISimd<TV>
    {
        TV limit = TS.Create(7.90531110763549805f);
        TV x = TS.Min(limit, TS.Max(TS.Sub(TS.Create(0f), limit), value));
        TV square = TS.Mul(x, x);
        TV p = TS.Create(-2.76076847742355e-16f);
        p = TS.Fma(p, square, TS.Create(2.00018790482477e-13f));
        p = TS.Fma(p, square, TS.Create(-8.60467152213735e-11f));
        p = TS.Fma(p, square, TS.Create(5.12229709037114e-08f));
        p = TS.Fma(p, square, TS.Create(1.48572235717979e-05f));
        p = TS.Fma(p, square, TS.Create(6.37261928875436e-04f));
        p = TS.Fma(p, square, TS.Create(4.89352455891786e-03f));
        TV q = TS.Create(1.19825839466702e-06f);
        q = TS.Fma(q, square, TS.Create(1.18534705686654e-04f));
        q = TS.Fma(q, square, TS.Create(2.26843463243900e-03f));
        q = TS.Fma(q, square, TS.Create(4.89352518554385e-03f));
        return TS.SelectSmall(value, TS.Create(0.0004f), value, TS.Div(TS.Mul(x, p), q));
    }
}
