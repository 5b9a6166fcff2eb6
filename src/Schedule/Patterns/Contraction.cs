using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Patterns;

/// <summary>
/// A stage of the form C[batch…, m…, n] = Σₖ A[…] · B[…] with plain axes as indices: matrix products in all layouts,
/// batched or not. B is the operand that has the last axis of the output, N, along which vectors run.
/// </summary>
/// <param name="M">Axes of the output that only A has; the last is tiled.</param>
/// <param name="Outer">Axes of the output that both have, or that only B has besides N.</param>
internal sealed record Contraction(
    Stage Stage,
    Load A,
    Load B,
    Axis N,
    ImmutableArray<Axis> M,
    ImmutableArray<Axis> Outer,
    Axis K
)
{
    /// <summary>Null for what is none.</summary>
    /// <param name="stage">What might be one.</param>
    /// <param name="converted">Whether operands of the half types count, which are converted to what the product is computed in.</param>
    public static Contraction? Of(Stage stage, bool converted = false)
    {
        if (stage.Kind != StageKind.Reduce || !stage.Reducer!.IsSum || stage.ReduceAxes.Count() != 1)
            return null;
        if (stage.Values[0] is not Binary { Kind: BinaryOp.Mul } product)
            return null;
        if (Operand(product.A, converted) is not { } x || Operand(product.B, converted) is not { } y)
            return null;
        if (!Plain(x) || !Plain(y) || x.Buffer == y.Buffer)
            return null;
        var k = stage.ReduceAxes.Single();
        if (!Has(x, k) || !Has(y, k))
            return null;
        var spatial = stage.SpatialAxes.ToImmutableArray();
        if (spatial.IsEmpty)
            return null;
        var n = spatial[^1];
        if (Has(x, n) == Has(y, n))
            return null;
        var (a, b) = Has(y, n) ? (x, y) : (y, x);
        var rest = spatial.RemoveAt(spatial.Length - 1);
        var m = rest.Where(r => Has(a, r) && !Has(b, r)).ToImmutableArray();
        if (m.IsEmpty)
            return null;
        return new Contraction(stage, a, b, n, m, [.. rest.Except(m)], k);
    }

    /// <summary>Position of an axis among the dimensions of an operand.</summary>
    public static int Dimension(Load load, Axis axis) => load.Indices.IndexOf(axis.Var);

    /// <summary>Whether neighbours along an axis are neighbours in memory; dimensions of one element do not count.</summary>
    public static bool IsContiguous(Load load, Axis axis)
    {
        int d = Dimension(load, axis);
        return load.Buffer.Strides.IsDefault
            ? load.Buffer.Shape.Skip(d + 1).All(extent => extent.IsConst(1))
            : load.Buffer.Strides[d] == 1;
    }

    private static Load? Operand(Expr e, bool converted) =>
        e is Load load ? load
        : converted && e is Cast { A: Load half } c && half.Type.IsStorage() && half.Type.Compute() == c.To ? half
        : null;

    private static bool Plain(Load load) =>
        load.Indices.All(i => i is Var) && load.Indices.Distinct().Count() == load.Indices.Length;

    private static bool Has(Load load, Axis axis) => load.Indices.Any(i => ReferenceEquals(i, axis.Var));

    /// <summary>Whether a stage after a product has its axes, and reads it at its own place.</summary>
    internal static bool SameAxes(Stage stage, Stage product) =>
        stage.Axes.Length == product.SpatialAxes.Count()
        && stage.Axes.Zip(product.SpatialAxes).All(p => p.First.Extent == p.Second.Extent)
        && stage
            .Values[0]
            .Loads()
            .Where(l => l.Buffer.Rank == stage.Axes.Length && l.Buffer == product.Output)
            .All(l => l.Indices.SequenceEqual(stage.Indices));
}
