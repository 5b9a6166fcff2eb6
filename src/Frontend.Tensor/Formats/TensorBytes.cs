namespace Picograd.Formats;

/// <summary>Elements of tensors as bytes.</summary>
internal static class TensorBytes
{
    /// <summary>Writes the elements of a tensor of any strides and device, in row-major order.</summary>
    public static unsafe void Write(Stream to, Tensor tensor)
    {
        using var off = Tensor.NoGrad();
        var dense = tensor.Detach().ToDevice(Device.Cpu).Contiguous();
        long bytes = dense.NumElements * dense.ElementSize;
        Calls.Executor.Listening?.HostReads(dense);
        const int Piece = 1 << 24;
        for (long at = 0; at < bytes; at += Piece)
            to.Write(new ReadOnlySpan<byte>((byte*)dense.Address + at, (int)Math.Min(Piece, bytes - at)));
        GC.KeepAlive(dense);
    }
}
