using Picograd.Algorithms;

namespace Picograd;

public static partial class FFT
{
    /// <summary>Along two dimensions, the last ones unless others are named.</summary>
    public static ComplexTensor Fft2(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    ) => FftN(input, s, dim.Length == 0 ? [-2, -1] : dim, norm);

    /// <summary>The inverse of <see cref="Fft2"/>.</summary>
    public static ComplexTensor IFft2(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    ) => IFftN(input, s, dim.Length == 0 ? [-2, -1] : dim, norm);

    /// <summary>Of real numbers along two dimensions, half of the last one.</summary>
    public static ComplexTensor RFft2(
        Tensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    ) => RFftN(input, s, dim.Length == 0 ? [-2, -1] : dim, norm);

    /// <summary>The inverse of <see cref="RFft2"/>.</summary>
    public static Tensor IRFft2(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    ) => IRFftN(input, s, dim.Length == 0 ? [-2, -1] : dim, norm);

    /// <summary>Real numbers, of a signal whose last dimension is half of one with conjugates.</summary>
    public static Tensor HFft2(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    ) => HFftN(input, s, dim.Length == 0 ? [-2, -1] : dim, norm);

    /// <summary>The inverse of <see cref="HFft2"/>.</summary>
    public static ComplexTensor IHFft2(
        Tensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    ) => IHFftN(input, s, dim.Length == 0 ? [-2, -1] : dim, norm);

    /// <summary>Along several dimensions.</summary>
    /// <param name="input">Complex or real.</param>
    /// <param name="s">How many elements of each of these dimensions, −1 for all there are; of the last ones where no dimensions are named.</param>
    /// <param name="dim">The dimensions; all unless s or dim is given.</param>
    /// <param name="norm">"backward", "ortho" or "forward".</param>
    public static ComplexTensor FftN(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    )
    {
        var along = Along("fftn", input.Real, s, dim);
        for (int i = along.Length - 1; i >= 0; i--)
            input = Fft(input, along[i].N, along[i].Dim, norm);
        return input;
    }

    /// <summary>The inverse of <see cref="FftN"/>.</summary>
    public static ComplexTensor IFftN(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    )
    {
        var along = Along("ifftn", input.Real, s, dim);
        for (int i = along.Length - 1; i >= 0; i--)
            input = IFft(input, along[i].N, along[i].Dim, norm);
        return input;
    }

    /// <summary>Of real numbers along several dimensions, half of the last one.</summary>
    public static ComplexTensor RFftN(
        Tensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    )
    {
        var along = Some("rfftn", Along("rfftn", input, s, dim));
        var result = RFft(input, along[^1].N, along[^1].Dim, norm);
        for (int i = along.Length - 2; i >= 0; i--)
            result = Fft(result, along[i].N, along[i].Dim, norm);
        return result;
    }

    /// <summary>The inverse of <see cref="RFftN"/>.</summary>
    public static Tensor IRFftN(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    )
    {
        var along = Some("irfftn", Along("irfftn", input.Real, s, dim));
        for (int i = 0; i < along.Length - 1; i++)
            input = IFft(input, along[i].N, along[i].Dim, norm);
        return IRFft(input, s.Length > 0 && s[^1] != -1 ? s[^1] : null, along[^1].Dim, norm);
    }

    /// <summary>Real numbers, of a signal whose last dimension is half of one with conjugates.</summary>
    public static Tensor HFftN(
        ComplexTensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    )
    {
        var along = Some("hfftn", Along("hfftn", input.Real, s, dim));
        for (int i = 0; i < along.Length - 1; i++)
            input = Fft(input, along[i].N, along[i].Dim, norm);
        return HFft(input, s.Length > 0 && s[^1] != -1 ? s[^1] : null, along[^1].Dim, norm);
    }

    /// <summary>The inverse of <see cref="HFftN"/>.</summary>
    public static ComplexTensor IHFftN(
        Tensor input,
        ReadOnlySpan<long> s = default,
        ReadOnlySpan<int> dim = default,
        string norm = "backward"
    )
    {
        var along = Some("ihfftn", Along("ihfftn", input, s, dim));
        var result = IHFft(input, along[^1].N, along[^1].Dim, norm);
        for (int i = along.Length - 2; i >= 0; i--)
            result = IFft(result, along[i].N, along[i].Dim, norm);
        return result;
    }

