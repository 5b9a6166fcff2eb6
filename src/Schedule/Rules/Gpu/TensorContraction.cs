using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;

namespace Picograd.Schedules.Rules.Gpu;

/// <summary>
/// A product that tensor cores compute: C[batch…, m, n] = Σₖ x(A[…]) · y(B[…]) in f32, where both operands are bf16 or f16 and
/// widened, or f32 and cut to tf32, at plain axes in any order; then maps of each element of it, in a row.
/// </summary>
/// <param name="Stage">The sum.</param>
/// <param name="A">Has m.</param>
/// <param name="B">Has n, the last axis of the output.</param>
/// <param name="Batch">Axes of the output besides m and n.</param>
/// <param name="Type">Of the operands in memory.</param>
internal sealed record TensorContraction(
    Stage Stage,
    Load A,
    Load B,
    ImmutableArray<Axis> Batch,
    Axis M,
    Axis N,
    Axis K,
    DType Type
)
{
    /// <summary>The instruction that multiplies a tile.</summary>
    public Intrinsic Instruction =>
        Type switch
        {
            DType.Float32 => TensorCores.MmaTf32,
            DType.BFloat16 => TensorCores.MmaBf16,
            _ => TensorCores.MmaF16,
        };

    /// <summary>k of one instruction.</summary>
    public long Depth => Type == DType.Float32 ? 8 : 16;

    /// <summary>Null where the algorithm is something else, or an extent is symbolic.</summary>
    public static TensorContraction? Of(Algorithm algorithm)
    {
        var stage = algorithm.Stages[0];
        if (stage.Kind != StageKind.Reduce || !stage.Reducer!.IsSum || stage.ReduceAxes.Count() != 1)
            return null;
        if (stage.Values[0] is not Binary { Kind: BinaryOp.Mul } product || stage.Axes.Any(a => a.Extent is not IntImm))
            return null;
        if (
            Operand(product.A) is not { } x
            || Operand(product.B) is not { } y
            || x.Type != y.Type
            || x.Buffer == y.Buffer
        )
            return null;
        var k = stage.ReduceAxes.Single();
        var spatial = stage.SpatialAxes.ToImmutableArray();
        if (spatial.Length < 2 || !stage.Indices.SequenceEqual(spatial.Select(a => (Expr)a.Var)))
            return null;
        var n = spatial[^1];
        if (!Has(x, k) || !Has(y, k) || Has(x, n) == Has(y, n))
            return null;
        var (a, b) = Has(y, n) ? (x, y) : (y, x);
        var m = spatial[..^1].LastOrDefault(r => Has(a, r) && !Has(b, r));
        if (m is null || a.Indices.Concat(b.Indices).Any(i => i is not Var))
            return null;
        if (!Distinct(a) || !Distinct(b) || !algorithm.Stages.Skip(1).All(s => Follows(s, spatial, algorithm)))
            return null;
        return new TensorContraction(stage, a, b, [.. spatial.Where(r => r != m && r != n)], m, n, k, a.Type);
    }

    /// <summary>Whether neighbours along an axis are neighbours in memory.</summary>
    public static bool IsContiguous(Load load, Axis axis)
    {
        // Tiles in shared memory keep the order of the dimensions, padded ones of one element too.
        int d = Contraction.Dimension(load, axis);
        return load.Buffer.Strides.IsDefault ? d == load.Buffer.Rank - 1 : load.Buffer.Strides[d] == 1;
    }

    private static Load? Operand(Expr e) =>
        e switch
        {
            Cast { To: DType.Float32, A: Load { Type: DType.BFloat16 or DType.Float16 } load } => load,
            Bitcast { A: Binary { A: Bitcast { A: Load { Type: DType.Float32 } load } } } when e == Op.Tf32(load) =>
                load,
            _ => null,
        };

    // A map over the same axes, which reads what is computed before it at the same place.
    private static bool Follows(Stage stage, ImmutableArray<Axis> spatial, Algorithm algorithm)
    {
        if (stage.Kind != StageKind.Map || stage.Outputs.Length != 1 || stage.Axes.Length != spatial.Length)
            return false;
        return stage.Axes.Zip(spatial).All(p => p.First.Extent == p.Second.Extent)
            && stage.Indices.SequenceEqual(stage.Axes.Select(a => (Expr)a.Var))
            && stage
                .Values[0]
                .Loads()
                .Where(l => algorithm.Stages.Any(s => s.Outputs.Contains(l.Buffer)))
                .All(l => l.Indices.SequenceEqual(stage.Indices));
    }

    private static bool Has(Load load, Axis axis) => load.Indices.Any(i => ReferenceEquals(i, axis.Var));

    private static bool Distinct(Load load) => load.Indices.Distinct().Count() == load.Indices.Length;

    /// <summary>
    /// Pads both operands to whole tiles in shared memory, and makes one map of those after the product, which reads the
    /// sums. Gives the blocks that fill the operands' buffers, in the order of <see cref="A"/> and <see cref="B"/>, and the map's block.
    /// </summary>
    public (BlockRef A, BlockRef B, BlockRef Result) IntoShared(
        Schedule s,
        Algorithm algorithm,
        long rows,
        long columns,
        long depth
    )
    {
        long Pad(Axis axis) =>
            axis == M ? rows
            : axis == N ? columns
            : axis == K ? depth
            : 1;
        var padded = s.PadEinsum(Stage, [.. Stage.Axes.Select(Pad)]);
        var (a, b) = Stage.Values[0].Loads().First() == A ? (padded[0], padded[1]) : (padded[1], padded[0]);
        BlockRef[] maps = [padded[2], .. algorithm.Stages.Skip(1)];
        foreach (var map in maps[..^1])
            s.ComputeInline(map);
        s.SetScope(s.Output(a), Scope.Shared);
        s.SetScope(s.Output(b), Scope.Shared);
        return (a, b, maps[^1]);
    }
}
