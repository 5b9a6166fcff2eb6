using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

// Division with remainders, sums with factors, and other functions of several tensors, of those that there are.
public sealed partial class Tensor
{
    /// <summary>this + alpha · other.</summary>
    public Tensor Add(Tensor other, Scalar? alpha = null) => this + Times(Given(other), alpha);

    /// <summary>this + other.</summary>
    public Tensor Add(Scalar other) => this + other;

    /// <summary>this − alpha · other.</summary>
    public Tensor Sub(Tensor other, Scalar? alpha = null) => this - Times(Given(other), alpha);

    /// <summary>this − other.</summary>
    public Tensor Sub(Scalar other) => this - other;

    public Tensor Mul(Tensor other) => this * Given(other);

    public Tensor Mul(Scalar other) => this * other;

    private static Tensor Times(Tensor t, Scalar? by)
    {
        ArgumentNullException.ThrowIfNull(t);
        return by is { } alpha ? t * alpha : t;
    }

    /// <summary>True division, or rounded: "trunc" towards zero, "floor" down. Rounded, integers stay integers.</summary>
    /// <exception cref="ArgumentException">Another rounding mode, or an integer divided by 0.</exception>
    public Tensor Div(Tensor other, string? roundingMode = null)
    {
        ArgumentNullException.ThrowIfNull(other);
        return roundingMode switch
        {
            null => this / other,
            "trunc" => Quotient("div", other, down: false),
            "floor" => Quotient("div", other, down: true),
            _ => throw new ArgumentException(
                $"div: roundingMode is \"{roundingMode}\", but must be null, \"trunc\" or \"floor\"."
            ),
        };
    }

    /// <inheritdoc cref="Div(Tensor, string?)"/>
    public Tensor Div(Scalar other, string? roundingMode = null) =>
        roundingMode is null ? this / other : Div(Beside("div", other), roundingMode);

    /// <summary>The quotient rounded down; integers stay integers.</summary>
    /// <exception cref="ArgumentException">An integer divided by 0.</exception>
    public Tensor FloorDivide(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Quotient("floor_divide", other, down: true);
    }

    /// <inheritdoc cref="FloorDivide(Tensor)"/>
    public Tensor FloorDivide(Scalar other) => FloorDivide(Beside("floor_divide", other));

    /// <summary>What division that is rounded down leaves, of the divisor's sign.</summary>
    /// <exception cref="ArgumentException">An integer divided by 0.</exception>
    public Tensor Remainder(Tensor other) => Left("remainder", other, ScalarFunctions.Remainder, down: true);

    /// <inheritdoc cref="Remainder(Tensor)"/>
    public Tensor Remainder(Scalar other) => Remainder(Beside("remainder", other));

    /// <summary>A number modulo the elements.</summary>
    public static Tensor Remainder(Scalar number, Tensor other) =>
        Given(other).Beside("remainder", number).Remainder(other);

    /// <summary>What division that is rounded towards zero leaves, of this tensor's sign.</summary>
    /// <exception cref="ArgumentException">An integer divided by 0.</exception>
    public Tensor Fmod(Tensor other) => Left("fmod", other, ScalarFunctions.Fmod, down: false);

    /// <inheritdoc cref="Fmod(Tensor)"/>
    public Tensor Fmod(Scalar other) => Fmod(Beside("fmod", other));

    // A number as a 0-d tensor of the dtype that both have together.
    private Tensor Beside(string what, Scalar number)
    {
        var type = Promotion.Of(DType, Promotion.RankOf(this), number.Type, Promotion.Rank.Number);
        if (!type.IsFloat())
            number.Require(type, what);
        return Number(number, type, Device);
    }

    private Tensor Quotient(string what, Tensor other, bool down)
    {
        var type = Promotion.Of(DType, Promotion.RankOf(this), other.DType, Promotion.RankOf(other));
        if (type == DType.Bool)
            throw new ArgumentException($"{what}: bools cannot be divided; convert them with To().");
        if (type.IsFloat())
            return Apply(down ? ScalarFunctions.FloorDivide : ScalarFunctions.TruncDivide, To(type), other.To(type));
        return Whole(what, other, type, down ? ScalarFunctions.FloorQuotient : ScalarFunctions.TruncQuotient);
    }

