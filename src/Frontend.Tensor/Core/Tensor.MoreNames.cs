using Picograd.Algorithms;

namespace Picograd;

// Further names that PyTorch has.
public sealed partial class Tensor
{
    /// <summary>Rounded to so many decimals (negative ones: tens, hundreds), halves to even ones.</summary>
    /// <exception cref="ArgumentException">Decimals of whole numbers.</exception>
    public Tensor Round(int decimals)
    {
        if (decimals == 0)
            return Round();
        RequireFloat("round");
        double power = Math.Pow(10, Math.Abs(decimals));
        return decimals > 0 ? (this * power).Round() / power : (this / power).Round() * power;
    }

    /// <summary>A vector as the diagonal of a matrix, of any shape flattened first.</summary>
    public Tensor Diagflat(long offset = 0) => Flatten().Diag(offset);

    /// <summary>The p-norm of the difference.</summary>
    public Tensor Dist(Tensor other, double p = 2) => (this - Given(other)).Norm(p);

    /// <summary>One row after the other (the default), so many a piece.</summary>
    public Tensor[] SplitWithSizes(ReadOnlySpan<long> splitSizes, int dim = 0) => Split(splitSizes, dim);

    /// <summary>The same as <see cref="Chunk"/>, whose pieces may be changed in place.</summary>
    public Tensor[] UnsafeChunk(int chunks, int dim = 0) => Chunk(chunks, dim);

    /// <summary>The same as <see cref="Split(long, int)"/>, whose pieces may be changed in place.</summary>
    public Tensor[] UnsafeSplit(long size, int dim = 0) => Split(size, dim);

    /// <summary>A copy of a part of a dimension.</summary>
    public Tensor NarrowCopy(int dim, long start, long length) => Narrow(dim, start, length).Clone();

    /// <summary>A tensor of its shape that has one value everywhere.</summary>
    public Tensor Fill(Scalar value) => Clone().Fill_(value);

    /// <summary><see cref="IndexPut_"/> on a copy.</summary>
    public Tensor IndexPut(ReadOnlySpan<Tensor?> indices, Tensor values, bool accumulate = false) =>
        Clone().IndexPut_(indices, values, accumulate);

    /// <summary>The sum over what a shape that broadcasts to this one repeats.</summary>
    /// <exception cref="ArgumentException">It does not broadcast to this one.</exception>
    public Tensor SumToSize(params ReadOnlySpan<long> size)
    {
        long[] wanted = size.ToArray();
        var shape = Layout.Contiguous(wanted);
        if (Calls.Broadcasting.Shape(shape, Layout) is not { } all || !all.AsSpan().SequenceEqual(Layout.Sizes))
            throw new ArgumentException(
                $"sum_to_size: size {shape} is not expandable to size {Layout}, that of the tensor."
            );
        return SumTo(shape);
    }

