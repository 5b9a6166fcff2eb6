using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Intrinsics;

/// <summary>Matrix instructions of NVIDIA GPUs, as declarations.</summary>
public static class TensorCores
{
    /// <summary>
    /// mma.m16n8k8.tf32 (PTX ISA, mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32): one warp adds a 16×8 by 8×8
    /// product to a 16×8 accumulator, all in fragments. The instruction reads only the upper 19 bits of its
    /// operands, so its meaning holds for values cut off by <see cref="Tf32"/>, which the algorithm must ask for.
    /// </summary>
    public static Intrinsic MmaTf32 { get; } =
        Mma("mma.m16n8k8.tf32", DType.Float32, 8, FragmentLayouts.A32, FragmentLayouts.B32, Tf32);

    /// <summary>
    /// mma.m16n8k16.bf16 (mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32): a 16×16 by 16×8 product of bfloat16
    /// fragments is added to a float32 accumulator of 16×8.
    /// </summary>
    public static Intrinsic MmaBf16 { get; } =
        Mma("mma.m16n8k16.bf16", DType.BFloat16, 16, FragmentLayouts.A16, FragmentLayouts.B16, Widened);

    /// <summary>mma.m16n8k16.f16: as <see cref="MmaBf16"/>, of float16.</summary>
    public static Intrinsic MmaF16 { get; } =
        Mma("mma.m16n8k16.f16", DType.Float16, 16, FragmentLayouts.A16, FragmentLayouts.B16, Widened);

    /// <summary>
    /// Loads of operands from shared memory, whose rows are 16-byte aligned (PTX ISA, ldmatrix.sync.aligned.m8n8.shared.b16). A
    /// is 16 × k, B is k × 8 or, with x4, k × 16; without trans they lie in memory as rows of neighbours along k (m × k and
    /// n × k), with trans as rows of k (k × m and k × n), which elements of 32 bits cannot.
    /// </summary>
    public static ImmutableArray<Intrinsic> Loads { get; } =
    [
        .. new[] { DType.BFloat16, DType.Float16 }.SelectMany(type =>
            new[]
            {
                Load("a", 4, false, type, FragmentLayouts.A16, FragmentLayouts.RowsOf16),
                Load("a", 4, true, type, FragmentLayouts.A16, FragmentLayouts.RowsOf16Across),
                Load("b", 2, false, type, FragmentLayouts.B16, FragmentLayouts.RowsOf16Wide),
                Load("b", 4, false, type, FragmentLayouts.B16Pair, FragmentLayouts.RowsOf16Across),
                Load("b", 2, true, type, FragmentLayouts.B16, FragmentLayouts.RowsOf16Tall),
                Load("b", 4, true, type, FragmentLayouts.B16Pair, FragmentLayouts.RowsOf16),
            }
        ),
        Load("a", 4, false, DType.Float32, FragmentLayouts.A32, FragmentLayouts.RowsOf32),
        Load("b", 2, false, DType.Float32, FragmentLayouts.B32, FragmentLayouts.RowsOf32Wide),
        Load("b", 4, false, DType.Float32, FragmentLayouts.B32Pair, FragmentLayouts.RowsOf32Across),
    ];

    /// <summary>A float32 with its last 13 bits of mantissa cut off, as tensor cores read it.</summary>
    public static Expr Tf32(Expr value) => Op.Tf32(value);

    private static Expr Widened(Expr value) => Op.Cast(DType.Float32, value);

    private static Intrinsic Mma(
        string name,
        DType type,
        int depth,
        FragmentLayout aLayout,
        FragmentLayout bLayout,
        Func<Expr, Expr> operand
    )
    {
        var (m, n, k) = (new Axis("m", 16), new Axis("n", 8), new Axis("k", depth, AxisKind.Reduce));
        var c = new Buffer("c", DType.Float32, [16, 8], Scope.Fragment);
        var a = new Buffer("a", type, [16, depth], Scope.Fragment);
        var b = new Buffer("b", type, [depth, 8], Scope.Fragment);
        return IntrinsicLibrary.Accumulate(
            name,
            [m, n, k],
            [c, a, b],
            [m.Var, n.Var],
            operand(a[m, k]) * operand(b[k, n])
        ) with
        {
            OperandLayouts = [FragmentLayouts.C, aLayout, bLayout],
            DeviceFunction = name.Replace('.', '_'),
        };
    }

    private static Intrinsic Load(
        string operand,
        int matrices,
        bool trans,
        DType type,
        FragmentLayout fragment,
        FragmentLayout addresses
    )
    {
        string kind = type == DType.Float32 ? "tf32" : type.Name();
        string form = string.Create(CultureInfo.InvariantCulture, $"x{matrices}{(trans ? ".trans" : "")}");
        string name = $"ldmatrix.{operand}.{form}.{kind}";
        var (i, j) = (new Axis("i", fragment.Rows), new Axis("j", fragment.Columns));
        var to = new Buffer("to", type, [fragment.Rows, fragment.Columns], Scope.Fragment);
        var from = new Buffer("from", type, [addresses.Rows, addresses.Columns], Scope.Shared, [0, 1]);
        // A's rows are those in memory unless transposed; B's rows, along k, are those in memory if transposed.
        bool asInMemory = operand == "a" != trans;
        var meaning = new Block(
            name,
            [.. new[] { i, j }.Select(a => new BlockAxis(a.Var, a.Extent, a.Kind, a.Var))],
            Op.True,
            [to],
            [i.Var, j.Var],
            [asInMemory ? from[i, j] : from[j, i]]
        );
        return new Intrinsic(name, [to, from], meaning)
        {
            OperandLayouts = [fragment, addresses],
            DeviceFunction = "ldmatrix_" + form.Replace('.', '_'),
        };
    }
}
