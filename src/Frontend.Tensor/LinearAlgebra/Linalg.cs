using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

/// <summary>
/// torch.linalg: matrices are the last two dimensions, those in front are a batch. Of float32 and float64, which factorisations compute in
/// float64 and round once. Gradients are PyTorch's formulas in tensor operators, so they are differentiated again. Docs/pytorch.md has what differs.
/// </summary>
public static partial class Linalg
{
    private static void RequireFloats(string what, Tensor a)
    {
        if (a.DType is not (DType.Float32 or DType.Float64))
            throw new ArgumentException(
                $"{what}: matrices are of float32 or float64, but the dtype is {a.DType.Name()}; convert it with To()."
            );
    }

    private static void RequireMatrices(
        string what,
        Tensor a,
        [CallerArgumentExpression(nameof(a))] string? name = null
    )
    {
        ArgumentNullException.ThrowIfNull(a, name);
        if (a.Rank < 2)
            throw new ArgumentException(
                $"{what}: {name} must have at least 2 dimensions, but its shape is {a.Layout}."
            );
        RequireFloats(what, a);
    }

    private static void RequireSquare(string what, Tensor a, [CallerArgumentExpression(nameof(a))] string? name = null)
    {
        RequireMatrices(what, a, name);
        if (a.Layout.Sizes[^1] != a.Layout.Sizes[^2])
            throw new ArgumentException(
                $"{what}: {name} must be batches of square matrices, but the last two dimensions of the shape {a.Layout} differ."
            );
    }

    private static void RequireSame(string what, Tensor a, Tensor b)
    {
        RequireFloats(what, b);
        if (a.DType != b.DType)
            throw new ArgumentException(
                $"{what}: the dtypes {a.DType.Name()} and {b.DType.Name()} differ; convert one with To()."
            );
        if (a.Device != b.Device)
            throw new ArgumentException($"{what}: one tensor is on {a.Device}, the other on {b.Device}.");
    }

    private static long[] BatchOf(Tensor a) => [.. a.Layout.Sizes[..^2]];

    private static string Of(long index, ReadOnlySpan<long> batch) =>
        batch.Length == 0 ? "" : $"(Batch element {index}): ";

    // Matrices of two batches, both with the dimensions in front that they have together.
    private static (Tensor A, Tensor B) SameBatch(string what, Tensor a, Tensor b)
    {
        var (front, other) = (Layout.Contiguous(BatchOf(a)), Layout.Contiguous(BatchOf(b)));
        long[] batch =
            Broadcasting.Shape(front, other)
            ?? throw new ArgumentException(
                $"{what}: the batch dimensions of the shapes {a.Layout} and {b.Layout} do not broadcast."
            );
        return (
            a.Expand([.. batch, a.Layout.Sizes[^2], a.Layout.Sizes[^1]]),
            b.Expand([.. batch, b.Layout.Sizes[^2], b.Layout.Sizes[^1]])
        );
    }

    private static void Record(Tensor output, Rule rule, Tensor input, params Tensor?[] saved)
    {
        if (Tensor.Records(input))
            output.SetNode(Node.OfMany(rule, [input], saved));
    }

    private static Tensor EyeLike(Tensor a) => Tensor.Eye(a.Layout.Sizes[^1], null, a.DType, a.Device);

    // a · D with the diagonal d.
    private static Tensor TimesColumns(Tensor a, Tensor d) => a * d.Unsqueeze(-2);

    // D · a with the diagonal d.
    private static Tensor TimesRows(Tensor d, Tensor a) => d.Unsqueeze(-1) * a;

    private static Tensor DiagonalOf(Tensor a) => a.Diagonal(0, -2, -1);

    private static double Epsilon(DType type) => Math.Pow(2, 1 - type.Info().Significand);
}
