namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Matrices transposed: the last two dimensions exchanged.</summary>
    /// <exception cref="InvalidOperationException">Fewer than two dimensions.</exception>
    public Tensor MT =>
        Rank >= 2
            ? Transpose(-2, -1)
            : throw new InvalidOperationException($"MT: only matrices have a transpose, but the shape is {Layout}.");

    /// <summary>Of real numbers the transpose; see <see cref="MT"/>.</summary>
    public Tensor MH => MT;

    /// <summary>Of real numbers the transpose of a matrix; see <see cref="T"/>.</summary>
    public Tensor H =>
        Rank is 0 or 2
            ? T
            : throw new InvalidOperationException($"H: only a matrix has a transpose, but the shape is {Layout}.");

    /// <summary>Of real numbers the transposes of matrices; see <see cref="MT"/>.</summary>
    public Tensor Adjoint() => MT;
}
