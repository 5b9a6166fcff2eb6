using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Intrinsics;

/// <summary>
/// Matrix instructions of warpgroups on Hopper (PTX ISA, wgmma.mma_async.sync.aligned), as declarations: 128 threads add a 64×k by
/// k×N product of operands in shared memory to a 64×N accumulator in registers; N is a multiple of 8 up to 256.
/// </summary>
/// <remarks>
/// Names are wgmma.m64nNk16.bf16, wgmma.m64nNk16.f16 and wgmma.m64nNk8.tf32 for operands whose rows in memory run along k (A as
/// m × k, B as n × k). Operands of 16 bits may also lie with rows along m or n: .am for A as k × m, .bn for B as k × n, behind
/// the name and in this order. Both lie swizzled, see <see cref="ByteSwizzle"/>: rows of the swizzle's width, or panels of it.
/// </remarks>
public static class WarpgroupMatmuls
{
    public const int Rows = 64;

    public static ImmutableArray<Intrinsic> All { get; } = [.. Declare()];

    /// <summary>Name of the instruction.</summary>
    /// <param name="type">Of the operands: bf16, f16, or f32 for tf32.</param>
    /// <param name="n">Columns.</param>
    /// <param name="rowsAlongM">A lies as k × m; 16 bits only.</param>
    /// <param name="rowsAlongN">B lies as k × n; 16 bits only.</param>
    public static string NameOf(DType type, int n, bool rowsAlongM = false, bool rowsAlongN = false) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"wgmma.m64n{n}k{Depth(type)}.{Kind(type)}{(rowsAlongM ? ".am" : "")}{(rowsAlongN ? ".bn" : "")}"
        );

    /// <summary>Elements along k that one instruction takes: 32 bytes.</summary>
    public static int Depth(DType type) => 32 / type.Size();

    public static bool Is(Intrinsic intrinsic) => intrinsic.Name.StartsWith("wgmma.", StringComparison.Ordinal);

    private static string Kind(DType type) => type == DType.Float32 ? "tf32" : type.Name();

    private static IEnumerable<Intrinsic> Declare()
    {
        foreach (var type in new[] { DType.BFloat16, DType.Float16, DType.Float32 })
        {
            for (int n = 8; n <= 256; n += 8)
            {
                yield return Declare(type, n, false, false);
                if (type == DType.Float32)
                    continue;
                yield return Declare(type, n, false, true);
                yield return Declare(type, n, true, false);
                yield return Declare(type, n, true, true);
            }
        }
    }

    private static Intrinsic Declare(DType type, int columns, bool rowsAlongM, bool rowsAlongN)
    {
        int depth = Depth(type);
        var (m, n, k) = (new Axis("m", Rows), new Axis("n", columns), new Axis("k", depth, AxisKind.Reduce));
        var c = new Buffer("c", DType.Float32, [Rows, columns], Scope.Fragment);
        var a = new Buffer("a", type, rowsAlongM ? [depth, Rows] : [Rows, depth], Scope.Shared, [0, 1]);
        var b = new Buffer("b", type, rowsAlongN ? [depth, columns] : [columns, depth], Scope.Shared, [0, 1]);
        Expr Operand(Load value) => type == DType.Float32 ? TensorCores.Tf32(value) : Op.Cast(DType.Float32, value);
        return IntrinsicLibrary.Accumulate(
            NameOf(type, columns, rowsAlongM, rowsAlongN),
            [m, n, k],
            [c, a, b],
            [m.Var, n.Var],
            Operand(rowsAlongM ? a[k, m] : a[m, k]) * Operand(rowsAlongN ? b[k, n] : b[n, k])
        ) with
        {
            OperandLayouts = [FragmentLayouts.WgmmaC(columns), null, null],
            DeviceFunction = string.Create(CultureInfo.InvariantCulture, $"wgmma_m64n{columns}k{depth}_{Kind(type)}"),
        };
    }
}
