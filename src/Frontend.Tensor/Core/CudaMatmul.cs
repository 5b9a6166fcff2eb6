namespace Picograd;

/// <summary>How matrix products of float32 tensors are computed on GPUs (PyTorch's torch.backends.cuda.matmul).</summary>
public static class CudaMatmul
{
    private static volatile bool s_allowTf32;

    /// <summary>
    /// Whether tensor cores may be used: they read 10 bits of the operands' mantissas (tf32) and sum in float32, several
    /// times as fast. False unless set, as in PyTorch. The CPU always computes in float32.
    /// </summary>
    public static bool AllowTf32
    {
        get => s_allowTf32;
        set => s_allowTf32 = value;
    }
}