    /// <summary>Indices of a flattened tensor of a shape as one index a dimension.</summary>
    /// <exception cref="ArgumentException">Not integers; an index out of range.</exception>
    public static Tensor[] UnravelIndex(Tensor indices, params ReadOnlySpan<long> shape)
    {
        if (Given(indices).DType.IsFloat() || indices.DType == DType.Bool)
            throw new ArgumentException(
                $"unravel_index: indices must be integers, but they are {indices.DType.Name()}."
            );
        long count = Layout.CountOf(shape);
        if (
            indices.NumElements > 0
            && !indices.Device.IsMeta
            && (indices.Amax().Item() >= count || indices.Amin().Item() < -count)
        )
            throw new ArgumentException(
                $"unravel_index: an index is out of range for a shape of {count} elements ({string.Join(", ", shape.ToArray())})."
            );
        var left = indices.Remainder(Math.Max(count, 1));
        var found = new Tensor[shape.Length];
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            found[d] = left.Remainder(shape[d]);
            left = left.Div(shape[d], "floor");
        }
        return found;
    }

    /// <summary>Places of what is not 0, so many: the first, or filled up.</summary>
    /// <param name="size">How many rows.</param>
    /// <param name="fillValue">Of rows that are left.</param>
    public Tensor NonzeroStatic(long size, long fillValue = -1)
    {
        if (size < 0)
            throw new ArgumentException($"nonzero_static: size is {size}, but must be at least 0.");
        var places = NonZero();
        long found = places.Layout.Sizes[0];
        return found >= size
            ? places.Narrow(0, 0, size)
            : Cat([places, Full([size - found, Rank], fillValue, DType.Int64, Device)]);
    }

    /// <summary>Uninitialised, of this dtype and device unless others are given.</summary>
    public Tensor NewEmpty(ReadOnlySpan<long> size, DType? dtype = null, Device? device = null) =>
        Empty(size, dtype ?? DType, device ?? Device);

    /// <summary>One value, of this dtype and device unless others are given.</summary>
    public Tensor NewFull(ReadOnlySpan<long> size, Scalar fillValue, DType? dtype = null, Device? device = null) =>
        Full(size, fillValue, dtype ?? DType, device ?? Device);

    /// <summary>Zeros, of this dtype and device unless others are given.</summary>
    public Tensor NewZeros(ReadOnlySpan<long> size, DType? dtype = null, Device? device = null) =>
        Zeros(size, dtype ?? DType, device ?? Device);

    /// <summary>Ones, of this dtype and device unless others are given.</summary>
    public Tensor NewOnes(ReadOnlySpan<long> size, DType? dtype = null, Device? device = null) =>
        Ones(size, dtype ?? DType, device ?? Device);

    /// <summary>Values, of this dtype and device unless others are given.</summary>
    public Tensor NewTensor<TValue>(TValue[] data, DType? dtype = null, Device? device = null)
        where TValue : unmanaged => From(data).To(dtype ?? DType).ToDevice(device ?? Device);

    /// <summary>Uninitialised memory seen with strides.</summary>
    /// <exception cref="ArgumentException">Negative sizes or strides, or not one stride a size.</exception>
    public static Tensor EmptyStrided(
        ReadOnlySpan<long> size,
        ReadOnlySpan<long> stride,
        DType dtype = DType.Float32,
        Device? device = null
    )
    {
        if (size.Length != stride.Length)
            throw new ArgumentException(
                $"empty_strided: there are {size.Length} sizes and {stride.Length} strides; there must be one each."
            );
        long length = Layout.CountOf(size) == 0 ? 0 : 1;
        for (int d = 0; d < size.Length && length > 0; d++)
        {
            if (stride[d] < 0)
                throw new ArgumentException($"empty_strided: stride {d} is {stride[d]}, but must be at least 0.");
            length += (size[d] - 1) * stride[d];
        }
        return Empty([length], dtype, device).AsStrided(size, stride);
    }

    /// <summary>From start to end, both included, as <c>torch.range</c> (which PyTorch would rather not have): float32.</summary>
    public static Tensor Range(double start, double end, double step = 1, DType dtype = DType.Float32)
    {
        if (step == 0 || (end - start) / step < 0 || !double.IsFinite((end - start) / step))
            throw new ArgumentException($"range: there is no way from {start} to {end} in steps of {step}.");
        var count = Arange((long)Math.Floor((end - start) / step) + 1);
        return (count.To(DType.Float64) * step + start).To(dtype);
    }

    /// <summary>A number as a tensor without dimensions.</summary>
    public static Tensor ScalarTensor(Scalar value, DType? dtype = null, Device? device = null) =>
        Full([], value, dtype ?? DType.Float32, device);

    /// <summary>Itself where dtype and device are right, else a conversion.</summary>
    public static Tensor AsTensor(Tensor data, DType? dtype = null, Device? device = null) =>
        Given(data).To(dtype ?? data.DType).ToDevice(device ?? data.Device);

    /// <summary>Values as a tensor; an array's own memory is shared by <see cref="FromMemory"/>.</summary>
    public static Tensor AsTensor<TValue>(TValue[] data, DType? dtype = null, Device? device = null)
        where TValue : unmanaged
    {
        var made = From(data);
        return made.To(dtype ?? made.DType).ToDevice(device ?? made.Device);
    }

    /// <summary>The dtype that an operator of both gives.</summary>
    public static DType ResultType(Tensor tensor1, Tensor tensor2) => Promotion.Of(Given(tensor1), Given(tensor2));

    /// <summary>The dtype that an operator of a tensor and a number gives.</summary>
    public static DType ResultType(Tensor tensor, Scalar number) =>
        Promotion.Of(
            Given(tensor).DType,
            tensor.Rank > 0 ? Promotion.Rank.Tensor : Promotion.Rank.Scalar,
            number.Type,
            Promotion.Rank.Number
        );

    /// <summary>The dtype that tensors of both have in common.</summary>
    public static DType PromoteTypes(DType type1, DType type2) =>
        Promotion.Of(type1, Promotion.Rank.Tensor, type2, Promotion.Rank.Tensor);

    /// <summary>Whether a result of a dtype may be written into a tensor of another: not floats into integers, nor those into bools.</summary>
    public static bool CanCast(DType from, DType to) => Promotion.Category(from) <= Promotion.Category(to);

    /// <summary>Number of dimensions.</summary>
    public int Ndim => Rank;

    /// <summary>Number of dimensions.</summary>
    public int Ndimension() => Rank;

    /// <summary>Number of elements.</summary>
    public long Nelement() => NumElements;

    /// <summary>Bytes of an element.</summary>
    public int Itemsize => ElementSize;

    /// <summary>Bytes of all elements.</summary>
    public long Nbytes => NumElements * ElementSize;

    /// <summary>Whether it has complex numbers: those are <see cref="ComplexTensor"/>s.</summary>
    public bool IsComplex => false;

    /// <summary>Whether its dtype has negative numbers.</summary>
    public bool IsSigned => DType is not (DType.Bool or DType.UInt8);

    /// <summary>The sign, as of complex numbers.</summary>
    public Tensor Sgn() => Sign();

    /// <summary>Itself: what is conjugate to a real number.</summary>
    public Tensor Conj() => this;

    /// <summary>Itself.</summary>
    public Tensor ConjPhysical() => this;

    /// <summary>Itself: the real part.</summary>
    public Tensor Real => this;

    /// <summary>int16.</summary>
    public Tensor Short() => To(DType.Int16);

    /// <summary>int8.</summary>
    public Tensor Char() => To(DType.Int8);
}
