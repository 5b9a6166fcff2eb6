using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

// In place, what has a name without the underscore: the result takes the tensor's place, its dtype stays, and whoever shares the memory sees
// it. A dtype of a higher category (floats into integers) and a result of another shape are refused, as are leaves that require
// a gradient.
public sealed partial class Tensor
{
    public Tensor Abs_() => Becomes("abs_", t => t.Abs());

    public Tensor Acos_() => Becomes("acos_", t => t.Acos());

    public Tensor Acosh_() => Becomes("acosh_", t => t.Acosh());

    public Tensor Asin_() => Becomes("asin_", t => t.Asin());

    public Tensor Asinh_() => Becomes("asinh_", t => t.Asinh());

    public Tensor Atan_() => Becomes("atan_", t => t.Atan());

    public Tensor Atanh_() => Becomes("atanh_", t => t.Atanh());

    public Tensor Ceil_() => Becomes("ceil_", t => t.Ceil());

    public Tensor Cos_() => Becomes("cos_", t => t.Cos());

    public Tensor Cosh_() => Becomes("cosh_", t => t.Cosh());

    public Tensor Deg2Rad_() => Becomes("deg2rad_", t => t.Deg2Rad());

    public Tensor Erf_() => Becomes("erf_", t => t.Erf());

    public Tensor Erfc_() => Becomes("erfc_", t => t.Erfc());

    public Tensor Exp2_() => Becomes("exp2_", t => t.Exp2());

    public Tensor Expm1_() => Becomes("expm1_", t => t.Expm1());

    public Tensor Floor_() => Becomes("floor_", t => t.Floor());

    public Tensor Frac_() => Becomes("frac_", t => t.Frac());

    public Tensor Gelu_() => Becomes("gelu_", t => t.Gelu());

    public Tensor Log_() => Becomes("log_", t => t.Log());

    public Tensor Log10_() => Becomes("log10_", t => t.Log10());

    public Tensor Log1p_() => Becomes("log1p_", t => t.Log1p());

    public Tensor Log2_() => Becomes("log2_", t => t.Log2());

    public Tensor LogicalNot_() => Becomes("logical_not_", t => t.LogicalNot());

    public Tensor BitwiseNot_() => Becomes("bitwise_not_", t => ~t);

    public Tensor Logit_(double? eps = null) => Becomes("logit_", t => t.Logit(eps));

    public Tensor NanToNum_(double nan = 0, double? posinf = null, double? neginf = null) =>
        Becomes("nan_to_num_", t => t.NanToNum(nan, posinf, neginf));

    public Tensor Rad2Deg_() => Becomes("rad2deg_", t => t.Rad2Deg());

    public Tensor Reciprocal_() => Becomes("reciprocal_", t => t.Reciprocal());

    public Tensor Round_() => Becomes("round_", t => t.Round());

    public Tensor Rsqrt_() => Becomes("rsqrt_", t => t.Rsqrt());

    public Tensor Sign_() => Becomes("sign_", t => t.Sign());

    public Tensor Silu_() => Becomes("silu_", t => t.Silu());

    public Tensor Sin_() => Becomes("sin_", t => t.Sin());

    public Tensor Sinc_() => Becomes("sinc_", t => t.Sinc());

    public Tensor Sinh_() => Becomes("sinh_", t => t.Sinh());

    public Tensor Square_() => Becomes("square_", t => t.Square());

    public Tensor Tan_() => Becomes("tan_", t => t.Tan());

    public Tensor Trunc_() => Becomes("trunc_", t => t.Trunc());

    /// <summary><see cref="Clamp(Scalar?, Scalar?)"/> in place. Returns itself.</summary>
    public Tensor Clamp_(Scalar? min = null, Scalar? max = null) => Becomes("clamp_", t => t.Clamp(min, max));

    /// <summary><see cref="Clamp(Tensor?, Tensor?)"/> in place. Returns itself.</summary>
    public Tensor Clamp_(Tensor? min, Tensor? max = null) => Becomes("clamp_", t => t.Clamp(min, max), min, max);

    /// <summary>At least <paramref name="min"/>. Returns itself.</summary>
    public Tensor ClampMin_(Scalar min) => Becomes("clamp_min_", t => t.Clamp(min: min));

