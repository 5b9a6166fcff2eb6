using System.Diagnostics.CodeAnalysis;
using Picograd.Lower.Cuda.Runtime;

namespace Picograd.Baselines;

/// <summary>Matrix products of cuBLASLt, by the fastest of the algorithms that it proposes.</summary>
public sealed class CublasLtBaseline(CudaDevice device) : IBaseline
{
    private const long MostWorkspace = 64L << 20;

    public string Lib => "cublaslt";

    public bool IsAvailable => CublasLt.IsAvailable && !device.IsEmulated;

    public string Missing => device.IsEmulated ? "cuBLASLt does not run on the emulator." : CublasLt.Missing;

    public bool TryCreate(OperatorCase operatorCase, [NotNullWhen(true)] out Action? run)
    {
        ArgumentNullException.ThrowIfNull(operatorCase);
        var c = operatorCase;
        run = null;
        if (!IsAvailable || c.Operator != "matmul" || !CublasLt.Supports(c.Type))
            return false;
        var product = CublasLt.Prepare(
            c.Dimension("m"),
            c.Dimension("n"),
            c.Dimension("k"),
            c.Optional("batch", 1),
            c.Optional("ta", 0) != 0,
            c.Optional("tb", 0) != 0,
            c.Type,
            c.Tf32,
            MostWorkspace
        );
        (nint a, nint b, nint y) = (c.Input(0), c.Input(1), c.Output(0));
        run = FastestAlgorithm.Of(
            device,
            product.Count,
            product.WorkspaceBytes,
            (algorithm, workspace, stream) => product.Run(algorithm, a, b, y, workspace, stream)
        );
        return true;
    }
}
