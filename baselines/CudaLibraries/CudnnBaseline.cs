using System.Diagnostics.CodeAnalysis;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Runtime;

namespace Picograd.Baselines;

/// <summary>Softmax and convolutions of cuDNN, by the fastest of its algorithms.</summary>
public sealed class CudnnBaseline(CudaDevice device) : IBaseline
{
    public string Lib => "cudnn";

    public bool IsAvailable => Cudnn.IsAvailable && !device.IsEmulated;

    public string Missing => device.IsEmulated ? "cuDNN does not run on the emulator." : Cudnn.Missing;

    public bool TryCreate(OperatorCase operatorCase, [NotNullWhen(true)] out Action? run)
    {
        ArgumentNullException.ThrowIfNull(operatorCase);
        var c = operatorCase;
        run = null;
        if (!IsAvailable || c.Type != DType.Float32)
            return false;
        run = c.Operator switch
        {
            "softmax" or "log_softmax" => Softmax(c),
            "conv2d" when c.Optional("bias", 0) == 0 => Convolution(c),
            _ => null,
        };
        return run is not null;
    }

    private Action Softmax(OperatorCase c)
    {
        var softmax = Cudnn.Softmax(c.Dimension("rows"), c.Dimension("cols"), c.Operator == "log_softmax");
        (nint x, nint y) = (c.Input(0), c.Output(0));
        return () => softmax(x, y, device.CurrentStream.Handle);
    }

    private Action Convolution(OperatorCase c)
    {
        var convolution = Cudnn.Prepare(
            new Cudnn.Conv2d(
                c.Dimension("n"),
                c.Dimension("c"),
                c.Dimension("h"),
                c.Dimension("w"),
                c.Dimension("oc"),
                c.Dimension("kh"),
                c.Dimension("kw"),
                (int)c.Optional("stride", 1),
                (int)c.Optional("pad", 0),
                (int)c.Optional("dil", 1),
                (int)c.Optional("groups", 1)
            )
        );
        (nint x, nint w, nint y) = (c.Input(0), c.Input(1), c.Output(0));
        return FastestAlgorithm.Of(
            device,
            convolution.Count,
            convolution.WorkspaceBytes,
            (algorithm, workspace, stream) => convolution.Run(algorithm, x, w, y, workspace, stream)
        );
    }
}