    /// <summary>At most <paramref name="max"/>. Returns itself.</summary>
    public Tensor ClampMax_(Scalar max) => Becomes("clamp_max_", t => t.Clamp(max: max));

    /// <summary>Adds <paramref name="alpha"/> times another tensor. Returns itself.</summary>
    public Tensor Add_(Tensor other, Scalar alpha) => Becomes("add_", t => t.Add(other, alpha), Given(other));

    /// <summary>Subtracts <paramref name="alpha"/> times another tensor. Returns itself.</summary>
    public Tensor Sub_(Tensor other, Scalar alpha) => Becomes("sub_", t => t.Sub(other, alpha), Given(other));

    /// <summary>Divides and rounds: <c>floor</c>, <c>trunc</c>, or null. Returns itself.</summary>
    public Tensor Div_(Tensor other, string? roundingMode) =>
        Becomes("div_", t => t.Div(other, roundingMode), Given(other));

    /// <inheritdoc cref="Div_(Tensor, string)"/>
    public Tensor Div_(Scalar other, string? roundingMode) => Becomes("div_", t => t.Div(other, roundingMode));

    public Tensor FloorDivide_(Tensor other) => Becomes("floor_divide_", t => t.FloorDivide(other), Given(other));

    public Tensor FloorDivide_(Scalar other) => Becomes("floor_divide_", t => t.FloorDivide(other));

    public Tensor Remainder_(Tensor other) => Becomes("remainder_", t => t.Remainder(other), Given(other));

    public Tensor Remainder_(Scalar other) => Becomes("remainder_", t => t.Remainder(other));

    public Tensor Fmod_(Tensor other) => Becomes("fmod_", t => t.Fmod(other), Given(other));

    public Tensor Fmod_(Scalar other) => Becomes("fmod_", t => t.Fmod(other));

    public Tensor Pow_(Tensor exponent) => Becomes("pow_", t => t.Pow(exponent), exponent);

    public Tensor Pow_(Scalar exponent) => Becomes("pow_", t => t.Pow(exponent));

    public Tensor Atan2_(Tensor other) => Becomes("atan2_", t => t.Atan2(other), Given(other));

    public Tensor Hypot_(Tensor other) => Becomes("hypot_", t => t.Hypot(other), Given(other));

    public Tensor Copysign_(Tensor other) => Becomes("copysign_", t => t.Copysign(other), Given(other));

    public Tensor Copysign_(Scalar other) => Becomes("copysign_", t => t.Copysign(other));

    public Tensor Xlogy_(Tensor other) => Becomes("xlogy_", t => t.Xlogy(other), Given(other));

    public Tensor Lerp_(Tensor end, double weight) => Becomes("lerp_", t => t.Lerp(end, weight), end);

    public Tensor Lerp_(Tensor end, Tensor weight) => Becomes("lerp_", t => t.Lerp(end, weight), end, weight);

    public Tensor Addcmul_(Tensor tensor1, Tensor tensor2, Scalar? value = null) =>
        Becomes("addcmul_", t => t.Addcmul(tensor1, tensor2, value), tensor1, tensor2);

    public Tensor Addcdiv_(Tensor tensor1, Tensor tensor2, Scalar? value = null) =>
        Becomes("addcdiv_", t => t.Addcdiv(tensor1, tensor2, value), tensor1, tensor2);

    public Tensor Addmm_(Tensor mat1, Tensor mat2, double beta = 1, double alpha = 1) =>
        Becomes("addmm_", t => t.Addmm(mat1, mat2, beta, alpha), mat1, mat2);

    public Tensor Addmv_(Tensor mat, Tensor vec, double beta = 1, double alpha = 1) =>
        Becomes("addmv_", t => t.Addmv(mat, vec, beta, alpha), mat, vec);

    public Tensor Addr_(Tensor vec1, Tensor vec2, double beta = 1, double alpha = 1) =>
        Becomes("addr_", t => t.Addr(vec1, vec2, beta, alpha), vec1, vec2);

    public Tensor Baddbmm_(Tensor batch1, Tensor batch2, double beta = 1, double alpha = 1) =>
        Becomes("baddbmm_", t => t.Baddbmm(batch1, batch2, beta, alpha), batch1, batch2);

