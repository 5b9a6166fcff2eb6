using System.Diagnostics.CodeAnalysis;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Runtime;

namespace Picograd.Baselines;

/// <summary>The CUDA kernels of this folder, written by hand. Actions start work on the device and do not wait for it.</summary>
public sealed unsafe class HandCudaBaseline(CudaDevice device, CudaCompiler compiler) : IBaseline
{
    // Kernels along rows keep a row in the registers of one block.
    private const long LongestRow = 256 * 4 * 16;

    private readonly Dictionary<string, CudaKernel> _kernels = [];

    public string Lib => "hand";

    public bool IsAvailable => true;

    public string Missing => "";

    public bool TryCreate(OperatorCase operatorCase, [NotNullWhen(true)] out Action? run)
    {
        ArgumentNullException.ThrowIfNull(operatorCase);
        var c = operatorCase;
        bool single = c.Type == DType.Float32;
        run = c.Operator switch
        {
            "matmul" when Plain(c) => Best(c),
            "softmax" when single && FitsRow(c) => Start(HandCudaKernel.Softmax, c, "rows", "cols"),
            "layernorm" when single && FitsRow(c) && c.Optional("affine", 0) == 0 => Start(
                HandCudaKernel.Layernorm,
                c,
                "rows",
                "cols"
            ),
            "sum" when single && c.Required("axis") == 1 && c.Dimension("cols") % 4 == 0 => Start(
                HandCudaKernel.SumRows,
                c,
                "rows",
                "cols"
            ),
            "add" when single && c.Dimension("n") % 4 == 0 => Start(HandCudaKernel.Add, c, "n"),
            "exp" when single && c.Dimension("n") % 4 == 0 => Start(HandCudaKernel.Exp, c, "n"),
            "tanh" when single && c.Dimension("n") % 4 == 0 => Start(HandCudaKernel.Tanh, c, "n"),
            "transpose" when single => Start(HandCudaKernel.Transpose, c, "rows", "cols"),
            _ => null,
        };
        return run is not null;
    }

    /// <summary>Every step of the ladder that can run a product, by name, the simplest first; empty for others.</summary>
    public IEnumerable<(string Name, Action Run)> Ladder(OperatorCase operatorCase)
    {
        ArgumentNullException.ThrowIfNull(operatorCase);
        var c = operatorCase;
        if (c.Operator != "matmul" || !Plain(c))
            yield break;
        foreach (var kernel in HandCudaKernel.Sgemm.Append(HandCudaKernel.GemmBf16))
        {
            if (CanRun(kernel, c))
                yield return (kernel.Kernel, Start(kernel, c, "m", "n", "k"));
        }
    }

    private Action? Best(OperatorCase c) =>
        HandCudaKernel.Sgemm.Append(HandCudaKernel.GemmBf16).LastOrDefault(k => CanRun(k, c)) is { } kernel
            ? Start(kernel, c, "m", "n", "k")
            : null;

    // No transposed operands, no batches.
    private static bool Plain(OperatorCase c) =>
        c.Optional("ta", 0) == 0 && c.Optional("tb", 0) == 0 && c.Optional("batch", 1) == 1;

    // Kernels that read whole vectors want rows of whole vectors.
    private static bool CanRun(HandCudaKernel kernel, OperatorCase c)
    {
        bool half = kernel == HandCudaKernel.GemmBf16;
        if (c.Type != (half ? DType.BFloat16 : DType.Float32) || c.Tf32)
            return false;
        long whole =
            half ? 8
            : kernel.Kernel is "sgemm_vectorised" or "sgemm_warptile" ? 4
            : 1;
        return c.Dimension("n") % whole == 0 && c.Dimension("k") % whole == 0;
    }

    private static bool FitsRow(OperatorCase c) => c.Dimension("cols") is var n && n % 4 == 0 && n <= LongestRow;

    private Action Start(HandCudaKernel kernel, OperatorCase c, params string[] keys)
    {
        var compiled = Compiled(kernel);
        nint[] addresses = [.. c.Inputs, .. c.Outputs];
        if (addresses.Length < kernel.Buffers)
            throw new ArgumentException(
                $"The operator '{c.Operator}' has {kernel.Buffers} tensors, but {addresses.Length} of them were given."
            );
        long[] numbers = [.. keys.Select(c.Dimension)];
        return () =>
        {
            fixed (nint* first = addresses)
            fixed (long* number = numbers)
                compiled.Run(first, number);
        };
    }

    private CudaKernel Compiled(HandCudaKernel kernel)
    {
        lock (_kernels)
        {
            if (!_kernels.TryGetValue(kernel.Kernel, out var compiled))
            {
                var program = kernel.Program();
                compiled = new CudaKernel(device, program, compiler.Compile(program), "written by hand");
                _kernels.Add(kernel.Kernel, compiled);
            }
            return compiled;
        }
    }
}
