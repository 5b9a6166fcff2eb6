using System.Diagnostics.CodeAnalysis;
using Picograd.Algorithms;
using Picograd.Lower.Cpu.Machine;

namespace Picograd.Baselines;

/// <summary>The kernels of this folder, written by hand with .NET's vector intrinsics.</summary>
public sealed unsafe class HandBaseline : IBaseline
{
    private static readonly int DetectedBits = CpuTarget.Detect().VectorBits;

    /// <inheritdoc/>
    public string Lib => "hand";

    /// <inheritdoc/>
    public bool IsAvailable => true;

    /// <inheritdoc/>
    public string Missing => "";

    /// <summary>The vector width to use: the one asked for, or for 0 the machine's.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A width that this machine lacks.</exception>
    internal static int Width(int vectorBits)
    {
        if (vectorBits == 0)
        {
            return DetectedBits;
        }
        if (vectorBits is 128 or 256 or 512 && vectorBits <= CpuTarget.NativeVectorBits)
        {
            return vectorBits;
        }
        throw new ArgumentOutOfRangeException(
            nameof(vectorBits),
            $"vectorBits is {vectorBits}, but this machine has 128 to {CpuTarget.NativeVectorBits} bits."
        );
    }

    /// <inheritdoc/>
    public bool TryCreate(OperatorCase operatorCase, [NotNullWhen(true)] out Action? run)
    {
        ArgumentNullException.ThrowIfNull(operatorCase);
        OperatorCase c = operatorCase;
        ArgumentOutOfRangeException.ThrowIfLessThan(c.Threads, 1);
        // Cut operands are another function.
        if (c.Type != DType.Float32 || c.Tf32)
        {
            run = null;
            return false;
        }
        run = c.Operator switch
        {
            "matmul" => Matmul(c),
            "softmax" => Softmax(c),
            "log_softmax" => LogSoftmax(c),
            "sum" => Sum(c),
            "tanh" => Tanh(c),
            "exp" => Exp(c),
            "add" => Add(c),
            "cross_entropy" => CrossEntropy(c),
            "embedding" => Embedding(c),
            "transpose" => Transpose(c),
            _ => null,
        };
        return run is not null;
    }

    private static Action Matmul(OperatorCase c)
    {
        (nint a, nint b, nint y, int threads) = (c.Input(0), c.Input(1), c.Output(0), c.Threads);
        (long m, long n, long k) = (c.Dimension("m"), c.Dimension("n"), c.Dimension("k"));
        (bool ta, bool tb) = (c.Optional("ta", 0) != 0, c.Optional("tb", 0) != 0);
        long batch = c.Optional("batch", 1);
        return () => HandMatmul.Run((float*)a, (float*)b, (float*)y, m, n, k, ta, tb, batch, threads);
    }

    private static Action Softmax(OperatorCase c)
    {
        (nint x, nint y, int threads) = (c.Input(0), c.Output(0), c.Threads);
        (long rows, long cols) = (c.Dimension("rows"), c.Dimension("cols"));
        return () => HandSoftmax.Softmax((float*)x, (float*)y, rows, cols, threads);
    }

    private static Action LogSoftmax(OperatorCase c)
    {
        (nint x, nint y, int threads) = (c.Input(0), c.Output(0), c.Threads);
        (long rows, long cols) = (c.Dimension("rows"), c.Dimension("cols"));
        return () => HandSoftmax.LogSoftmax((float*)x, (float*)y, rows, cols, threads);
    }

    private static Action Sum(OperatorCase c)
    {
        (nint x, nint y, int threads) = (c.Input(0), c.Output(0), c.Threads);
        (long rows, long cols, long axis) = (c.Dimension("rows"), c.Dimension("cols"), c.Required("axis"));
        if (axis is not (0 or 1))
        {
            throw new ArgumentException($"The operator 'sum' has axis={axis}, but a matrix has axes 0 and 1.");
        }
        return () => HandSum.Run((float*)x, (float*)y, rows, cols, (int)axis, threads);
    }

    private static Action Tanh(OperatorCase c)
    {
        (nint x, nint y, long n, int threads) = (c.Input(0), c.Output(0), c.Dimension("n"), c.Threads);
        return () => HandElementwise.Tanh((float*)x, (float*)y, n, threads);
    }

    private static Action Exp(OperatorCase c)
    {
        (nint x, nint y, long n, int threads) = (c.Input(0), c.Output(0), c.Dimension("n"), c.Threads);
        return () => HandElementwise.Exp((float*)x, (float*)y, n, threads);
    }

    private static Action Add(OperatorCase c)
    {
        (nint x, nint y, nint z, int threads) = (c.Input(0), c.Input(1), c.Output(0), c.Threads);
        long n = c.Dimension("n");
        return () => HandElementwise.Add((float*)x, (float*)y, (float*)z, n, threads);
    }

    private static Action CrossEntropy(OperatorCase c)
    {
        (nint logits, nint targets, nint loss, int threads) = (c.Input(0), c.Input(1), c.Output(0), c.Threads);
        nint gradient = c.Outputs.Count > 1 ? c.Outputs[1] : 0;
        (long rows, long classes) = (c.Dimension("rows"), c.Dimension("classes"));
        int bits = IndexBits(c);
        return () =>
            HandCrossEntropy.Run(
                (float*)logits,
                (void*)targets,
                bits,
                (float*)loss,
                (float*)gradient,
                rows,
                classes,
                threads
            );
    }

    private static Action Embedding(OperatorCase c)
    {
        (nint table, nint indices, nint y, int threads) = (c.Input(0), c.Input(1), c.Output(0), c.Threads);
        (long dim, long rows) = (c.Dimension("dim"), c.Dimension("rows"));
        int bits = IndexBits(c);
        return () => HandMovement.Embedding((float*)table, (void*)indices, bits, (float*)y, dim, rows, threads);
    }

    private static Action Transpose(OperatorCase c)
    {
        (nint x, nint y, int threads) = (c.Input(0), c.Output(0), c.Threads);
        (long rows, long cols) = (c.Dimension("rows"), c.Dimension("cols"));
        return () => HandMovement.Transpose((float*)x, (float*)y, rows, cols, threads);
    }

    private static int IndexBits(OperatorCase c)
    {
        long bits = c.Optional("index_bits", 64);
        return bits is 32 or 64
            ? (int)bits
            : throw new ArgumentException(
                $"The operator '{c.Operator}' has index_bits={bits}, but only 32 or 64 exist."
            );
    }
}
