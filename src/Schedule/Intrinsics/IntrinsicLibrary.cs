using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Intrinsics;

/// <summary>All declared intrinsics by name. Adding an instruction is adding one declaration.</summary>
public static class IntrinsicLibrary
{
    public static IReadOnlyDictionary<string, Intrinsic> All { get; } =
        new[]
        {
            CpuIntrinsics.AddRow(4),
            CpuIntrinsics.AddRow(8),
            CpuIntrinsics.Dot(4),
            CpuIntrinsics.Dot(8),
            CpuIntrinsics.Fma(1, 8),
            CpuIntrinsics.Fma(1, 16),
            CpuIntrinsics.Fma(6, 16),
            CpuIntrinsics.Sum(4),
            CpuIntrinsics.Sum(8),
            TensorCores.MmaTf32,
            TensorCores.MmaBf16,
            TensorCores.MmaF16,
        }
            .Concat(TensorCores.Loads)
            .Concat(WarpgroupMatmuls.All)
            .ToDictionary(i => i.Name);

    /// <summary>The names, for people: families of many shapes by their form.</summary>
    public static string Names { get; } =
        string.Join(
            ", ",
            All.Values.Where(i => !WarpgroupMatmuls.Is(i))
                .Select(i => i.Name)
                .Order(StringComparer.Ordinal)
                .Append("wgmma.m64nNk16.bf16|f16[.am][.bn]")
                .Append("wgmma.m64nNk8.tf32 (N = 8, 16 … 256)")
        );

    /// <summary>
    /// Declares c[axes of c] sum= value over axes: the shape that multiply-accumulate instructions have.
    /// </summary>
    /// <param name="name">Stable name, part of traces.</param>
    /// <param name="axes">Spatial axes first; their extents are those of the tile.</param>
    /// <param name="operands">Output first.</param>
    /// <param name="place">Axes at which the output is written.</param>
    /// <param name="value">What is added, over loads of the other operands.</param>
    internal static Intrinsic Accumulate(
        string name,
        ImmutableArray<Axis> axes,
        ImmutableArray<Buffer> operands,
        ImmutableArray<Expr> place,
        Expr value
    ) =>
        new(
            name,
            operands,
            new Block(
                name,
                [.. axes.Select(a => new BlockAxis(a.Var, a.Extent, a.Kind, a.Var))],
                Op.True,
                [operands[0]],
                place,
                [value],
                Reducer.Sum(operands[0].Type)
            )
        );
}