    private static (int Dim, long? N)[] Some(string what, (int Dim, long? N)[] along) =>
        along.Length > 0
            ? along
            : throw new ArgumentException($"{what}: must transform at least one dimension, but there is none.");

    private static (int Dim, long? N)[] Along(string what, Tensor input, ReadOnlySpan<long> s, ReadOnlySpan<int> dim)
    {
        ArgumentNullException.ThrowIfNull(input);
        if (dim.Length > 0 && s.Length > 0 && dim.Length != s.Length)
            throw new ArgumentException(
                $"{what}: {dim.Length} dimensions and {s.Length} sizes are given; there must be as many."
            );
        if (s.Length > input.Rank)
            throw new ArgumentException(
                $"{what}: {s.Length} sizes are given, but the shape {input.Layout} has {input.Rank} dimensions."
            );
        int count =
            dim.Length > 0 ? dim.Length
            : s.Length > 0 ? s.Length
            : input.Rank;
        var along = new (int, long?)[count];
        var seen = new HashSet<int>();
        for (int i = 0; i < count; i++)
        {
            int d = dim.Length > 0 ? DimOf(what, input, dim[i]) : input.Rank - count + i;
            if (!seen.Add(d))
                throw new ArgumentException($"{what}: dimension {d} is named twice.");
            along[i] = (d, s.Length == 0 || s[i] == -1 ? null : s[i]);
        }
        return along;
    }

    /// <summary>The frequencies of <see cref="Fft(ComplexTensor, long?, int, string)"/>: 0, 1, …, −2, −1 over n · d.</summary>
    public static Tensor FftFreq(long n, double d = 1, DType dtype = DType.Float32, Device? device = null)
    {
        if (n < 1)
            throw new ArgumentException($"fftfreq: n is {n}, but must be at least 1.");
        long positive = (n + 1) / 2;
        var all = Tensor.Arange(0, n, 1, DType.Int64, device);
        var wrapped = Tensor.Where(all >= positive, all - n, all);
        return wrapped.To(dtype) * (1 / (n * d));
    }

    /// <summary>The frequencies of <see cref="RFft"/>: 0 to n / 2, over n · d.</summary>
    public static Tensor RFftFreq(long n, double d = 1, DType dtype = DType.Float32, Device? device = null)
    {
        if (n < 1)
            throw new ArgumentException($"rfftfreq: n is {n}, but must be at least 1.");
        return Tensor.Arange(0, n / 2 + 1, 1, DType.Int64, device).To(dtype) * (1 / (n * d));
    }

    /// <summary>With frequency 0 in the middle of each dimension named, or all.</summary>
    public static Tensor FftShift(Tensor input, params ReadOnlySpan<int> dim) => Shifted(input, dim, forward: true);

    /// <inheritdoc cref="FftShift(Tensor, ReadOnlySpan{int})"/>
    public static ComplexTensor FftShift(ComplexTensor input, params ReadOnlySpan<int> dim) =>
        new(Shifted(input.Real, dim, true), Shifted(input.Imag, dim, true));

    /// <summary>The inverse of <see cref="FftShift(Tensor, ReadOnlySpan{int})"/>.</summary>
    public static Tensor IFftShift(Tensor input, params ReadOnlySpan<int> dim) => Shifted(input, dim, forward: false);

    /// <inheritdoc cref="IFftShift(Tensor, ReadOnlySpan{int})"/>
    public static ComplexTensor IFftShift(ComplexTensor input, params ReadOnlySpan<int> dim) =>
        new(Shifted(input.Real, dim, false), Shifted(input.Imag, dim, false));

    private static Tensor Shifted(Tensor input, ReadOnlySpan<int> dim, bool forward)
    {
        ArgumentNullException.ThrowIfNull(input);
        int[] dims = dim.Length > 0 ? dim.ToArray() : [.. Enumerable.Range(0, input.Rank)];
        if (dims.Length == 0)
            return input;
        long[] shifts = [.. dims.Select(d => forward ? input.Size(d) / 2 : -(input.Size(d) / 2))];
        return input.Roll(shifts, dims);
    }
}
