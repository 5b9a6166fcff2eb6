using Picograd.Algorithms.Evaluation;

namespace Picograd.Tests.Operators;

/// <summary>Operators along the middle dimension of three, by plain loops.</summary>
internal static class AcrossReferences
{
    public static double[][] Softmax(Given g)
    {
        var (rows, cols, inner) = ((int)g.Spec.Dim("rows"), (int)g.Spec.Dim("cols"), (int)g.Spec.Dim("inner"));
        bool log = g.Spec.Name.StartsWith("log", StringComparison.Ordinal);
        var result = new double[rows * cols * inner];
        for (int r = 0; r < rows; r++)
        for (int i = 0; i < inner; i++)
        {
            double all = Sum(g["X"], r, i, cols);
            for (int c = 0; c < cols; c++)
            {
                double share = Math.Exp(g["X"][r, c, i]) / all;
                result[(r * cols + c) * inner + i] = log ? Math.Log(share) : share;
            }
        }
        return [result];
    }

    public static double[][] CrossEntropy(Given g)
    {
        var (rows, cols, inner) = ((int)g.Spec.Dim("rows"), (int)g.Spec.Dim("classes"), (int)g.Spec.Dim("inner"));
        double loss = 0;
        for (int r = 0; r < rows; r++)
        for (int i = 0; i < inner; i++)
        {
            double share = Math.Exp(g["X"][r, (long)g["T"][r, i], i]) / Sum(g["X"], r, i, cols);
            loss -= Math.Log(share) / (rows * inner);
        }
        return
        [
            [loss],
        ];
    }

    private static double Sum(NDArray x, int r, int i, int cols) =>
        Enumerable.Range(0, cols).Sum(c => Math.Exp(x[r, c, i]));
}
