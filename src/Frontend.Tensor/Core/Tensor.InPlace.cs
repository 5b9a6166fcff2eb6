using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Adds in place: every tensor that shares the memory sees it.</summary>
    public void operator +=(Tensor b) => Add_(b);

    public void operator +=(Scalar b) => Add_(b);

    /// <summary>Subtracts in place.</summary>
    public void operator -=(Tensor b) => Sub_(b);

    public void operator -=(Scalar b) => Sub_(b);

    /// <summary>Multiplies in place.</summary>
    public void operator *=(Tensor b) => Mul_(b);

    public void operator *=(Scalar b) => Mul_(b);

    /// <summary>Divides in place.</summary>
    public void operator /=(Tensor b) => Div_(b);

    public void operator /=(Scalar b) => Div_(b);

    /// <summary>Adds in place. Returns itself.</summary>
    /// <exception cref="ArgumentException">The result has another shape, or a dtype of a higher category.</exception>
    /// <exception cref="InvalidOperationException">While operators are recorded: a leaf that requires a gradient, a view of
    /// one, or a view that was made in a NoGrad scope. Always: a view that shows an element several times.</exception>
    public Tensor Add_(Tensor b) => ChangeBy(ScalarFunctions.Add, b);

    public Tensor Add_(Scalar b) => ChangeBy(ScalarFunctions.Add, b);

    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Sub_(Tensor b) => ChangeBy(ScalarFunctions.Sub, b);

    public Tensor Sub_(Scalar b) => ChangeBy(ScalarFunctions.Sub, b);

    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Mul_(Tensor b) => ChangeBy(ScalarFunctions.Mul, b);

    public Tensor Mul_(Scalar b) => ChangeBy(ScalarFunctions.Mul, b);

    /// <inheritdoc cref="Add_(Tensor)"/>
    public Tensor Div_(Tensor b) => ChangeBy(ScalarFunctions.Div, b);

    public Tensor Div_(Scalar b) => ChangeBy(ScalarFunctions.Div, b);

    public Tensor Neg_() => ChangeBy(ScalarFunctions.Neg);

    public Tensor Relu_() => ChangeBy(ScalarFunctions.Relu);

    public Tensor Tanh_() => ChangeBy(ScalarFunctions.Tanh);

    public Tensor Exp_() => ChangeBy(ScalarFunctions.Exp);

    public Tensor Sqrt_() => ChangeBy(ScalarFunctions.Sqrt);

    public Tensor Sigmoid_() => ChangeBy(ScalarFunctions.Sigmoid);

    /// <summary>Makes every element 0. Returns itself.</summary>
    public Tensor Zero_() => Fill_(0);

    /// <summary>Makes every element one value. Returns itself.</summary>
    public Tensor Fill_(Scalar value)
    {
        value.Require(DType, "fill_");
        // A view that shows an element several times may be filled: all get the same.
        var once = Layout.Once();
        CheckChange("fill_", this, once);
        bool records = Records(this);
        if (IsContiguous)
        {
            Operator.Fill(this, value);
            Storage.Version++;
        }
        else
        {
            using var places = Alias(once);
            Copying.Into(places, Full([], value, DType, Device).Expand(once.Sizes));
        }
        return records ? Overwritten(once) : this;
    }

    /// <summary>Takes over the elements of another tensor, converted and broadcast. Returns itself.</summary>
    /// <exception cref="ArgumentException">The other's shape does not broadcast to this one's; names both.</exception>
    public Tensor Copy_(Tensor from)
    {
        ArgumentNullException.ThrowIfNull(from);
        CheckChange("copy_", from);
        CheckFits("copy_", from.Layout);
        var values = from.To(DType).ToDevice(Device);
        values = values.ExpandTo(Layout);
        bool records = Records(this, values);
        Copying.Into(this, values);
        return records ? Overwritten(Layout, values.NodeForGrad()) : this;
    }

    /// <summary>Uniform random numbers from low up to high, exclusive. Returns itself.</summary>
    /// <exception cref="ArgumentException">Not floats; high is below low, or they are further apart than the dtype goes.</exception>
    public Tensor Uniform_(double low = 0, double high = 1, Generator? generator = null)
    {
        RequireFloat("uniform_");
        double most = DType.Info().Highest;
        if (!(low <= high && low >= -most && high <= most && high - low <= most))
            throw new ArgumentException(
                $"uniform_: there are no numbers from {low} up to {high}; high must not be below low, and both and their "
                    + $"difference within {DType.Name()}."
            );
        return Draw(Rand(Shape, generator, DType, Device), high - low, low, "uniform_");
    }

    /// <summary>Normal random numbers. Returns itself.</summary>
    /// <exception cref="ArgumentException">Not floats; a negative deviation.</exception>
    public Tensor Normal_(double mean = 0, double std = 1, Generator? generator = null)
    {
        RequireFloat("normal_");
        if (!(std >= 0))
            throw new ArgumentException($"normal_: std is {std}, but must be at least 0.");
        return Draw(Randn(Shape, generator, DType, Device), std, mean, "normal_");
    }

    /// <summary>this ← this + b for a gradient that only the engine holds: no checks, no record.</summary>
    internal void AddInto(Tensor b)
    {
        bool recording = GradMode.Enabled;
        GradMode.Enabled = false;
        try
        {
            ElementFunction add = ScalarFunctions.Add;
            if (!Keeps(add) || !add.TryReplace(this, b))
                Copying.Replace(this, Apply(add, this, b));
        }
        finally
        {
            GradMode.Enabled = recording;
        }
    }

    private Tensor Draw(Tensor unit, double scale, double shift, string what)
    {
        CheckChange(what, this);
        bool records = Records(this);
        using (NoGrad())
        {
            // Of the half types what is moved is rounded once.
            var moved =
                scale == 1 && shift == 0
                    ? unit
                    : Operator.Cast(Moved(Operator.Cast(unit, DType.Compute()), scale, shift), DType);
            Copying.Replace(this, moved);
        }
        return records ? Overwritten(Layout) : this;
    }

    // unit · scale + shift, rounded after each. Numbers that were just drawn, up to a few pages of them, are changed where they are:
    // two kernels for each shape of a model's parameters took its start 12 ms, this 1 ns an element.
    private static unsafe Tensor Moved(Tensor unit, double scale, double shift)
    {
        const long Few = 1 << 14;
        var (by, more) = ((float)scale, (float)shift);
        bool plain =
            Executor.Listening is null
            && unit.Device.IsCpu
            && unit.DType == DType.Float32
            && unit.IsContiguous
            && unit.NumElements <= Few;
        if (!plain || !float.IsFinite(by) || !float.IsFinite(more))
            return unit * scale + shift;
        float* first = (float*)unit.Address;
        for (long i = 0; i < unit.NumElements; i++)
            first[i] = first[i] * by + more;
        GC.KeepAlive(unit);
        return unit;
    }

    private Tensor ChangeBy(ElementFunction function)
    {
        CheckChange(function.Name + "_", this);
        if (function.Kind == FunctionKind.Float && !DType.IsFloat())
            throw ResultDType(function.Name, DType.Float32);
        var node = Records(this) ? Node.Of(function.Rule!, this, this) : null;
        if (!Keeps(function) || !function.TryReplace(this))
        {
            using (NoGrad())
                Copying.Replace(this, Apply(function, this));
        }
        node?.ResaveOutput();
        return Changed(node);
    }

    private Tensor ChangeBy(ElementFunction function, Tensor b)
    {
        ArgumentNullException.ThrowIfNull(b);
        CheckChange(function.Name + "_", b);
        CheckFits(function.Name + "_", b.Layout);
        Node? node = null;
        // The slopes of what is wider are its own.
        if (DType.IsFloat() && Records(this, b) && Promotion.Of(this, b) != DType)
            return Copy_(Apply(function, this, b));
        if (Records(this, b))
        {
            // Of what b's derivative reads a copy is kept, since it is about to be lost.
            var before = (function.Rule!.Saves & Saves.A) != 0 && b.RequiresGrad ? Clone() : this;
            node = Node.Of(function.Rule, this, before, b.To(DType).ToDevice(Device));
        }
        if (!Keeps(function) || !function.TryReplace(this, b))
        {
            using (NoGrad())
                Store(function.Name, Apply(function, this, b));
        }
        node?.ResaveOutput();
        return Changed(node);
    }

    // Whether the function of it and of what has its dtype has that dtype, without a detour.
    private bool Keeps(ElementFunction function) =>
        function.Kind == FunctionKind.Float
            ? DType.IsFloat()
            : function.Kind == FunctionKind.Arithmetic && DType is not (DType.UInt8 or DType.Bool);

    private Tensor ChangeBy(ElementFunction function, Scalar b)
    {
        CheckChange(function.Name + "_", this);
        Node? node = null;
        if (Records(this))
        {
            node = Node.Of(function.NumberRule!, this, this);
            node.X = b.AsDouble;
        }
        bool keeps =
            Keeps(function)
            && DType.IsFloat()
            && Promotion.Of(DType, Promotion.RankOf(this), b.Type, Promotion.Rank.Number) == DType;
        if (!keeps || !function.TryReplace(this, b))
        {
            using (NoGrad())
                Store(function.Name, Apply(function, this, b));
        }
        return Changed(node);
    }

    private void Store(string function, Tensor result)
    {
        if (Promotion.Category(result.DType) > Promotion.Category(DType))
            throw ResultDType(function, result.DType);
        Copying.Replace(this, Operator.Cast(result, DType));
    }

    // What may be changed in place: not a leaf that wants a gradient or a view of one, not a view that was made while
    // nothing was recorded of something that is recorded, not a view that shows one element several times.
    private void CheckChange(string what, Tensor other) => CheckChange(what, other, Layout);

    private void CheckChange(string what, Tensor other, Layout part)
    {
        if (part.Once() != part)
            throw new InvalidOperationException(
                $"{what}: a view of shape {part} shows one element several times; change a Clone() instead."
            );
        if (!GradMode.Enabled)
            return;
        bool records = Records(this, other);
        var owner = _base ?? this;
        if ((_flags & Flags.MadeInNoGrad) != 0 && (records || owner.RequiresGrad))
            throw new InvalidOperationException(
                $"{what}: this view of shape {Layout} was made in a Tensor.NoGrad() scope and would be changed in place while "
                    + "operators are recorded, so it is not clear whether gradients are to follow; do both inside the scope "
                    + "or both outside, or change a Clone()."
            );
        if (!records)
            return;
        if (RequiresGrad && IsLeaf)
            throw new InvalidOperationException(
                $"{what}: a leaf tensor that requires a gradient cannot be changed in place while operators are recorded; "
                    + "do it in a Tensor.NoGrad() scope, or change a Clone()."
            );
        if (RequiresGrad && owner.IsLeaf)
            throw new InvalidOperationException(
                $"{what}: a view of a leaf tensor that requires a gradient cannot be changed in place while operators are "
                    + "recorded; do it in a Tensor.NoGrad() scope, or change a Clone()."
            );
    }

    private void CheckFits(string what, Layout other)
    {
        var shape = Broadcasting.Shape(Layout, other);
        if (shape is null || !shape.AsSpan().SequenceEqual(Layout.Sizes))
            throw new ArgumentException(
                $"{what}: the shape {other} does not broadcast to the shape {Layout}, which cannot change in place."
            );
    }

    private ArgumentException ResultDType(string what, DType result) =>
        new(
            $"{what}_: the result is {result.Name()}, which cannot be stored in place in a tensor of {DType.Name()}; "
                + "convert it with To() first."
        );
}