    public Tensor Cumsum_(int dim) => Becomes("cumsum_", t => t.Cumsum(dim, DType));

    public Tensor CumProd_(int dim) => Becomes("cumprod_", t => t.CumProd(dim, DType));

    public Tensor Tril_(long diagonal = 0) => Becomes("tril_", t => t.Tril(diagonal));

    public Tensor Triu_(long diagonal = 0) => Becomes("triu_", t => t.Triu(diagonal));

    public Tensor MaskedFill_(Tensor mask, Tensor value) =>
        Becomes("masked_fill_", t => t.MaskedFill(mask, value), value);

    public Tensor IndexFill_(int dim, Tensor index, Tensor value) =>
        Becomes("index_fill_", t => t.IndexFill(dim, index, value), value);

    public Tensor Eq_(Tensor other) => Becomes("eq_", t => t.Eq(other), Given(other));

    public Tensor Eq_(Scalar other) => Becomes("eq_", t => t.Eq(other));

    public Tensor Ne_(Tensor other) => Becomes("ne_", t => t.Ne(other), Given(other));

    public Tensor Ne_(Scalar other) => Becomes("ne_", t => t.Ne(other));

    public Tensor Lt_(Tensor other) => Becomes("lt_", t => t < other, Given(other));

    public Tensor Lt_(Scalar other) => Becomes("lt_", t => t < other);

    public Tensor Le_(Tensor other) => Becomes("le_", t => t <= other, Given(other));

    public Tensor Le_(Scalar other) => Becomes("le_", t => t <= other);

    public Tensor Gt_(Tensor other) => Becomes("gt_", t => t > other, Given(other));

    public Tensor Gt_(Scalar other) => Becomes("gt_", t => t > other);

    public Tensor Ge_(Tensor other) => Becomes("ge_", t => t >= other, Given(other));

    public Tensor Ge_(Scalar other) => Becomes("ge_", t => t >= other);

    public Tensor LogicalAnd_(Tensor other) => Becomes("logical_and_", t => t.LogicalAnd(other), Given(other));

    public Tensor LogicalOr_(Tensor other) => Becomes("logical_or_", t => t.LogicalOr(other), Given(other));

    public Tensor LogicalXor_(Tensor other) => Becomes("logical_xor_", t => t.LogicalXor(other), Given(other));

    public Tensor BitwiseAnd_(Tensor other) => Becomes("bitwise_and_", t => t & other, Given(other));

    public Tensor BitwiseOr_(Tensor other) => Becomes("bitwise_or_", t => t | other, Given(other));

    public Tensor BitwiseXor_(Tensor other) => Becomes("bitwise_xor_", t => t ^ other, Given(other));

    public Tensor BitwiseLeftShift_(Tensor other) => Becomes("bitwise_left_shift_", t => t << other, Given(other));

    public Tensor BitwiseRightShift_(Tensor other) => Becomes("bitwise_right_shift_", t => t >> other, Given(other));

    /// <summary>Writes a number along the diagonal of a matrix, or of all dimensions of equal size; with <paramref name="wrap"/> again below in tall ones. Returns itself.</summary>
    /// <exception cref="ArgumentException">Fewer than two dimensions; more than two of different sizes.</exception>
    public Tensor FillDiagonal_(Scalar fillValue, bool wrap = false)
    {
        if (Rank < 2)
            throw new ArgumentException($"fill_diagonal_: dimensions must be at least 2, but the shape is {Layout}.");
        if (Rank > 2 && Layout.Sizes.Distinct().Count() > 1)
            throw new ArgumentException(
                $"fill_diagonal_: all dimensions of input must be of equal length, but the shape is {Layout}."
            );
        long step = Layout.Strides.Sum();
        long count = NumElements == 0 ? 0 : Layout.Sizes.Min();
        Region(new Layout([count], [step], Layout.Offset), null).Fill_(fillValue);
        if (!wrap || Rank != 2 || Layout.Sizes[0] <= Layout.Sizes[1] + 1)
            return this;
        for (long row = Layout.Sizes[1] + 1; row < Layout.Sizes[0]; row += Layout.Sizes[1] + 1)
            Narrow(0, row, Math.Min(Layout.Sizes[1], Layout.Sizes[0] - row)).FillDiagonal_(fillValue);
        return this;
    }

