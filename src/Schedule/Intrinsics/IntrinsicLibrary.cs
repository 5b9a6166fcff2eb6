using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules;

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
            .ToDictionary(i => i.Name);

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
