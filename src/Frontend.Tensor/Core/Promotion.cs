using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// PyTorch's rules for the dtype of a result. Categories are bool &lt; integer &lt; float. Tensors with dimensions decide;
/// a 0-d tensor counts only if its category is higher, and a number only if its category is higher than both. float16 with bfloat16 is float32.
/// </summary>
internal static class Promotion
{
    /// <summary>Strength of an operand in promotion: a tensor with dimensions, a 0-d tensor, a plain number.</summary>
    public enum Rank
    {
        Number,
        Scalar,
        Tensor,
    }

    public static DType Of(DType a, Rank rankA, DType b, Rank rankB)
    {
        if (a == b)
            return a;
        if (rankA == rankB)
            return DTypeInfo.Join(a, b);
        var (strong, weak) = rankA > rankB ? (a, b) : (b, a);
        if (Category(weak) <= Category(strong))
            return strong;
        // A number of a higher category brings the default type of its category, a 0-d tensor its own.
        bool isNumber = rankA == Rank.Number || rankB == Rank.Number;
        return isNumber && weak.IsFloat() ? DType.Float32 : weak;
    }

    /// <summary>
    /// Type of a result of several tensors, some of which may be missing: what those with dimensions have in common decides over
    /// what the 0-d ones have. (Two by two it were another: the float64 of a 0-d one between uint8 and float32 would stay.)
    /// </summary>
    public static DType Of(params ReadOnlySpan<Tensor?> tensors)
    {
        DType? withDims = null;
        DType? without = null;
        foreach (var tensor in tensors)
        {
            if (tensor is null)
                continue;
            ref var of = ref tensor.Rank > 0 ? ref withDims : ref without;
            of = of is { } type ? Of(type, Rank.Tensor, tensor.DType, Rank.Tensor) : tensor.DType;
        }
        return withDims is { } strong && without is { } weak
            ? Of(strong, Rank.Tensor, weak, Rank.Scalar)
            : withDims ?? without ?? throw new ArgumentException("there are no tensors.");
    }

    public static Rank RankOf(Tensor t) => t.Rank == 0 ? Rank.Scalar : Rank.Tensor;

    /// <summary>Type of a division or of a function such as exp: integers and bools become float32.</summary>
    public static DType Float(DType type) => type.IsFloat() ? type : DType.Float32;

    public static DTypeKind Category(DType type) => type.Info().Kind;
}
