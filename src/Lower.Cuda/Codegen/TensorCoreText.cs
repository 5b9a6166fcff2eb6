using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Calls of mma.sync and ldmatrix: the prelude's functions take a lane's registers as arrays, accumulators as float and
/// everything else as 32-bit words, and addresses in shared memory.
/// </summary>
internal static class TensorCoreText
{
    public static ImmutableArray<Intrinsic> Intrinsics { get; } =
    [TensorCores.MmaTf32, TensorCores.MmaBf16, TensorCores.MmaF16, .. TensorCores.Loads];

    public static void Write(Call call, IntrinsicWriter writer)
    {
        var intrinsic = call.Intrinsic;
        var operands = intrinsic.Operands.Select(
            (o, i) =>
                o.Scope == Scope.Fragment
                    ? Registers(
                        writer.Origin(i),
                        o.Type,
                        intrinsic.LayoutOf(i)!,
                        i == 0 && intrinsic.Meaning.IsReduction
                    )
                    : "&" + writer.Origin(i)
        );
        writer.Line($"{writer.Use(intrinsic.DeviceFunction!)}({string.Join(", ", operands)});");
    }

    private static string Registers(string first, DType type, FragmentLayout layout, bool accumulates) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"reinterpret_cast<{(accumulates ? "float" : "unsigned")} (&)[{layout.Registers * type.Size() / 4}]>({first})"
        );
}
