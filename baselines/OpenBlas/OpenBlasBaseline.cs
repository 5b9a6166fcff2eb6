using System.Diagnostics.CodeAnalysis;
using Picograd.Algorithms;

namespace Picograd.Baselines;

/// <summary>OpenBLAS as a baseline: matrix products only.</summary>
public sealed unsafe class OpenBlasBaseline : IBaseline
{
    /// <inheritdoc/>
    public string Lib => "openblas";

    /// <inheritdoc/>
    public bool IsAvailable => OpenBlas.IsAvailable;

    /// <inheritdoc/>
    public string Missing => OpenBlas.Missing;

    /// <inheritdoc/>
    public bool TryCreate(OperatorCase operatorCase, [NotNullWhen(true)] out Action? run)
    {
        ArgumentNullException.ThrowIfNull(operatorCase);
        OperatorCase c = operatorCase;
        ArgumentOutOfRangeException.ThrowIfLessThan(c.Threads, 1);
        run = null;
        if (!IsAvailable || c.Operator != "matmul" || c.Type != DType.Float32 || c.Tf32)
        {
            return false;
        }
        (nint a, nint b, nint y, int threads) = (c.Input(0), c.Input(1), c.Output(0), c.Threads);
        (long m, long n, long k) = (c.Dimension("m"), c.Dimension("n"), c.Dimension("k"));
        (bool ta, bool tb) = (c.Optional("ta", 0) != 0, c.Optional("tb", 0) != 0);
        long batch = c.Optional("batch", 1);
        run = () => OpenBlas.Matmul((float*)a, (float*)b, (float*)y, m, n, k, ta, tb, batch, threads);
        return true;
    }
}
