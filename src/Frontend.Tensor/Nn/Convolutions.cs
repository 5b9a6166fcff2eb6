using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// What convolutions of one to three dimensions have in common: a weight and a bias, drawn uniform within ±1/√(elements that a result
/// sums), Kaiming with a = √5, PyTorch's default.
/// </summary>
public abstract class ConvNd : Module
{
    private readonly bool _transposed;
    private readonly long _inputs;
    private readonly long _outputs;
    private Tensor _weight = null!;

    private protected ConvNd(
        int rank,
        bool transposed,
        long inChannels,
        long outChannels,
        PerDimension kernelSize,
        PerDimension stride,
        PerDimension padding,
        PerDimension outputPadding,
        PerDimension dilation,
        long groups,
        bool bias,
        Generator? generator,
        DType dtype,
        string paddingMode = "zeros"
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inChannels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outChannels, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(groups, 1);
        string name = GetType().Name;
        if (inChannels % groups != 0 || outChannels % groups != 0)
            throw new ArgumentException(
                $"{name}: groups is {groups}, which must divide inChannels, {inChannels}, and outChannels, {outChannels}."
            );
        if (kernelSize.Count == 0)
            throw new ArgumentException($"{name}: kernelSize is not given.", nameof(kernelSize));
        kernelSize.Checked(rank, name, nameof(kernelSize), 1);
        (_transposed, _inputs, _outputs) = (transposed, inChannels, outChannels);
        (KernelSize, Stride, Padding) = (kernelSize.Spread(rank, 1), stride.Spread(rank, 1), padding.Spread(rank, 0));
        (OutputPadding, Dilation, Groups) = (outputPadding.Spread(rank, 0), dilation.Spread(rank, 1), groups);
        Stride.Checked(rank, name, nameof(stride), 1);
        if (!Padding.IsSame)
            Padding.Checked(rank, name, nameof(padding), 0);
        else if (transposed || Stride.Any(1))
            throw new ArgumentException(
                $"{name}: padding is \"same\", which is for convolutions of stride 1 that are not transposed."
            );
        ArgumentNullException.ThrowIfNull(paddingMode);
        if (paddingMode is not ("zeros" or "reflect" or "replicate" or "circular"))
            throw new ArgumentException(
                $"{name}: paddingMode is \"{paddingMode}\", but must be \"zeros\", \"reflect\", \"replicate\" or \"circular\"."
            );
        PaddingMode = paddingMode;
        OutputPadding.Checked(rank, name, nameof(outputPadding), 0);
        Dilation.Checked(rank, name, nameof(dilation), 1);
        long[] shape = transposed
            ? [inChannels, outChannels / groups, .. Enumerable.Range(0, rank).Select(d => kernelSize[d])]
            : [outChannels, inChannels / groups, .. Enumerable.Range(0, rank).Select(d => kernelSize[d])];
        double bound = 1 / Math.Sqrt(shape[1..].Aggregate(1.0, (a, b) => a * b));
        Weight = Register("weight", Tensor.Empty(shape, dtype).Uniform_(-bound, bound, generator));
        if (bias)
            Bias = Register("bias", Tensor.Empty([outChannels], dtype).Uniform_(-bound, bound, generator));
    }

    /// <summary>[out, in/groups, …] or, transposed, [in, out/groups, …], then the sizes of the filters.</summary>
    public Tensor Weight
    {
        get => Current(_weight);
        private set => _weight = value;
    }

    /// <summary>[out]; null without bias.</summary>
    public Tensor? Bias
    {
        get => field is null ? null : Current(field);
        private set;
    }

    internal bool IsTransposed => _transposed;

    private protected override bool IsParametrizable => true;

    /// <summary>Other values in the place of its own.</summary>
    internal void Become(Tensor weight, Tensor bias)
    {
        OwnAgain("weight");
        OwnAgain("bias");
        Weight = Register("weight", weight);
        Bias = Register("bias", bias);
    }

    public PerDimension KernelSize { get; }

    public PerDimension Stride { get; }

    public PerDimension Padding { get; }

    /// <summary>What the padding holds: "zeros", or what <see cref="F.Pad"/> puts there.</summary>
    public string PaddingMode { get; }

    /// <summary>Of transposed convolutions; else 0.</summary>
    public PerDimension OutputPadding { get; }

    public PerDimension Dilation { get; }

    public long Groups { get; }

    /// <summary>The input with what is no zeros around it, and the padding that is left for the convolution.</summary>
    private protected (Tensor Padded, PerDimension Left) Padded(Tensor x)
    {
        if (PaddingMode == "zeros")
            return (x, Padding);
        int rank = _weight.Rank - 2;
        long[] pads = Padding.IsSame
            ? F.SamePads(rank, [.. _weight.Shape.ToArray()[2..]], Dilation)
            : [.. Enumerable.Range(0, rank).Reverse().SelectMany(d => new[] { Padding[d], Padding[d] })];
        return (F.Pad(x, pads, PaddingMode), 0);
    }

    protected override string ExtraRepr()
    {
        string text = $"{_inputs}, {_outputs}, kernel_size={Tuple(KernelSize)}, stride={Tuple(Stride)}";
        text += Padding.Any(0) ? $", padding={Tuple(Padding)}" : "";
        text += Dilation.Any(1) ? $", dilation={Tuple(Dilation)}" : "";
        text += OutputPadding.Any(0) ? $", output_padding={Tuple(OutputPadding)}" : "";
        text += Groups != 1 ? string.Create(CultureInfo.InvariantCulture, $", groups={Groups}") : "";
        text += Bias is null ? ", bias=False" : "";
        return text + (PaddingMode == "zeros" ? "" : $", padding_mode={PaddingMode}");
    }

