using System.Collections.Immutable;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// The counter-based generator Philox-4x32 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2,
/// 3" (SC 2011), as expressions: block number in, four random 32-bit words out, so that every back end draws the same
/// numbers in any order.
/// </summary>
public static class Philox
{
    private const long Multiplier0 = 0xD2511F53;
    private const long Multiplier1 = 0xCD9E8D57;
    private const long Weyl0 = 0x9E3779B9;
    private const long Weyl1 = 0xBB67AE85;

    /// <summary>The words of one block.</summary>
    /// <param name="counter">Four UInt32 words of the block number, lowest first.</param>
    /// <param name="key">Two UInt32 words of the seed, lowest first.</param>
    /// <param name="rounds">10 is the published standard.</param>
    public static ImmutableArray<Expr> Block(ImmutableArray<Expr> counter, ImmutableArray<Expr> key, int rounds = 10)
    {
        if (counter.Length != 4 || key.Length != 2 || counter.Concat(key).Any(e => e.Type != DType.UInt32))
            throw new ArgumentException("Philox takes a counter of four u32 words and a key of two");
        var (c0, c1, c2, c3) = (counter[0], counter[1], counter[2], counter[3]);
        for (int r = 0; r < rounds; r++)
        {
            Expr k0 = key[0] + Word(r * Weyl0);
            Expr k1 = key[1] + Word(r * Weyl1);
            (c0, c1, c2, c3) = (
                High(c2, Multiplier1) ^ c1 ^ k0,
                c2 * Word(Multiplier1),
                High(c0, Multiplier0) ^ c3 ^ k1,
                c0 * Word(Multiplier0)
            );
        }
        return [c0, c1, c2, c3];
    }

    /// <summary>Low and high word of an int64.</summary>
    public static (Expr Low, Expr High) Words(Expr value) =>
        (Op.Cast(DType.UInt32, value), Op.Cast(DType.UInt32, value >> 32));

    /// <summary>
    /// Random words as a float in [0, 1), exactly: the top 24 bits of the first for float32; for float64 53 bits, the top 27
    /// of the first and the top 26 of the second.
    /// </summary>
    /// <param name="digits">Fewer of the top bits of float32.</param>
    public static Expr ToUnit(Expr word, Expr more, DType type, int digits = 24) =>
        type == DType.Float64
            ? Float(word >> 5, type) * Op.Const(1.0 / (1 << 27), type)
                + Float(more >> 6, type) * Op.Const(1.0 / (1L << 53), type)
            : Float(word >> (32 - digits), type) * Op.Const(1.0 / (1L << digits), type);

    private static Expr Float(Expr bits, DType type) => Op.Cast(type, Op.Cast(DType.Int32, bits));

    // The high half of a 32 by 32 bit product, from 64-bit arithmetic: that the product may wrap into the sign does not
    // matter, since only its middle 32 bits are kept.
    private static Expr High(Expr word, long multiplier) =>
        Op.Cast(DType.UInt32, (Op.Cast(DType.Int64, word) * multiplier) >> 32);

    private static Expr Word(long value) => new IntImm((uint)value, DType.UInt32);
}
