using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>x1ᵀ · weight · x2 + bias; see <see cref="F.Bilinear"/>. Drawn uniform within ±1/√in1.</summary>
public sealed class Bilinear : Module
{
    private readonly Tensor _weight;
    private readonly Tensor? _bias;

    /// <exception cref="ArgumentOutOfRangeException">A size below 1.</exception>
    public Bilinear(
        long in1Features,
        long in2Features,
        long outFeatures,
        bool bias = true,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(in1Features, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(in2Features, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outFeatures, 1);
        double bound = 1 / Math.Sqrt(in1Features);
        long[] shape = [outFeatures, in1Features, in2Features];
        _weight = Register("weight", Tensor.Empty(shape, dtype).Uniform_(-bound, bound, generator));
        if (bias)
            _bias = Register("bias", Tensor.Empty([outFeatures], dtype).Uniform_(-bound, bound, generator));
    }

    /// <summary>[out, in1, in2].</summary>
    public Tensor Weight => Current(_weight);

    /// <summary>[out]; null without bias.</summary>
    public Tensor? Bias => _bias is null ? null : Current(_bias);

    private protected override bool IsParametrizable => true;

    public Tensor Forward(Tensor x1, Tensor x2) => F.Bilinear(x1, x2, Weight, Bias);

    /// <summary>Forward with the module's hooks around it, which see the first input.</summary>
    public Tensor Call(Tensor x1, Tensor x2) => Hooked(x1, t => Forward(t, x2));

    protected override string ExtraRepr() =>
        $"in1_features={_weight.Size(1)}, in2_features={_weight.Size(2)}, out_features={_weight.Size(0)}, bias={Bias is not null}";
}

/// <summary>A table [vocab, dim], drawn from the normal distribution, whose rows are picked by integer indices.</summary>
public sealed class Embedding : Module
{
    private Tensor _table = null!;
    private readonly double _normType;
    private readonly bool _scale;

    /// <param name="numEmbeddings">Rows.</param>
    /// <param name="embeddingDim">Columns.</param>
    /// <param name="paddingIdx">A row that is 0 at first and gets no gradient; negative ones count from the end.</param>
    /// <param name="maxNorm">Rows that are picked and longer are shortened.</param>
    /// <param name="normType">Of which norm.</param>
    /// <param name="scaleGradByFreq">Whether gradients are divided by how often a row is picked.</param>
    /// <param name="generator">Draws the table; null for the default one.</param>
    /// <param name="dtype">Of floats.</param>
    /// <exception cref="ArgumentException">A size below 1, or a paddingIdx beyond the rows.</exception>
    public Embedding(
        long numEmbeddings,
        long embeddingDim,
        long? paddingIdx = null,
        double? maxNorm = null,
        double normType = 2,
        bool scaleGradByFreq = false,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
        : this(Table(numEmbeddings, embeddingDim, generator, dtype), paddingIdx, maxNorm, normType, scaleGradByFreq)
    {
        if (PaddingIdx is { } row)
        {
            using var off = Tensor.NoGrad();
            Weight.Detach().Select(0, (int)row).Zero_();
        }
    }

    private Embedding(Tensor table, long? paddingIdx, double? maxNorm, double normType, bool scaleGradByFreq)
    {
        long rows = table.Size(0);
        if (paddingIdx is { } at && (at < -rows || at >= rows))
            throw new ArgumentException(
                $"Embedding: paddingIdx is {at}, but must be within the {rows} rows.",
                nameof(paddingIdx)
            );
        PaddingIdx = paddingIdx < 0 ? paddingIdx + rows : paddingIdx;
        (MaxNorm, _normType, _scale) = (maxNorm, normType, scaleGradByFreq);
        Weight = table;
    }

    /// <summary>A module of a given table, which is not trained unless freeze is false.</summary>
    /// <exception cref="ArgumentException">Not a matrix.</exception>
    public static Embedding FromPretrained(
        Tensor embeddings,
        bool freeze = true,
        long? paddingIdx = null,
        double? maxNorm = null,
        double normType = 2,
        bool scaleGradByFreq = false
    )
    {
        ArgumentNullException.ThrowIfNull(embeddings);
        if (embeddings.Rank != 2)
            throw new ArgumentException(
                $"Embedding: the table must be a matrix, but its shape is {embeddings.Shape}.",
                nameof(embeddings)
            );
        var module = new Embedding(embeddings, paddingIdx, maxNorm, normType, scaleGradByFreq);
        module.Weight.RequiresGrad_(!freeze);
        return module;
    }

    /// <summary>[vocab, dim]. Another module's weight may be set, to be shared (tied).</summary>
    /// <exception cref="ArgumentException">Not a matrix.</exception>
    public Tensor Weight
    {
        get => Current(_table);
        set
        {
            if (!SetParametrized("weight", Matrix(value)))
                _table = Register("weight", value);
        }
    }

    private protected override bool IsParametrizable => true;

    /// <summary>The row that gets no gradient; null for none.</summary>
    public long? PaddingIdx { get; }

    /// <summary>How long rows may be; null for any length.</summary>
    public double? MaxNorm { get; }

    public override Tensor Forward(Tensor x) =>
        PaddingIdx is null && MaxNorm is null && !_scale
            ? F.Embedding(Weight, Tensor.Given(x))
            : F.Embedding(Tensor.Given(x), Weight, PaddingIdx, MaxNorm, _normType, _scale);

    protected override string ExtraRepr() =>
        $"{_table.Size(0)}, {_table.Size(1)}"
        + (PaddingIdx is { } row ? $", padding_idx={row}" : "")
        + (MaxNorm is { } most ? string.Create(CultureInfo.InvariantCulture, $", max_norm={most}") : "");

    private static Tensor Table(long rows, long columns, Generator? generator, DType dtype)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1, "numEmbeddings");
        ArgumentOutOfRangeException.ThrowIfLessThan(columns, 1, "embeddingDim");
        return Tensor.Randn([rows, columns], generator, dtype);
    }
}

