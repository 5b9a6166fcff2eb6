using Picograd.Algorithms;
using Picograd.Fourier;

namespace Picograd;

/// <summary>
/// torch.fft: discrete Fourier transforms of any length along any dimensions, differentiable. What is real may be given as it is.
/// <c>norm</c> is "backward" (the inverse is divided by n), "ortho" (both by √n) or "forward" (the other way round).
/// </summary>
public static partial class FFT
{
    /// <summary>Along a dimension, of its first n elements, or with zeros behind them.</summary>
    public static ComplexTensor Fft(ComplexTensor input, long? n = null, int dim = -1, string norm = "backward") =>
        Transform("fft", input.Real, input.Imag, n, dim, norm, inverse: false);

    /// <inheritdoc cref="Fft(ComplexTensor, long?, int, string)"/>
    public static ComplexTensor Fft(Tensor input, long? n = null, int dim = -1, string norm = "backward") =>
        Transform("fft", Floats("fft", input), null, n, dim, norm, inverse: false);

    /// <summary>The inverse of <see cref="Fft(ComplexTensor, long?, int, string)"/>.</summary>
    public static ComplexTensor IFft(ComplexTensor input, long? n = null, int dim = -1, string norm = "backward") =>
        Transform("ifft", input.Real, input.Imag, n, dim, norm, inverse: true);

    /// <inheritdoc cref="IFft(ComplexTensor, long?, int, string)"/>
    public static ComplexTensor IFft(Tensor input, long? n = null, int dim = -1, string norm = "backward") =>
        Transform("ifft", Floats("ifft", input), null, n, dim, norm, inverse: true);

    /// <summary>Of real numbers; the first n / 2 + 1, of which the others are conjugates.</summary>
    public static ComplexTensor RFft(Tensor input, long? n = null, int dim = -1, string norm = "backward")
    {
        var all = Transform("rfft", Floats("rfft", input), null, n, dim, norm, inverse: false);
        return all.Narrow(dim, 0, all.Size(dim) / 2 + 1);
    }

    /// <summary>The inverse of <see cref="RFft"/>, n real numbers; n is 2 · (size − 1) unless given.</summary>
    public static Tensor IRFft(ComplexTensor input, long? n = null, int dim = -1, string norm = "backward") =>
        FromHalf("irfft", input, n, dim, norm, inverse: true);

    /// <inheritdoc cref="IRFft(ComplexTensor, long?, int, string)"/>
    public static Tensor IRFft(Tensor input, long? n = null, int dim = -1, string norm = "backward") =>
        IRFft((ComplexTensor)input, n, dim, norm);

    /// <summary>Real numbers, of the first half of a signal whose other half is conjugates.</summary>
    public static Tensor HFft(ComplexTensor input, long? n = null, int dim = -1, string norm = "backward") =>
        FromHalf("hfft", input.Conj(), n, dim, norm, inverse: false);

    /// <inheritdoc cref="HFft(ComplexTensor, long?, int, string)"/>
    public static Tensor HFft(Tensor input, long? n = null, int dim = -1, string norm = "backward") =>
        HFft((ComplexTensor)input, n, dim, norm);

    /// <summary>The inverse of <see cref="HFft(ComplexTensor, long?, int, string)"/>.</summary>
    public static ComplexTensor IHFft(Tensor input, long? n = null, int dim = -1, string norm = "backward")
    {
        var all = Transform("ihfft", Floats("ihfft", input), null, n, dim, norm, inverse: true);
        return all.Narrow(dim, 0, all.Size(dim) / 2 + 1);
    }

    private static Tensor Floats(string what, Tensor input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return input.DType switch
        {
            DType.Float32 or DType.Float64 => input,
            DType.Float16 or DType.BFloat16 => throw new ArgumentException(
                $"{what}: needs float32 or float64, but the dtype is {input.DType.Name()}; convert it with To()."
            ),
            _ => input.To(DType.Float32),
        };
    }

    private static double ScaleOf(string what, string norm, long n, bool inverse) =>
        norm switch
        {
            "backward" => inverse ? 1.0 / n : 1,
            "ortho" => 1 / Math.Sqrt(n),
            "forward" => inverse ? 1 : 1.0 / n,
            _ => throw new ArgumentException(
                $"{what}: norm is \"{norm}\", but must be \"backward\", \"ortho\" or \"forward\"."
            ),
        };

    private static int DimOf(string what, Tensor t, int dim)
    {
        if (t.Rank == 0)
            throw new ArgumentException($"{what}: a scalar has no dimension to transform.");
        return t.Layout.Dim(dim, what);
    }

    private static long Length(string what, long? n, long size)
    {
        long length = n ?? size;
        return length >= 1
            ? length
            : throw new ArgumentException($"{what}: n is {length}, but there must be at least 1 element.");
    }

    private static ComplexTensor Transform(
        string what,
        Tensor real,
        Tensor? imag,
        long? n,
        int dim,
        string norm,
        bool inverse
    )
    {
        int d = DimOf(what, real, dim);
        long length = Length(what, n, real.Size(d));
        double scale = ScaleOf(what, norm, length, inverse);
        var (re, im) = (Fitted(real, d, length), imag is null ? null : Fitted(imag, d, length));
        if (re.NumElements == 0)
            return new ComplexTensor(re, im ?? Tensor.ZerosLike(re.Detach()));
        bool isLast = d == re.Rank - 1;
        Tensor Rows(Tensor t) => (isLast ? t : t.Transpose(d, -1)).Reshape(-1, length);
        long[] shape = [.. (isLast ? re : re.Transpose(d, -1)).Shape];
        var (a, b) = DiscreteTransform.Run(Rows(re), im is null ? null : Rows(im), inverse ? 1 : -1);
        Tensor Back(Tensor t)
        {
            var scaled = (scale == 1 ? t : t * scale).Reshape(shape);
            return isLast ? scaled : scaled.Transpose(d, -1);
        }
        return new ComplexTensor(Back(a), Back(b));
    }

    // The first elements along a dimension, or zeros behind them.
    private static Tensor Fitted(Tensor t, int d, long length)
    {
        long size = t.Size(d);
        if (size == length)
            return t;
        if (size > length)
            return t.Narrow(d, 0, length);
        long[] more = [.. t.Shape];
        more[d] = length - size;
        return Tensor.Cat([t, Tensor.Zeros(more, t.DType, t.Device)], d);
    }

    // The real result of a spectrum that is given by its first half: the others are conjugates.
    private static Tensor FromHalf(string what, ComplexTensor input, long? n, int dim, string norm, bool inverse)
    {
        int d = DimOf(what, input.Real, dim);
        long length = Length(what, n, 2 * (input.Size(d) - 1));
        long half = length / 2 + 1;
        var (re, im) = (Fitted(input.Real, d, half), Fitted(input.Imag, d, half));
        long mirrored = length - half;
        if (mirrored > 0)
        {
            re = Tensor.Cat([re, re.Narrow(d, 1, mirrored).Flip(d)], d);
            im = Tensor.Cat([im, -im.Narrow(d, 1, mirrored).Flip(d)], d);
        }
        // Of conjugates that come in pairs both directions are alike; hfft has them the other way round.
        double scale = ScaleOf(what, norm, length, inverse);
        var sums = Transform(what, re, im, length, d, "forward", inverse: true).Real;
        return scale == 1 ? sums : sums * scale;
    }
}
