using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Gradients;

namespace Picograd;

// Functions of the digits of numbers, which loop nests have no form for: element by element in main memory.
public sealed unsafe partial class Tensor
{
    /// <summary>The greatest common divisor of integers, which broadcast; never negative.</summary>
    public Tensor Gcd(Tensor other) => OfWhole("gcd", other, Divisor);

    /// <summary>The least common multiple of integers, which broadcast; never negative.</summary>
    public Tensor Lcm(Tensor other) =>
        OfWhole(
            "lcm",
            other,
            (a, b) =>
            {
                long divisor = Divisor(a, b);
                return divisor == 0 ? 0 : Magnitude(unchecked(a / divisor * b));
            }
        );

    private static long Magnitude(long value) => value < 0 ? unchecked(-value) : value;

    private static long Divisor(long a, long b)
    {
        while (a != 0)
            (a, b) = (b == long.MinValue && a == -1 ? 0 : b % a, a);
        return Magnitude(b);
    }

    private Tensor OfWhole(string what, Tensor other, Func<long, long, long> function)
    {
        ArgumentNullException.ThrowIfNull(other);
        var type = Promotion.Of(DType, Promotion.RankOf(this), other.DType, Promotion.RankOf(other));
        if (type.IsFloat() || type == DType.Bool)
            throw new ArgumentException(
                $"{what}: needs integers, but the dtypes are {DType.Name()} and {other.DType.Name()}; convert them with To()."
            );
        long[] shape = SameShape(what, other);
        if (Device.IsMeta)
            return Empty(shape, type, Device);
        long[] a = To(DType.Int64).Expand(shape).ToArray<long>();
        long[] b = other.To(DType.Int64).Expand(shape).ToArray<long>();
        for (int i = 0; i < a.Length; i++)
            a[i] = function(a[i], b[i]);
        return From(a, shape).To(type).ToDevice(Device);
    }

    internal long[] SameShape(string what, Tensor other) =>
        Broadcasting.Shape(Layout, other.Layout)
        ?? throw new ArgumentException($"{what}: the shapes {Layout} and {other.Layout} do not broadcast.");

    /// <summary>this · 2 to the power of other.</summary>
    public Tensor Ldexp(Tensor other) => this * Pow(2.0, Given(other));

    // Saved: the exponents.
    private static readonly Rule FrexpRule = new(
        "frexp",
        Saves.Nothing,
        static (n, g) => n.Send(0, g / Pow(2.0, n.Saved(0).To(DType.Float64)).To(g.DType))
    );

    /// <summary>Of x = mantissa · 2ᵉ the mantissa, from 1/2 to 1 in magnitude, and e (int32); 0, infinities and NaN are their own with e = 0.</summary>
    public (Tensor Mantissa, Tensor Exponent) Frexp()
    {
        RequireFloat("frexp");
        if (Device.IsMeta)
            return (Empty(Shape, DType, Device), Empty(Shape, DType.Int32, Device));
        double[] values = ToDoubles();
        int[] exponents = new int[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            if (values[i] == 0 || !double.IsFinite(values[i]))
                continue;
            exponents[i] = Math.ILogB(values[i]) + 1;
            values[i] = Math.ScaleB(values[i], -exponents[i]);
        }
        var mantissa = From(values, Shape).To(DType).ToDevice(Device);
        var exponent = From(exponents, Shape).ToDevice(Device);
        if (Records(this))
            mantissa.SetNode(Node.OfMany(FrexpRule, [this], [exponent]));
        return (mantissa, exponent);
    }

    /// <summary>The next number of the dtype towards another.</summary>
    public Tensor Nextafter(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (DType is not (DType.Float32 or DType.Float64) || other.DType != DType)
            throw new ArgumentException(
                $"nextafter: both must be float32 or both float64, but they are {DType.Name()} and {other.DType.Name()}."
            );
        long[] shape = SameShape("nextafter", other);
        if (Device.IsMeta)
            return Empty(shape, DType, Device);
        double[] from = Expand(shape).ToDoubles();
        double[] to = other.Expand(shape).ToDoubles();
        bool single = DType == DType.Float32;
        for (int i = 0; i < from.Length; i++)
        {
            if (double.IsNaN(from[i]) || double.IsNaN(to[i]))
                from[i] = double.NaN;
            else if (from[i] == to[i])
                from[i] = to[i];
            else if (single)
                from[i] = to[i] > from[i] ? MathF.BitIncrement((float)from[i]) : MathF.BitDecrement((float)from[i]);
            else
                from[i] = to[i] > from[i] ? Math.BitIncrement(from[i]) : Math.BitDecrement(from[i]);
        }
        return From(from, shape).To(DType).ToDevice(Device);
    }
}