/// <summary>Sums, means or maxima of rows of a table, drawn from the normal distribution; see <see cref="F.EmbeddingBag"/>.</summary>
public sealed class EmbeddingBag : Module
{
    private readonly double? _maxNorm;
    private readonly double _normType;
    private readonly bool _scale;
    private readonly string _mode;
    private readonly bool _last;
    private readonly long? _padding;

    /// <exception cref="ArgumentException">A size below 1, or another mode.</exception>
    public EmbeddingBag(
        long numEmbeddings,
        long embeddingDim,
        double? maxNorm = null,
        double normType = 2,
        bool scaleGradByFreq = false,
        string mode = "mean",
        bool includeLastOffset = false,
        long? paddingIdx = null,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numEmbeddings, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(embeddingDim, 1);
        if (mode is not ("mean" or "sum" or "max"))
            throw new ArgumentException(
                $"EmbeddingBag: mode is \"{mode}\", but must be \"mean\", \"sum\" or \"max\".",
                nameof(mode)
            );
        (_maxNorm, _normType, _scale, _mode, _last) = (maxNorm, normType, scaleGradByFreq, mode, includeLastOffset);
        _padding = paddingIdx < 0 ? paddingIdx + numEmbeddings : paddingIdx;
        Weight = Register("weight", Tensor.Randn([numEmbeddings, embeddingDim], generator, dtype));
        if (_padding is { } row)
            Weight.Detach().Select(0, (int)row).Zero_();
    }

    /// <summary>[vocab, dim].</summary>
    public Tensor Weight { get; }

    public override Tensor Forward(Tensor x) => Forward(x, null);

    /// <param name="x">[bags, n], or [n] with offsets.</param>
    /// <param name="offsets">Where bags start [bags].</param>
    /// <param name="perSampleWeights">Factors of rows, of x's shape.</param>
    public Tensor Forward(Tensor x, Tensor? offsets, Tensor? perSampleWeights = null) =>
        F.EmbeddingBag(x, Weight, offsets, _maxNorm, _normType, _scale, _mode, perSampleWeights, _last, _padding);

    protected override string ExtraRepr() => $"{Weight.Size(0)}, {Weight.Size(1)}, mode='{_mode}'";
}

/// <summary>One dimension out of those from one to another, by default of all but the first.</summary>
public sealed class Flatten(int startDim = 1, int endDim = -1) : Module
{
    public override Tensor Forward(Tensor x) => Tensor.Given(x).Flatten(startDim, endDim);

    protected override string ExtraRepr() => $"start_dim={startDim}, end_dim={endDim}";
}

/// <summary>Several dimensions out of one, of which one may be −1.</summary>
public sealed class Unflatten : Module
{
    private readonly int _dim;
    private readonly long[] _sizes;

    public Unflatten(int dim, params ReadOnlySpan<long> unflattenedSize) =>
        (_dim, _sizes) = (dim, unflattenedSize.ToArray());

    public override Tensor Forward(Tensor x) => Tensor.Given(x).Unflatten(_dim, _sizes);

    protected override string ExtraRepr() => $"dim={_dim}, unflattened_size={NormShape.Text(_sizes)}";
}