    private Tensor Left(string what, Tensor other, ElementFunction ofFloats, bool down)
    {
        ArgumentNullException.ThrowIfNull(other);
        var type = Promotion.Of(DType, Promotion.RankOf(this), other.DType, Promotion.RankOf(other));
        if (type == DType.Bool)
            throw new ArgumentException($"{what}: bools cannot be divided; convert them with To().");
        if (type.IsFloat())
            return Apply(ofFloats, To(type), other.To(type));
        return Whole(what, other, type, down ? ScalarFunctions.FloorRest : ScalarFunctions.TruncRest);
    }

    // Kernels do not refuse a divisor of 0, so it is looked for here.
    private Tensor Whole(string what, Tensor other, DType type, ElementFunction function)
    {
        var divisor = other.To(type);
        if (!Device.IsMeta && divisor.NumElements > 0 && NumElements > 0 && divisor.Ne(0).All().Item() == 0)
            throw new ArgumentException($"{what}: a divisor is 0, by which integers cannot be divided.");
        if (type == DType.UInt8)
            return Operator.Cast(
                function.Run(Operator.Cast(To(type), DType.Int32), Operator.Cast(divisor, DType.Int32)),
                type
            );
        return function.Run(To(type), divisor);
    }

    /// <summary>this + weight · (end − this), exact at both ends.</summary>
    /// <exception cref="ArgumentException">Dtypes that differ or are no floats.</exception>
    public Tensor Lerp(Tensor end, Tensor weight)
    {
        ArgumentNullException.ThrowIfNull(end);
        ArgumentNullException.ThrowIfNull(weight);
        RequireFloat("lerp");
        if (end.DType != DType || weight.DType != DType)
            throw new ArgumentException(
                $"lerp: the dtypes are {DType.Name()}, {end.DType.Name()} and {weight.DType.Name()}, but must be equal; convert them with To()."
            );
        return LerpOperator.Recorded(this, end, weight);
    }

    /// <inheritdoc cref="Lerp(Tensor, Tensor)"/>
    public Tensor Lerp(Tensor end, double weight) => Lerp(end, Number(weight, DType, Device));

    private static readonly Operator LerpOperator = new("lerp", derives: true);
    private static readonly Operator AddcmulOperator = new("addcmul", derives: true);
    private static readonly Operator AddcdivOperator = new("addcdiv", derives: true);

    /// <summary>this + value · tensor1 · tensor2.</summary>
    public Tensor Addcmul(Tensor tensor1, Tensor tensor2, Scalar? value = null)
    {
        ArgumentNullException.ThrowIfNull(tensor1);
        ArgumentNullException.ThrowIfNull(tensor2);
        var type = Promotion.Of(this, tensor1, tensor2);
        RequireNumbers("addcmul", type);
        if (!type.IsFloat() || value is not null)
            return this.To(type) + Times(tensor1.To(type), value) * tensor2.To(type);
        return AddcmulOperator.Recorded(To(type), tensor1.To(type), tensor2.To(type));
    }

    /// <summary>this + value · tensor1 / tensor2.</summary>
    /// <exception cref="ArgumentException">Integers only.</exception>
    public Tensor Addcdiv(Tensor tensor1, Tensor tensor2, Scalar? value = null)
    {
        ArgumentNullException.ThrowIfNull(tensor1);
        ArgumentNullException.ThrowIfNull(tensor2);
        if (!tensor1.DType.IsFloat() && !tensor2.DType.IsFloat())
            throw new ArgumentException(
                $"addcdiv: {tensor1.DType.Name()} and {tensor2.DType.Name()} cannot be divided here; convert one to floats with To()."
            );
        var type = Promotion.Of(this, tensor1, tensor2);
        return value is not null
            ? To(type) + Times(tensor1.To(type), value) / tensor2.To(type)
            : AddcdivOperator.Recorded(To(type), tensor1.To(type), tensor2.To(type));
    }