    // Python's tuples of one have a comma.
    private static string Tuple(PerDimension numbers) =>
        numbers.IsSame || numbers.Count != 1 ? numbers.ToString() : $"({numbers},)";
}

/// <summary>Convolution of sequences [n, in, w]; see <see cref="F.Conv1d"/>.</summary>
/// <exception cref="ArgumentException">Numbers that do not fit; names them.</exception>
public sealed class Conv1d(
    long inChannels,
    long outChannels,
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    long groups = 1,
    bool bias = true,
    string paddingMode = "zeros",
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : ConvNd(
        1,
        false,
        inChannels,
        outChannels,
        kernelSize,
        stride,
        padding,
        default,
        dilation,
        groups,
        bias,
        generator,
        dtype,
        paddingMode
    )
{
    public override Tensor Forward(Tensor x)
    {
        var (padded, padding) = Padded(x);
        return F.Conv1d(padded, Weight, Bias, Stride, padding, Dilation, Groups);
    }
}

/// <summary>Convolution of images [n, in, h, w]; see <see cref="F.Conv2d"/>.</summary>
/// <exception cref="ArgumentException">Numbers that do not fit; names them.</exception>
public sealed class Conv2d(
    long inChannels,
    long outChannels,
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    long groups = 1,
    bool bias = true,
    string paddingMode = "zeros",
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : ConvNd(
        2,
        false,
        inChannels,
        outChannels,
        kernelSize,
        stride,
        padding,
        default,
        dilation,
        groups,
        bias,
        generator,
        dtype,
        paddingMode
    )
{
    public override Tensor Forward(Tensor x)
    {
        var (padded, padding) = Padded(x);
        return F.Conv2d(padded, Weight, Bias, Stride, padding, Dilation, Groups);
    }
}

/// <summary>Convolution of volumes [n, in, d, h, w]; see <see cref="F.Conv3d"/>.</summary>
/// <exception cref="ArgumentException">Numbers that do not fit; names them.</exception>
public sealed class Conv3d(
    long inChannels,
    long outChannels,
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension dilation = default,
    long groups = 1,
    bool bias = true,
    string paddingMode = "zeros",
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : ConvNd(
        3,
        false,
        inChannels,
        outChannels,
        kernelSize,
        stride,
        padding,
        default,
        dilation,
        groups,
        bias,
        generator,
        dtype,
        paddingMode
    )
{
    public override Tensor Forward(Tensor x)
    {
        var (padded, padding) = Padded(x);
        return F.Conv3d(padded, Weight, Bias, Stride, padding, Dilation, Groups);
    }
}

/// <summary>Transposed convolution of sequences [n, in, w]; see <see cref="F.ConvTranspose1d"/>.</summary>
/// <exception cref="ArgumentException">Numbers that do not fit; names them.</exception>
public sealed class ConvTranspose1d(
    long inChannels,
    long outChannels,
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension outputPadding = default,
    long groups = 1,
    bool bias = true,
    PerDimension dilation = default,
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : ConvNd(
        1,
        true,
        inChannels,
        outChannels,
        kernelSize,
        stride,
        padding,
        outputPadding,
        dilation,
        groups,
        bias,
        generator,
        dtype
    )
{
    public override Tensor Forward(Tensor x) =>
        F.ConvTranspose1d(x, Weight, Bias, Stride, Padding, OutputPadding, Groups, Dilation);
}

/// <summary>Transposed convolution of images [n, in, h, w]; see <see cref="F.ConvTranspose2d"/>.</summary>
/// <exception cref="ArgumentException">Numbers that do not fit; names them.</exception>
public sealed class ConvTranspose2d(
    long inChannels,
    long outChannels,
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension outputPadding = default,
    long groups = 1,
    bool bias = true,
    PerDimension dilation = default,
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : ConvNd(
        2,
        true,
        inChannels,
        outChannels,
        kernelSize,
        stride,
        padding,
        outputPadding,
        dilation,
        groups,
        bias,
        generator,
        dtype
    )
{
    public override Tensor Forward(Tensor x) =>
        F.ConvTranspose2d(x, Weight, Bias, Stride, Padding, OutputPadding, Groups, Dilation);
}

/// <summary>Transposed convolution of volumes [n, in, d, h, w]; see <see cref="F.ConvTranspose3d"/>.</summary>
/// <exception cref="ArgumentException">Numbers that do not fit; names them.</exception>
public sealed class ConvTranspose3d(
    long inChannels,
    long outChannels,
    PerDimension kernelSize,
    PerDimension stride = default,
    PerDimension padding = default,
    PerDimension outputPadding = default,
    long groups = 1,
    bool bias = true,
    PerDimension dilation = default,
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : ConvNd(
        3,
        true,
        inChannels,
        outChannels,
        kernelSize,
        stride,
        padding,
        outputPadding,
        dilation,
        groups,
        bias,
        generator,
        dtype
    )
{
    public override Tensor Forward(Tensor x) =>
        F.ConvTranspose3d(x, Weight, Bias, Stride, Padding, OutputPadding, Groups, Dilation);
}
