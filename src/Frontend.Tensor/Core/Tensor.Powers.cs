using System.Numerics;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>
    /// Elements to the power of those of another tensor. Integers stay integers and wrap; under a negative exponent only 1
    /// and −1 have an inverse, others give 0.
    /// </summary>
    /// <exception cref="ArgumentException">Two bools; shapes that do not broadcast.</exception>
    public Tensor Pow(Tensor exponent)
    {
        ArgumentNullException.ThrowIfNull(exponent);
        if (DType.IsFloat() || exponent.DType.IsFloat())
            return Picograd.Autocast.Of("pow", this) is { } cast
                ? cast.Run([this, exponent], t => Apply(ScalarFunctions.Pow, t[0], t[1]))
                : Apply(ScalarFunctions.Pow, this, exponent);
        var type = Promotion.Of(DType, Promotion.RankOf(this), exponent.DType, Promotion.RankOf(exponent));
        RequireNumbers("pow", type);
        if (Broadcasting.Shape(Layout, exponent.Layout) is null)
            throw new ArgumentException(
                $"pow: the shapes {Layout} and {exponent.Layout} do not broadcast; from the last dimension on, sizes must be "
                    + "equal or one of them 1."
            );
        return type == DType.UInt8
            ? Operator.Cast(IntegerPower(To(DType.Int32), exponent.To(DType.Int32)), type)
            : IntegerPower(To(type), exponent.To(type));
    }

    /// <summary>A number to the powers that a tensor gives.</summary>
    /// <exception cref="ArgumentException">The number does not fit the tensor's dtype.</exception>
    public static Tensor Pow(Scalar number, Tensor exponent)
    {
        ArgumentNullException.ThrowIfNull(exponent);
        var type = Promotion.Of(exponent.DType, Promotion.RankOf(exponent), number.Type, Promotion.Rank.Number);
        if (!type.IsFloat())
            number.Require(type, "pow");
        return Number(number, type, exponent.Device).Pow(exponent.To(type));
    }

    /// <summary>Elements to a power. Integers stay integers, which wrap, under whole powers of at least 0.</summary>
    /// <exception cref="ArgumentException">Integers to a negative whole power, or one that their dtype cannot hold.</exception>
    public Tensor Pow(Scalar exponent)
    {
        if (!DType.IsFloat() && !exponent.Type.IsFloat())
            return WholePower(exponent);
        var x = DType.IsFloat() ? Taken(null, "pow") : To(DType.Float32);
        return exponent.AsDouble switch
        {
            0 => x.Constant(OnesLike(x)),
            1 => x.Clone(),
            2 => Apply(ScalarFunctions.Square, x),
            3 => Apply(ScalarFunctions.Square, x) * x,
            0.5 => x.Sqrt(),
            -0.5 => x.Rsqrt(),
            -1 => x.Reciprocal(),
            // An exponent of a half type is rounded, as in PyTorch, but not what the slope makes of it.
            var power when x.DType.IsStorage() => x.To(x.DType.Compute())
                .Pow(Number(x.DType.Info().Round(power), x.DType.Compute(), x.Device))
                .To(x.DType),
            _ => x.Pow(Number(exponent, x.DType, x.Device)),
        };
    }

    private Tensor WholePower(Scalar exponent)
    {
        if (exponent.AsLong < 0)
            throw new ArgumentException(
                $"pow: integers have no power {exponent} in the integers; convert to float first."
            );
        var type = Promotion.Of(DType, Promotion.RankOf(this), exponent.Type, Promotion.Rank.Number);
        exponent.Require(type, "pow");
        // x to the power false is 1, to the power true x.
        if (type == DType.Bool)
            return exponent.AsLong == 0 ? OnesLike(this) : Clone();
        var power = To(type);
        var result = OnesLike(power);
        for (long left = exponent.AsLong; left > 0; left >>= 1)
        {
            if ((left & 1) != 0)
                result = result * power;
            if (left > 1)
                power = power.Square();
        }
        return result;
    }

    // By squaring, as many times as the largest exponent has bits.
    private static Tensor IntegerPower(Tensor x, Tensor exponent)
    {
        var result = OnesLike(x + exponent);
        if (result.NumElements == 0)
            return result;
        int bits = 64 - BitOperations.LeadingZeroCount((ulong)Math.Max(0, exponent.Max().Item<long>()));
        var power = x;
        for (int bit = 0; bit < bits; bit++)
        {
            result = result * Where(((exponent >> bit) & 1).Eq(1), power, 1);
            if (bit + 1 < bits)
                power = power.Square();
        }
        if (exponent.Min().Item<long>() >= 0)
            return result;
        var inverse = Where(x.Eq(1), 1, Where(x.Eq(-1), 1 - ((exponent & 1) << 1), 0));
        return Where(exponent < 0, inverse, result);
    }
}
