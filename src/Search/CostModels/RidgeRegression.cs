namespace Picograd.Search.CostModels;

/// <summary>Linear least squares with a penalty on the weights, updated one observation at a time.</summary>
/// <param name="size">Number of features; the first is the constant.</param>
/// <param name="penalty">Of every weight but the constant's.</param>
/// <param name="constantPenalty">Of the constant's weight.</param>
internal sealed class RidgeRegression(int size, double penalty, double constantPenalty)
{
    private readonly double[,] _normal = new double[size, size];
    private readonly double[] _right = new double[size];
    private double[]? _weights;

    public int Observations { get; private set; }

    public void Add(double[] x, double y)
    {
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
                _normal[i, j] += x[i] * x[j];
            _right[i] += x[i] * y;
        }
        Observations++;
        _weights = null;
    }

    public double Predict(double[] x)
    {
        if (Observations == 0)
            return 0;
        _weights ??= Solve();
        double sum = 0;
        for (int i = 0; i < size; i++)
            sum += _weights[i] * x[i];
        return sum;
    }

    // Cholesky; the penalties make the matrix positive definite.
    private double[] Solve()
    {
        var l = new double[size, size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = _normal[i, j] + (i == j ? (i == 0 ? constantPenalty : penalty) : 0);
                for (int k = 0; k < j; k++)
                    sum -= l[i, k] * l[j, k];
                l[i, j] = i == j ? Math.Sqrt(sum) : sum / l[j, j];
            }
        }
        var w = new double[size];
        for (int i = 0; i < size; i++)
        {
            double sum = _right[i];
            for (int k = 0; k < i; k++)
                sum -= l[i, k] * w[k];
            w[i] = sum / l[i, i];
        }
        for (int i = size - 1; i >= 0; i--)
        {
            double sum = w[i];
            for (int k = i + 1; k < size; k++)
                sum -= l[k, i] * w[k];
            w[i] = sum / l[i, i];
        }
        return w;
    }
}