    /// <summary>log(eᵃ + eᵇ), also where the powers are too large or small.</summary>
    public Tensor LogAddExp(Tensor other) => Apply(ScalarFunctions.LogAddExp, this, RequireFloats("logaddexp", other));

    /// <summary>log₂(2ᵃ + 2ᵇ), also where the powers are too large or small.</summary>
    public Tensor LogAddExp2(Tensor other) =>
        Apply(ScalarFunctions.LogAddExp2, this, RequireFloats("logaddexp2", other));

    /// <summary>√(a² + b²), also where the squares are too large or small.</summary>
    public Tensor Hypot(Tensor other) => Apply(ScalarFunctions.Hypot, this, RequireFloats("hypot", other));

    private Tensor RequireFloats(string what, Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return DType.IsFloat() || other.DType.IsFloat()
            ? other
            : throw new ArgumentException(
                $"{what}: needs floats, but both tensors are of integers ({DType.Name()}, {other.DType.Name()}); convert one with To()."
            );
    }

    /// <summary>The magnitude of this with the sign of another, −0 included.</summary>
    public Tensor Copysign(Tensor other) => Apply(ScalarFunctions.Copysign, this, Given(other));

    /// <inheritdoc cref="Copysign(Tensor)"/>
    public Tensor Copysign(Scalar other) => Copysign(Number(other, Promotion.Float(DType), Device));

    /// <summary>What is behind the point, of the same sign.</summary>
    public Tensor Frac() => this - RequireFloat("frac").Trunc().Detach();

    /// <summary>The larger of two, where one is NaN the other.</summary>
    public Tensor Fmax(Tensor other) =>
        Given(other).DType.IsFloat() || DType.IsFloat() ? Apply(ScalarFunctions.Fmax, this, other) : Maximum(other);

    /// <summary>The smaller of two, where one is NaN the other.</summary>
    public Tensor Fmin(Tensor other) =>
        Given(other).DType.IsFloat() || DType.IsFloat() ? Apply(ScalarFunctions.Fmin, this, other) : Minimum(other);

    /// <summary>a · log b, where a is 0 always 0 (NaN where b is).</summary>
    public Tensor Xlogy(Tensor other) => Apply(ScalarFunctions.Xlogy, this, Given(other));

    /// <summary>log(x / (1 − x)), of x cut to [eps, 1 − eps] where eps is given.</summary>
    public Tensor Logit(double? eps = null)
    {
        var x = To(Promotion.Float(DType));
        if (eps is { } least)
            // The slope of what is no number is none, other than that of the bounds.
            x = Where(x.IsNan(), x, x.Clamp(least, 1 - least));
        return Apply(ScalarFunctions.Logit, x);
    }

    /// <summary>Numbers in the place of NaN (0), infinity and negative infinity (the largest and lowest of the dtype).</summary>
    public Tensor NanToNum(double nan = 0, double? posinf = null, double? neginf = null)
    {
        if (!DType.IsFloat())
            return Clone();
        var info = DType.Info();
        Tensor Of(double value) => Number(value, DType, Device);
        var kept = Where(IsNan(), Of(nan), this);
        kept = Where(Eq(double.PositiveInfinity), Of(posinf ?? info.Highest), kept);
        return Where(Eq(double.NegativeInfinity), Of(neginf ?? -info.Highest), kept);
    }

    /// <summary>Whether the sign bit is set: of negative numbers, −0 and some NaNs.</summary>
    public Tensor Signbit() =>
        DType.IsFloat() ? OnesLike(this.Detach()).Copysign(this.Detach()) < 0
        : DType == DType.Bool ? Zeros(Shape, DType.Bool, Device)
        : this < 0;

