namespace Picograd.Algorithms.Operators;

/// <summary>Work of an algorithm with constant extents, counted on its stages.</summary>
public static class OperatorCost
{
    /// <summary>
    /// Float operations (and combinations of a reducer of any type): points of each stage times operations a point.
    /// </summary>
    public static double Flops(Algorithm algorithm)
    {
        double total = 0;
        foreach (var stage in algorithm.Stages)
        {
            double points = stage.Axes.Aggregate(1.0, (product, axis) => product * ExtentOf(axis.Extent));
            double each = stage.Values.Sum(v => v.Inlined().Nodes().Count(IsFloatOperation));
            // A tuple-valued reducer compares its first component and carries the others along.
            if (stage.Reducer is { } reducer)
                each += reducer.Result[0] is Binary ? 1 : Math.Max(1, reducer.Result.Sum(CombineCost));
            total += points * each;
        }
        return total;
    }

    /// <summary>Bytes of all inputs and outputs.</summary>
    public static long Bytes(Algorithm algorithm) => algorithm.Arguments.Sum(BytesOf);

    /// <summary>Bytes of the distinct elements of a buffer: a dimension of stride 0 counts once.</summary>
    public static long BytesOf(Buffer buffer)
    {
        long elements = 1;
        for (int d = 0; d < buffer.Rank; d++)
        {
            if (buffer.Strides.IsDefault || buffer.Strides[d] != 0)
                elements *= ExtentOf(buffer.Shape[d]);
        }
        return elements * buffer.Type.Size();
    }

    private static bool IsFloatOperation(Expr e) =>
        e switch
        {
            Apply a => a.Type.IsFloat(),
            Unary u => u.Type.IsFloat() && u.Kind != UnaryOp.Neg,
            Binary b => b.Type.IsFloat(),
            Fma => true,
            _ => false,
        };

    private static int CombineCost(Expr result) => result.Nodes().Count(IsFloatOperation);

    private static long ExtentOf(Expr extent) =>
        extent is IntImm constant
            ? constant.Value
            : throw new ArgumentException($"extent {extent} is symbolic; costs need constant extents");
}
