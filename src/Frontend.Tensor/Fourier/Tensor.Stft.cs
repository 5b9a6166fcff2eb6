using Picograd.Algorithms;

namespace Picograd;

public sealed partial class Tensor
{
    /// <summary>Spectra of pieces of signals, [(batch,) frequencies, frames]; of real signals those up to n / 2 unless all are wanted.</summary>
    /// <param name="nFft">Length of a piece.</param>
    /// <param name="hopLength">From one piece to the next; n / 4 unless given.</param>
    /// <param name="winLength">Length of the window, which is centered in the piece; n unless given.</param>
    /// <param name="window">What pieces are multiplied by; ones unless given.</param>
    /// <param name="center">Whether the first piece is centered at the beginning, with n / 2 elements added at both ends.</param>
    /// <param name="padMode">How these are made: "reflect", "constant", "replicate" or "circular".</param>
    /// <param name="normalized">Whether spectra are divided by √n.</param>
    /// <param name="onesided">Whether the upper half, which is conjugates, is left out.</param>
    public ComplexTensor Stft(
        long nFft,
        long? hopLength = null,
        long? winLength = null,
        Tensor? window = null,
        bool center = true,
        string padMode = "reflect",
        bool normalized = false,
        bool? onesided = null
    )
    {
        const string What = "stft";
        ArgumentNullException.ThrowIfNull(padMode);
        RequireFloat(What);
        if (Rank is not (1 or 2))
            throw new ArgumentException($"{What}: needs a signal or a batch of them, but the shape is {Layout}.");
        var (hop, width) = (hopLength ?? nFft / 4, winLength ?? nFft);
        var x = Rank == 1 ? Unsqueeze(0) : this;
        if (center)
            x = F.Pad(x.Unsqueeze(0), [nFft / 2, nFft / 2], padMode).Squeeze(0);
        long length = x.Layout.Sizes[1];
        if (nFft <= 0 || nFft > length)
            throw new ArgumentException(
                $"{What}: nFft is {nFft}, but must be from 1 to {length}, the length of the signal."
            );
        if (hop <= 0)
            throw new ArgumentException($"{What}: hopLength is {hop}, but must be above 0.");
        var shape = Whole(What, window, nFft, width, DType, Device);
        var pieces = x.Unfold(1, nFft, hop);
        if (shape is not null)
            pieces = pieces * shape;
        string norm = normalized ? "ortho" : "backward";
        var spectra = onesided ?? true ? FFT.RFft(pieces, norm: norm) : FFT.Fft(pieces, norm: norm);
        var result = spectra.Transpose(1, 2);
        return Rank == 1 ? result.Squeeze(0) : result;
    }

    /// <summary>The window of a piece, with zeros at both sides; null for ones.</summary>
    internal static Tensor? Whole(string what, Tensor? window, long n, long width, DType type, Device device)
    {
        if (width <= 0 || width > n)
            throw new ArgumentException($"{what}: winLength is {width}, but must be from 1 to nFft = {n}.");
        if (window is not null && (window.Rank != 1 || window.NumElements != width))
            throw new ArgumentException(
                $"{what}: the window must have the {width} elements of winLength, but its shape is {window.Layout}."
            );
        if (width == n)
            return window?.To(type);
        long left = (n - width) / 2;
        var inner = window?.To(type) ?? Ones([width], type, device);
        return Cat([Zeros([left], type, device), inner, Zeros([n - width - left], type, device)]);
    }
}

public sealed partial class ComplexTensor
{
    /// <summary>The signal whose pieces have these spectra, [(batch,) frequencies, frames], with least squares; the inverse of <see cref="Tensor.Stft"/>.</summary>
    /// <param name="nFft">Length of a piece.</param>
    /// <param name="hopLength">From one piece to the next; n / 4 unless given.</param>
    /// <param name="winLength">Length of the window; n unless given.</param>
    /// <param name="window">What pieces were multiplied by.</param>
    /// <param name="center">Whether the first piece was centered at the beginning.</param>
    /// <param name="normalized">Whether spectra were divided by √n.</param>
    /// <param name="onesided">Whether the upper half was left out; by the number of frequencies unless given.</param>
    /// <param name="length">Of the signal; all that pieces cover unless given.</param>
    public Tensor Istft(
        long nFft,
        long? hopLength = null,
        long? winLength = null,
        Tensor? window = null,
        bool center = true,
        bool normalized = false,
        bool? onesided = null,
        long? length = null
    )
    {
        const string What = "istft";
        if (Rank is not (2 or 3) || NumElements == 0)
            throw new ArgumentException(
                $"{What}: needs frequencies by frames, or a batch of them, but the shape is {Real.Layout}."
            );
        var (hop, width) = (hopLength ?? nFft / 4, winLength ?? nFft);
        bool half = onesided ?? Size(-2) != nFft;
        long frequencies = half ? nFft / 2 + 1 : nFft;
        if (Size(-2) != frequencies)
            throw new ArgumentException(
                $"{What}: of nFft = {nFft} there are {frequencies} frequencies, but the shape is {Real.Layout}."
            );
        if (hop <= 0 || hop > width)
            throw new ArgumentException($"{What}: hopLength is {hop}, but must be from 1 to winLength = {width}.");
        var shape =
            Tensor.Whole(What, window, nFft, width, RealDType, Device) ?? Tensor.Ones([nFft], RealDType, Device);
        var spectra = (Rank == 2 ? Unsqueeze(0) : this).Transpose(1, 2);
        string norm = normalized ? "ortho" : "backward";
        var pieces = half ? FFT.IRFft(spectra, nFft, norm: norm) : FFT.IFft(spectra, norm: norm).Real;
        long frames = pieces.Size(1);
        long covered = nFft + hop * (frames - 1);
        Tensor Added(Tensor of) =>
            F.Fold(of.Transpose(1, 2), (1, covered), (1, nFft), stride: (1, hop)).Reshape(of.Size(0), covered);
        var signal = Added(pieces * shape);
        var weight = Added((shape * shape).Expand(1, frames, nFft));
        long start = center ? nFft / 2 : 0;
        long end =
            length is { } given ? Math.Min(covered, start + given)
            : center ? covered - nFft / 2
            : covered;
        signal = signal.Narrow(1, start, Math.Max(0, end - start));
        weight = weight.Narrow(1, start, Math.Max(0, end - start));
        if (!Device.IsMeta && weight.NumElements > 0 && weight.Detach().Abs().Min().Item() <= 1e-11)
            throw new ArgumentException(
                $"{What}: the window leaves elements of the signal out: windows add up to 0 there."
            );
        signal = signal / weight;
        if (length is { } wanted && wanted > end - start)
            signal = F.Pad(signal, [0, wanted - (end - start)]);
        return Rank == 2 ? signal.Squeeze(0) : signal;
    }
}