    /// <summary>Without dimensions of size 1, in place: the tensor itself has the other shape. Returns itself.</summary>
    public Tensor Squeeze_(int? dim = null) => Reseen("squeeze_", Detach().Squeeze(dim).Layout, Derivatives.Reshape);

    /// <summary>With a dimension of size 1 more, in place. Returns itself.</summary>
    public Tensor Unsqueeze_(int dim) => Reseen("unsqueeze_", Detach().Unsqueeze(dim).Layout, Derivatives.Reshape);

    /// <summary>The transpose of a matrix, in place. Returns itself.</summary>
    public Tensor T_() => Rank < 2 ? this : Transpose_(0, 1, "t_", 2);

    /// <summary>Two dimensions exchanged, in place. Returns itself.</summary>
    public Tensor Transpose_(int dim0, int dim1) => Transpose_(dim0, dim1, "transpose_", int.MaxValue);

    /// <summary><see cref="Transpose_(int, int)"/>.</summary>
    public Tensor Swapaxes_(int axis0, int axis1) => Transpose_(axis0, axis1, "swapaxes_", int.MaxValue);

    /// <summary><see cref="Transpose_(int, int)"/>.</summary>
    public Tensor Swapdims_(int dim0, int dim1) => Transpose_(dim0, dim1, "swapdims_", int.MaxValue);

    private Tensor Transpose_(int dim0, int dim1, string what, int mostDims)
    {
        if (Rank > mostDims)
            throw new InvalidOperationException(
                $"{what}: expects a tensor with <= {mostDims} dimensions, but the shape is {Layout}."
            );
        int a = Layout.Dim(dim0, what);
        int b = Layout.Dim(dim1, what);
        int[] order = [.. Enumerable.Range(0, Rank)];
        if (Rank > 0)
            (order[a], order[b]) = (b, a);
        return Reseen(what, Detach().Permute(order).Layout, Derivatives.Permute, order);
    }

    /// <summary>Cuts it off from its history, in place: it becomes a leaf that requires no gradient. Returns itself.</summary>
    /// <exception cref="InvalidOperationException">It is a view; use <see cref="Detach"/>.</exception>
    public Tensor Detach_()
    {
        if (_base is not null)
            throw new InvalidOperationException("detach_: Can't detach views in-place. Use Detach() instead.");
        _flags &= ~Flags.RequiresGrad;
        _node = null;
        return this;
    }

    // What a function makes of it takes its place. Derivatives read what was there before, so a copy of that is given to the
    // function where it is recorded.
    private Tensor Becomes(string what, Func<Tensor, Tensor> function, params ReadOnlySpan<Tensor?> others)
    {
        CheckChange(what, this);
        bool records = Records(this);
        bool isOther = false;
        foreach (var other in others)
        {
            if (other is null)
                continue;
            CheckChange(what, Given(other));
            records |= Records(other);
        }
        // What derivatives read of it is what was there before.
        var result = function(records ? Clone() : this);
        if (!result.Layout.SameSizes(Layout))
            throw new ArgumentException(
                $"{what}: the result has the shape {result.Layout}, which cannot take the place of one of shape {Layout}."
            );
        if (Promotion.Category(result.DType) > Promotion.Category(DType))
            throw ResultDType(what[..^1], result.DType);
        foreach (var other in others)
            isOther |= ReferenceEquals(other, result);
        if (records || isOther || ReferenceEquals(result, this))
            return Copy_(result);
        Copying.Replace(this, result.To(DType));
        return this;
    }

    // Another view of its own memory.
    private Tensor Reseen(string what, Layout layout, Rule rule, object? data = null)
    {
        if (GradMode.Enabled && RequiresGrad && IsLeaf)
            throw new InvalidOperationException(
                $"{what}: a leaf tensor that requires a gradient cannot be changed in place while operators are recorded; "
                    + "do it in a Tensor.NoGrad() scope, or change a Clone()."
            );
        var node = Records(this) ? Node.Of(rule, this, this) : null;
        Layout = layout;
        Storage.Version++;
        _followed = Storage.Version;
        if (node is null)
            return this;
        node.Data = data;
        SetNode(node);
        return this;
    }
}