    /// <summary>0 below 0, the other's element at 0, 1 above.</summary>
    public Tensor Heaviside(Tensor values)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.DType != DType)
            throw new ArgumentException(
                $"heaviside: the dtypes {DType.Name()} and {values.DType.Name()} differ; convert one with To()."
            );
        using var off = NoGrad();
        return Where(Eq(0), values, (this > 0).To(DType));
    }

    /// <summary>x in radians, of degrees.</summary>
    public Tensor Deg2Rad() => To(Promotion.Float(DType)) * (Math.PI / 180);

    /// <summary>x in degrees, of radians.</summary>
    public Tensor Rad2Deg() => To(Promotion.Float(DType)) * (180 / Math.PI);

    /// <summary>sin πx / πx, 1 at 0.</summary>
    public Tensor Sinc() => Apply(ScalarFunctions.Sinc, this);

    /// <summary>Bitwise and; logical of bools.</summary>
    public Tensor BitwiseAnd(Tensor other) => this & Given(other);

    /// <summary>Bitwise or; logical of bools.</summary>
    public Tensor BitwiseOr(Tensor other) => this | Given(other);

    /// <summary>Bitwise exclusive or; logical of bools.</summary>
    public Tensor BitwiseXor(Tensor other) => this ^ Given(other);

    /// <summary>Every bit turned over; not, of bools.</summary>
    public Tensor BitwiseNot() => ~this;

    /// <summary>See the operator &lt;&lt;.</summary>
    public Tensor BitwiseLeftShift(Tensor other) => this << Given(other);

    /// <summary>See the operator >>.</summary>
    public Tensor BitwiseRightShift(Tensor other) => this >> Given(other);

    /// <summary>Whether elements differ by at most atol + rtol · |other|; infinities of one sign are equal, NaN only with equalNan.</summary>
    /// <exception cref="ArgumentException">Dtypes that differ, or negative tolerances.</exception>
    public Tensor IsClose(Tensor other, double rtol = 1e-5, double atol = 1e-8, bool equalNan = false)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (other.DType != DType)
            throw new ArgumentException(
                $"isclose: the dtypes {DType.Name()} and {other.DType.Name()} differ; convert one with To()."
            );
        if (!(rtol >= 0 && atol >= 0))
            throw new ArgumentException($"isclose: rtol is {rtol} and atol {atol}, but both must be at least 0.");
        using var off = NoGrad();
        var close = Eq(other);
        if (equalNan && DType.IsFloat())
            close = close | (IsNan() & other.IsNan());
        if (rtol == 0 && atol == 0)
            return close;
        // Of integers in floats.
        var (a, b) = DType.IsFloat() ? (this, other) : (To(DType.Float64), other.To(DType.Float64));
        var difference = (a - b).Abs();
        var allowed = (b * rtol).Abs() + atol;
        return close | (difference.IsFinite() & (difference <= allowed));
    }

    /// <summary>Whether all elements are close: see <see cref="IsClose"/>.</summary>
    public bool AllClose(Tensor other, double rtol = 1e-5, double atol = 1e-8, bool equalNan = false) =>
        IsClose(other, rtol, atol, equalNan).All().Item() != 0;

    /// <summary>Whether shape and all elements are equal.</summary>
    /// <exception cref="ArgumentException">Dtypes that differ.</exception>
    public bool Equal(Tensor other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (!Layout.SameSizes(other.Layout))
            return false;
        if (other.DType != DType)
            throw new ArgumentException(
                $"equal: the dtypes {DType.Name()} and {other.DType.Name()} differ; convert one with To()."
            );
        return NumElements == 0 || Eq(other).All().Item() != 0;
    }

    /// <summary>The p-norm over some dimensions (none named: all), (Σ |x|ᵖ)^(1/p).</summary>
    /// <param name="p">Any number: 0 counts what is not 0, infinity is the largest magnitude, −infinity the smallest.</param>
    /// <param name="dims">The dimensions.</param>
    /// <param name="keepdim">Whether they stay with size 1.</param>
    public Tensor Norm(double p = 2, ReadOnlySpan<int> dims = default, bool keepdim = false)
    {
        RequireFloat("norm");
        if (Picograd.Autocast.Of("norm", this) is { } cast)
        {
            int[] over = [.. dims];
            return cast.Run([this], t => t[0].Norm(p, over, keepdim));
        }
        var x = To(DType.Compute());
        if (p == double.PositiveInfinity || p == double.NegativeInfinity)
        {
            var size = Abs();
            return p > 0 ? size.Amax(dims, keepdim) : size.Amin(dims, keepdim);
        }
        return p switch
        {
            0 => x.Ne(0).To(x.DType).Sum(dims, keepdim).To(DType),
            1 => x.Abs().Sum(dims, keepdim).To(DType),
            2 => x.EuclideanNorm(dims, keepdim).To(DType),
            _ => x.PowerNorm(p, dims, keepdim).To(DType),
        };
    }

    /// <inheritdoc cref="Norm(double, ReadOnlySpan{int}, bool)"/>
    public Tensor Norm(double p, int dim, bool keepdim = false) => Norm(p, [dim], keepdim);

    // Slopes are 0 where the norm is.
    private static readonly Rule NormRule = new(
        "norm",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            var (p, kept) = ((double, long[]))n.Data!;
            var (norm, grad, x) = (n.Output.ReshapeTo(kept), g.ReshapeTo(kept), n.A);
            var zero = Zeros([], g.DType, g.Device);
            var slope =
                p == 2 ? x / norm
                : p < 1 ? x.Sign() * Where(x.Eq(0), zero, x.Abs().Pow(p - 1)) * norm.Pow(1 - p)
                : p < 2 ? x.Sign() * x.Abs().Pow(p - 1) * norm.Pow(1 - p)
                : x * x.Abs().Pow(p - 2) / norm.Pow(p - 1);
            n.Send(0, Where(norm.Eq(0), zero, slope * grad));
        }
    );

    private Tensor EuclideanNorm(ReadOnlySpan<int> dims, bool keepdim)
    {
        Tensor result;
        using (NoGrad())
            result = Square().Sum(dims, keepdim).Sqrt();
        return RecordNorm(result, 2, dims);
    }

    private Tensor PowerNorm(double p, ReadOnlySpan<int> dims, bool keepdim)
    {
        Tensor result;
        using (NoGrad())
            result = Abs().Pow(p).Sum(dims, keepdim).Pow(1 / p);
        return RecordNorm(result, p, dims);
    }

    private Tensor RecordNorm(Tensor result, double p, ReadOnlySpan<int> dims)
    {
        if (Records(this))
            result.Record(NormRule, this).Data = (p, Kept(Mask(dims, "norm"), keepdim: true));
        return result;
    }

    /// <summary>Standard deviations and means over some dimensions (none named: all).</summary>
    public (Tensor Std, Tensor Mean) StdMean(
        ReadOnlySpan<int> dims = default,
        long correction = 1,
        bool keepdim = false
    ) => (Std(dims, correction, keepdim), Mean(dims, keepdim));

    /// <summary>Variances and means over some dimensions (none named: all).</summary>
    public (Tensor Var, Tensor Mean) VarMean(
        ReadOnlySpan<int> dims = default,
        long correction = 1,
        bool keepdim = false
    ) => (Var(dims, correction, keepdim), Mean(dims, keepdim));

    /// <summary>Sums of what are numbers, NaN as 0.</summary>
    public Tensor NanSum(ReadOnlySpan<int> dims = default, bool keepdim = false, DType? dtype = null) =>
        (DType.IsFloat() ? Where(IsNan(), Number(0, DType, Device), this) : this).Sum(dims, keepdim, dtype);

    /// <summary>Means of what are numbers.</summary>
    public Tensor NanMean(ReadOnlySpan<int> dims = default, bool keepdim = false)
    {
        RequireFloat("nanmean");
        return NanSum(dims, keepdim) / IsNan().LogicalNot().To(DType).Sum(dims, keepdim);
    }
}
