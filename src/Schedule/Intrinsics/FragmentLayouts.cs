using System.Globalization;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Intrinsics;

/// <summary>
/// The layouts of tensor-core instructions (PTX ISA, "Matrix fragments for mma.m16n8k8 / m16n8k16", "ldmatrix", "Register
/// fragments for wgmma"; CUTLASS mma_traits_sm80.hpp and mma_traits_sm90_gmma.hpp). In all of them lane = 4·g + t, with g
/// in 0..8 and t in 0..4; a warpgroup's lane is 32·warp + 4·g + t. Tiles are rows × columns: A is m × k, B is k × n, C is m × n.
/// </summary>
public static class FragmentLayouts
{
    /// <summary>C and D of m16n8: row g + 8·(r / 2), column 2t + r % 2.</summary>
    public static FragmentLayout C { get; } = new("mma.c", [Columns(4, 2), Rows(8, 1)], [Columns(2, 1), Rows(2, 8)]);

    /// <summary>A of m16n8k8, 32 bits: row g + 8·(r % 2), column t + 4·(r / 2).</summary>
    public static FragmentLayout A32 { get; } =
        new("mma.a32", [Columns(4, 1), Rows(8, 1)], [Rows(2, 8), Columns(2, 4)]);

    /// <summary>B of m16n8k8, 32 bits: k = t + 4·r, n = g.</summary>
    public static FragmentLayout B32 { get; } = new("mma.b32", [Rows(4, 1), Columns(8, 1)], [Rows(2, 4)]);

    /// <summary>A of m16n8k16, 16 bits: row g + 8·(r / 2 % 2), column 2t + r % 2 + 8·(r / 4).</summary>
    public static FragmentLayout A16 { get; } =
        new("mma.a16", [Columns(4, 2), Rows(8, 1)], [Columns(2, 1), Rows(2, 8), Columns(2, 8)]);

    /// <summary>B of m16n8k16, 16 bits: k = 2t + r % 2 + 8·(r / 2), n = g.</summary>
    public static FragmentLayout B16 { get; } = new("mma.b16", [Rows(4, 2), Columns(8, 1)], [Rows(2, 1), Rows(2, 8)]);

    /// <summary>Two <see cref="B32"/> side by side, 8 × 16: what one ldmatrix of four matrices fills.</summary>
    public static FragmentLayout B32Pair { get; } = new("mma.b32.pair", B32.Lane, [.. B32.Register, Columns(2, 8)]);

    /// <summary>Two <see cref="B16"/> side by side, 16 × 16.</summary>
    public static FragmentLayout B16Pair { get; } = new("mma.b16.pair", B16.Lane, [.. B16.Register, Columns(2, 8)]);

    /// <summary>
    /// Accumulator of wgmma m64nN, N a multiple of 8 from 8 to 256: row 16·warp + g + 8·(r / 2 % 2), column 8·(r / 4) + 2t + r % 2.
    /// </summary>
    public static FragmentLayout WgmmaC(int n)
    {
        if (n is < 8 or > 256 || n % 8 != 0)
            throw new ArgumentOutOfRangeException(
                nameof(n),
                n,
                "columns of a wgmma accumulator are a multiple of 8 from 8 to 256"
            );
        return new(
            string.Create(CultureInfo.InvariantCulture, $"wgmma.c{n}"),
            [Columns(4, 2), Rows(8, 1), Rows(4, 16)],
            n == 8 ? [Columns(2, 1), Rows(2, 8)] : [Columns(2, 1), Rows(2, 8), Columns(n / 8, 8)]
        );
    }

    /// <summary>A of wgmma m64k16 in registers, 16 bits: row as the accumulator's, k = 8·(r / 4) + 2t + r % 2.</summary>
    public static FragmentLayout WgmmaA16 { get; } =
        new("wgmma.a16", [Columns(4, 2), Rows(8, 1), Rows(4, 16)], [Columns(2, 1), Rows(2, 8), Columns(2, 8)]);

    /// <summary>A of wgmma m64k8 in registers, 32 bits: row 16·warp + g + 8·(r % 2), k = t + 4·(r / 2).</summary>
    public static FragmentLayout WgmmaA32 { get; } =
        new("wgmma.a32", [Columns(4, 1), Rows(8, 1), Rows(4, 16)], [Rows(2, 8), Columns(2, 4)]);

    // Addresses that lanes give to ldmatrix: lanes 8j … 8j+7 those of the rows (16 bytes each) of matrix j, as they lie in
    // shared memory. The order of the matrices is that of the words of the fragment that they fill.

    /// <summary>16 × 16 elements of 16 bits; matrices below each other first: A from m × k, two B from k × n (.trans).</summary>
    internal static FragmentLayout RowsOf16 { get; } =
        new("ldmatrix.16x16", [Rows(8, 1), Rows(2, 8), Columns(2, 8)], [Columns(8, 1)]);

    /// <summary>16 × 16 elements of 16 bits; side by side first: A from k × m (.trans), two B from n × k.</summary>
    internal static FragmentLayout RowsOf16Across { get; } =
        new("ldmatrix.16x16.across", [Rows(8, 1), Columns(2, 8), Rows(2, 8)], [Columns(8, 1)]);

    /// <summary>8 × 16 elements of 16 bits: B from n × k.</summary>
    internal static FragmentLayout RowsOf16Wide { get; } =
        new("ldmatrix.8x16", [Rows(8, 1), Columns(2, 8)], [Columns(8, 1)]);

    /// <summary>16 × 8 elements of 16 bits: B from k × n (.trans).</summary>
    internal static FragmentLayout RowsOf16Tall { get; } =
        new("ldmatrix.16x8", [Rows(8, 1), Rows(2, 8)], [Columns(8, 1)]);

    /// <summary>16 × 8 elements of 32 bits; below each other first: A from m × k.</summary>
    internal static FragmentLayout RowsOf32 { get; } =
        new("ldmatrix.32.16x8", [Rows(8, 1), Rows(2, 8), Columns(2, 4)], [Columns(4, 1)]);

    /// <summary>16 × 8 elements of 32 bits; side by side first: two B from n × k.</summary>
    internal static FragmentLayout RowsOf32Across { get; } =
        new("ldmatrix.32.16x8.across", [Rows(8, 1), Columns(2, 4), Rows(2, 8)], [Columns(4, 1)]);

    /// <summary>8 × 8 elements of 32 bits: B from n × k.</summary>
    internal static FragmentLayout RowsOf32Wide { get; } =
        new("ldmatrix.32.8x8", [Rows(8, 1), Columns(2, 4)], [Columns(4, 1)]);

    private static FragmentDigit Rows(int extent, int step) => new(extent, step, 0);

    private static FragmentDigit Columns(int extent, int step) => new(extent, 0, step);
}