/// <summary>See <see cref="F.LocalResponseNorm"/>.</summary>
public sealed class LocalResponseNorm(long size, double alpha = 1e-4, double beta = 0.75, double k = 1) : Module
{
    public override Tensor Forward(Tensor x) => F.LocalResponseNorm(x, size, alpha, beta, k);

    protected override string ExtraRepr() =>
        $"{size}, alpha={NormShape.Text(alpha)}, beta={NormShape.Text(beta)}, k={NormShape.Text(k)}";
}

/// <summary>See <see cref="F.ChannelShuffle"/>.</summary>
public sealed class ChannelShuffle(long groups) : Module
{
    public override Tensor Forward(Tensor x) => F.ChannelShuffle(x, groups);

    protected override string ExtraRepr() => $"groups={groups}";
}

/// <summary>See <see cref="F.PixelShuffle"/>.</summary>
public sealed class PixelShuffle(long upscaleFactor) : Module
{
    public override Tensor Forward(Tensor x) => F.PixelShuffle(x, upscaleFactor);

    protected override string ExtraRepr() => $"upscale_factor={upscaleFactor}";
}

/// <summary>See <see cref="F.PixelUnshuffle"/>.</summary>
public sealed class PixelUnshuffle(long downscaleFactor) : Module
{
    public override Tensor Forward(Tensor x) => F.PixelUnshuffle(x, downscaleFactor);

    protected override string ExtraRepr() => $"downscale_factor={downscaleFactor}";
}

/// <summary>See <see cref="F.Unfold"/>.</summary>
public sealed class Unfold(
    PerDimension kernelSize,
    PerDimension dilation = default,
    PerDimension padding = default,
    PerDimension stride = default
) : Module
{
    public override Tensor Forward(Tensor x) => F.Unfold(x, kernelSize, dilation, padding, stride);

    protected override string ExtraRepr() =>
        $"kernel_size={kernelSize}, dilation={dilation.Or(1)}, padding={padding.Or(0)}, stride={stride.Or(1)}";
}

/// <summary>See <see cref="F.Fold"/>.</summary>
public sealed class Fold(
    PerDimension outputSize,
    PerDimension kernelSize,
    PerDimension dilation = default,
    PerDimension padding = default,
    PerDimension stride = default
) : Module
{
    public override Tensor Forward(Tensor x) => F.Fold(x, outputSize, kernelSize, dilation, padding, stride);

    protected override string ExtraRepr() =>
        $"output_size={outputSize}, kernel_size={kernelSize}, dilation={dilation.Or(1)}, padding={padding.Or(0)}, stride={stride.Or(1)}";
}

/// <summary>See <see cref="F.Interpolate"/>.</summary>
public class Upsample : Module
{
    private readonly long[] _size;
    private readonly double[] _scale;
    private readonly string _mode;
    private readonly bool? _align;
    private readonly bool? _recompute;

    /// <summary>By a size of all or each of the last dimensions, or by factors.</summary>
    public Upsample(
        ReadOnlySpan<long> size = default,
        ReadOnlySpan<double> scaleFactor = default,
        string mode = "nearest",
        bool? alignCorners = null,
        bool? recomputeScaleFactor = null
    )
    {
        (_size, _scale, _mode, _align, _recompute) = (
            size.ToArray(),
            scaleFactor.ToArray(),
            mode,
            alignCorners,
            recomputeScaleFactor
        );
    }

    /// <summary>By one factor.</summary>
    public Upsample(double scaleFactor, string mode = "nearest", bool? alignCorners = null)
        : this([], [scaleFactor], mode, alignCorners) { }

    public override Tensor Forward(Tensor x) => F.Interpolate(x, _size, _scale, _mode, _align, _recompute);

    protected override string ExtraRepr() =>
        (
            _size.Length > 0
                ? $"size={(_size.Length == 1 ? _size[0] : NormShape.Text(_size))}"
                : $"scale_factor={(_scale.Length == 1 ? NormShape.Text(_scale[0]) : $"({string.Join(", ", _scale.Select(NormShape.Text))})")}"
        ) + $", mode='{_mode}'";
}

/// <summary>The nearest elements of images at another size.</summary>
public sealed class UpsamplingNearest2d(ReadOnlySpan<long> size = default, ReadOnlySpan<double> scaleFactor = default)
    : Upsample(size, scaleFactor, "nearest");

/// <summary>Images at another size, with the corners at the corners.</summary>
public sealed class UpsamplingBilinear2d(ReadOnlySpan<long> size = default, ReadOnlySpan<double> scaleFactor = default)
    : Upsample(size, scaleFactor, "bilinear", alignCorners: true);
