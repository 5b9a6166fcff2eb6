using Picograd.Algorithms;

namespace Picograd.Schedules;

/// <summary>Matrix instructions of NVIDIA GPUs, as declarations.</summary>
public static class TensorCores
{
    /// <summary>
    /// mma.m16n8k8.tf32 (PTX ISA, mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32): one warp adds a 16×8 by 8×8
    /// product to a 16×8 accumulator, all in fragments. The instruction reads only the upper 19 bits of its
    /// operands, so its meaning holds for values rounded to <see cref="Tf32"/>, which the algorithm must ask for.
    /// </summary>
    public static Intrinsic MmaTf32 { get; } = DeclareMmaTf32();

    /// <summary>A float32 with its last 13 bits of mantissa cut off, as tensor cores read it.</summary>
    public static Expr Tf32(Expr value) =>
        Op.Bitcast(
            DType.Float32,
            Op.Bit(BinaryOp.BitAnd, Op.Bitcast(DType.UInt32, value), new IntImm(0xFFFFE000, DType.UInt32))
        );

    private static Intrinsic DeclareMmaTf32()
    {
        var (m, n, k) = (new Axis("m", 16), new Axis("n", 8), new Axis("k", 8, AxisKind.Reduce));
        var c = new Buffer("c", DType.Float32, [16, 8], Scope.Fragment);
        var a = new Buffer("a", DType.Float32, [16, 8], Scope.Fragment);
        var b = new Buffer("b", DType.Float32, [8, 8], Scope.Fragment);
        return IntrinsicLibrary.Accumulate(
            "mma.m16n8k8.tf32",
            [m, n, k],
            [c, a, b],
            [m.Var, n.Var],
            Tf32(a[m, k]) * Tf32(b[k, n])
        );
    }
}
