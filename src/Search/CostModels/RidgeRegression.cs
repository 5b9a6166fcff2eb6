namespace Picograd.Search.CostModels;

/// <summary>Linear least squares with a penalty on the weights, updated one observation at a time.</summary>
/// <param name="penalties">Of the weight of each feature.</param>
internal sealed class RidgeRegression(double[] penalties)
{
    private readonly int _size = penalties.Length;
    private readonly double[,] _normal = new double[penalties.Length, penalties.Length];
    private readonly double[] _right = new double[penalties.Length];
    private double[,]? _factor;
    private double[]? _weights;

    /// <param name="size">Number of features; the first is the constant.</param>
    /// <param name="penalty">Of every weight but the constant's.</param>
    /// <param name="constantPenalty">Of the constant's weight.</param>
    public RidgeRegression(int size, double penalty, double constantPenalty)
        : this([constantPenalty, .. Enumerable.Repeat(penalty, size - 1)]) { }

    public int Observations { get; private set; }

    /// <param name="x">Features.</param>
    /// <param name="y">What was observed.</param>
    /// <param name="weight">How many observations it counts for.</param>
    public void Add(double[] x, double y, double weight = 1)
    {
        for (int i = 0; i < _size; i++)
        {
            if (x[i] == 0)
                continue;
            double w = weight * x[i];
            for (int j = 0; j <= i; j++)
                _normal[i, j] += w * x[j];
            _right[i] += w * y;
        }
        Observations++;
        _weights = null;
        _factor = null;
    }

    public double Predict(double[] x)
    {
        if (Observations == 0)
            return 0;
        _weights ??= Solve();
        double sum = 0;
        for (int i = 0; i < _size; i++)
            sum += _weights[i] * x[i];
        return sum;
    }

    /// <summary>How little is known at a place: the variance of the prediction, in units of the noise's; large where nothing was seen.</summary>
    public double Variance(double[] x)
    {
        var l = _factor ??= Factor();
        double sum = 0;
        var z = new double[_size];
        for (int i = 0; i < _size; i++)
        {
            double v = x[i];
            for (int k = 0; k < i; k++)
                v -= l[i, k] * z[k];
            z[i] = v / l[i, i];
            sum += z[i] * z[i];
        }
        return sum;
    }

    // Cholesky; the penalties make the matrix positive definite.
    private double[,] Factor()
    {
        var l = new double[_size, _size];
        for (int i = 0; i < _size; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = _normal[i, j] + (i == j ? penalties[i] : 0);
                for (int k = 0; k < j; k++)
                    sum -= l[i, k] * l[j, k];
                l[i, j] = i == j ? Math.Sqrt(sum) : sum / l[j, j];
            }
        }
        return l;
    }

    private double[] Solve()
    {
        var l = _factor ??= Factor();
        var w = new double[_size];
        for (int i = 0; i < _size; i++)
        {
            double sum = _right[i];
            for (int k = 0; k < i; k++)
                sum -= l[i, k] * w[k];
            w[i] = sum / l[i, i];
        }
        for (int i = _size - 1; i >= 0; i--)
        {
            double sum = w[i];
            for (int k = i + 1; k < _size; k++)
                sum -= l[k, i] * w[k];
            w[i] = sum / l[i, i];
        }
        return w;
    }
}
