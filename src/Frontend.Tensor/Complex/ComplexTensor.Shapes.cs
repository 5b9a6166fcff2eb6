namespace Picograd;

// What moves elements moves both parts. Views of it are views of the parts.
public sealed partial class ComplexTensor
{
    private ComplexTensor Each(Func<Tensor, Tensor> run) => new(run(Real), run(Imag));

    /// <inheritdoc cref="Tensor.this"/>
    [System.Runtime.CompilerServices.IndexerName("Elements")]
    public ComplexTensor this[params ReadOnlySpan<TensorIndex> indices]
    {
        get => new(Real[indices], Imag[indices]);
        set
        {
            ArgumentNullException.ThrowIfNull(value);
            Real[indices] = value.Real;
            Imag[indices] = value.Imag;
        }
    }

    /// <inheritdoc cref="Tensor.Reshape"/>
    public ComplexTensor Reshape(params ReadOnlySpan<long> shape) => new(Real.Reshape(shape), Imag.Reshape(shape));

    /// <inheritdoc cref="Tensor.View"/>
    public ComplexTensor View(params ReadOnlySpan<long> shape) => new(Real.View(shape), Imag.View(shape));

    /// <inheritdoc cref="Tensor.Flatten"/>
    public ComplexTensor Flatten(int from = 0, int to = -1) => Each(t => t.Flatten(from, to));

    /// <inheritdoc cref="Tensor.Permute"/>
    public ComplexTensor Permute(params ReadOnlySpan<int> order) => new(Real.Permute(order), Imag.Permute(order));

    /// <inheritdoc cref="Tensor.Transpose"/>
    public ComplexTensor Transpose(int dim0, int dim1) => Each(t => t.Transpose(dim0, dim1));

    /// <inheritdoc cref="Tensor.T"/>
    public ComplexTensor T => Each(t => t.T);

    /// <inheritdoc cref="Tensor.MT"/>
    public ComplexTensor MT => Each(t => t.MT);

    /// <summary>The conjugate of the transpose of a matrix.</summary>
    public ComplexTensor H => T.Conj();

    /// <summary>Conjugates of transposes of matrices.</summary>
    public ComplexTensor MH => MT.Conj();

    /// <summary>Conjugates of transposes of matrices.</summary>
    public ComplexTensor Adjoint() => MH;

    /// <inheritdoc cref="Tensor.Squeeze"/>
    public ComplexTensor Squeeze(int? dim = null) => Each(t => t.Squeeze(dim));

    /// <inheritdoc cref="Tensor.Unsqueeze"/>
    public ComplexTensor Unsqueeze(int dim) => Each(t => t.Unsqueeze(dim));

    /// <inheritdoc cref="Tensor.Expand"/>
    public ComplexTensor Expand(params ReadOnlySpan<long> shape) => new(Real.Expand(shape), Imag.Expand(shape));

    /// <inheritdoc cref="Tensor.Narrow"/>
    public ComplexTensor Narrow(int dim, long start, long length) => Each(t => t.Narrow(dim, start, length));

    /// <inheritdoc cref="Tensor.Select"/>
    public ComplexTensor Select(int dim, long index) => Each(t => t.Select(dim, index));

    /// <inheritdoc cref="Tensor.IndexSelect"/>
    public ComplexTensor IndexSelect(int dim, Tensor index) => Each(t => t.IndexSelect(dim, index));

    /// <inheritdoc cref="Tensor.Gather"/>
    public ComplexTensor Gather(int dim, Tensor index) => Each(t => t.Gather(dim, index));

    /// <inheritdoc cref="Tensor.MoveDim(int, int)"/>
    public ComplexTensor MoveDim(int source, int destination) => Each(t => t.MoveDim(source, destination));

    /// <inheritdoc cref="Tensor.Flip"/>
    public ComplexTensor Flip(params ReadOnlySpan<int> dims) => new(Real.Flip(dims), Imag.Flip(dims));

    /// <inheritdoc cref="Tensor.Roll(ReadOnlySpan{long}, ReadOnlySpan{int})"/>
    public ComplexTensor Roll(ReadOnlySpan<long> shifts, ReadOnlySpan<int> dims = default) =>
        new(Real.Roll(shifts, dims), Imag.Roll(shifts, dims));

    /// <inheritdoc cref="Tensor.Repeat"/>
    public ComplexTensor Repeat(params ReadOnlySpan<long> repeats) => new(Real.Repeat(repeats), Imag.Repeat(repeats));

    /// <inheritdoc cref="Tensor.Diagonal"/>
    public ComplexTensor Diagonal(long offset = 0, int dim1 = 0, int dim2 = 1) =>
        Each(t => t.Diagonal(offset, dim1, dim2));

    /// <inheritdoc cref="Tensor.Split(long, int)"/>
    public ComplexTensor[] Split(long size, int dim = 0) =>
        [.. Real.Split(size, dim).Zip(Imag.Split(size, dim), (a, b) => new ComplexTensor(a, b))];

    /// <inheritdoc cref="Tensor.Unbind"/>
    public ComplexTensor[] Unbind(int dim = 0) =>
        [.. Real.Unbind(dim).Zip(Imag.Unbind(dim), (a, b) => new ComplexTensor(a, b))];

    /// <inheritdoc cref="Tensor.Contiguous"/>
    public ComplexTensor Contiguous() => Each(t => t.Contiguous());

    /// <inheritdoc cref="Tensor.Cat"/>
    public static ComplexTensor Cat(ReadOnlySpan<ComplexTensor> tensors, int dim = 0)
    {
        var all = tensors.ToArray();
        return new(Tensor.Cat([.. all.Select(t => t.Real)], dim), Tensor.Cat([.. all.Select(t => t.Imag)], dim));
    }

    /// <inheritdoc cref="Tensor.Stack"/>
    public static ComplexTensor Stack(ReadOnlySpan<ComplexTensor> tensors, int dim = 0)
    {
        var all = tensors.ToArray();
        return new(Tensor.Stack([.. all.Select(t => t.Real)], dim), Tensor.Stack([.. all.Select(t => t.Imag)], dim));
    }

    /// <inheritdoc cref="Tensor.Where(Tensor, Tensor, Tensor)"/>
    public static ComplexTensor Where(Tensor condition, ComplexTensor a, ComplexTensor b) =>
        new(Tensor.Where(condition, a.Real, b.Real), Tensor.Where(condition, a.Imag, b.Imag));
}
