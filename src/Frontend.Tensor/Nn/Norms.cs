using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// Deviations from the mean of the last dimensions over their root mean square, times a weight (1 at first) plus a bias (0); see
/// <see cref="F.LayerNorm"/>.
/// </summary>
public sealed class LayerNorm : Module
{
    private readonly long[] _shape;
    private readonly double _eps;

    /// <summary>Over the last dimension, of one size.</summary>
    public LayerNorm(
        long normalizedShape,
        double eps = 1e-5,
        bool elementwiseAffine = true,
        bool bias = true,
        DType dtype = DType.Float32
    )
        : this([normalizedShape], eps, elementwiseAffine, bias, dtype) { }

    /// <summary>Over the last dimensions, of these sizes.</summary>
    /// <exception cref="ArgumentException">No sizes, or one below 1.</exception>
    public LayerNorm(
        ReadOnlySpan<long> normalizedShape,
        double eps = 1e-5,
        bool elementwiseAffine = true,
        bool bias = true,
        DType dtype = DType.Float32
    )
    {
        _shape = NormShape.Checked(nameof(LayerNorm), normalizedShape);
        _eps = eps;
        if (elementwiseAffine)
            Weight = Register("weight", Tensor.Ones(_shape, dtype));
        if (elementwiseAffine && bias)
            Bias = Register("bias", Tensor.Zeros(_shape, dtype));
    }

    /// <summary>Of the normalized shape; null where there is none.</summary>
    public Tensor? Weight { get; }

    /// <summary>Of the normalized shape; null where there is none.</summary>
    public Tensor? Bias { get; }

    public override Tensor Forward(Tensor x) => F.LayerNorm(x, _shape, Weight, Bias, _eps);

    protected override string ExtraRepr() =>
        $"{NormShape.Text(_shape)}, eps={NormShape.Text(_eps)}, elementwise_affine={Weight is not null}";
}

/// <summary>Elements over the root mean square of the last dimensions, times a weight (1 at first); see <see cref="F.RmsNorm"/>.</summary>
public sealed class RMSNorm : Module
{
    private readonly long[] _shape;
    private readonly double? _eps;

    /// <summary>Over the last dimension, of one size.</summary>
    public RMSNorm(long normalizedShape, double? eps = null, bool elementwiseAffine = true, DType dtype = DType.Float32)
        : this([normalizedShape], eps, elementwiseAffine, dtype) { }

    /// <summary>Over the last dimensions, of these sizes.</summary>
    /// <exception cref="ArgumentException">No sizes, or one below 1.</exception>
    public RMSNorm(
        ReadOnlySpan<long> normalizedShape,
        double? eps = null,
        bool elementwiseAffine = true,
        DType dtype = DType.Float32
    )
    {
        _shape = NormShape.Checked(nameof(RMSNorm), normalizedShape);
        _eps = eps;
        if (elementwiseAffine)
            Weight = Register("weight", Tensor.Ones(_shape, dtype));
    }

    /// <summary>Of the normalized shape; null where there is none.</summary>
    public Tensor? Weight { get; }

    public override Tensor Forward(Tensor x) => F.RmsNorm(x, _shape, Weight, _eps);

    protected override string ExtraRepr() =>
        $"{NormShape.Text(_shape)}, eps={(_eps is { } eps ? NormShape.Text(eps) : "None")}, elementwise_affine={Weight is not null}";
}

/// <summary>
/// Deviations from the mean of groups of channels of each example over their root mean square, times a weight (1 at first) plus a bias
/// (0) of each channel; see <see cref="F.GroupNorm"/>.
/// </summary>
public sealed class GroupNorm : Module
{
    private readonly long _groups;
    private readonly long _channels;
    private readonly double _eps;

    /// <exception cref="ArgumentException">The groups do not divide the channels.</exception>
    public GroupNorm(
        long numGroups,
        long numChannels,
        double eps = 1e-5,
        bool affine = true,
        DType dtype = DType.Float32
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numGroups, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(numChannels, 1);
        if (numChannels % numGroups != 0)
            throw new ArgumentException(
                $"GroupNorm: numGroups is {numGroups}, which must divide numChannels, {numChannels}."
            );
        (_groups, _channels, _eps) = (numGroups, numChannels, eps);
        if (!affine)
            return;
        Weight = Register("weight", Tensor.Ones([numChannels], dtype));
        Bias = Register("bias", Tensor.Zeros([numChannels], dtype));
    }

    /// <summary>[channels]; null where there is none.</summary>
    public Tensor? Weight { get; }

    /// <summary>[channels]; null where there is none.</summary>
    public Tensor? Bias { get; }

    public override Tensor Forward(Tensor x) => F.GroupNorm(x, _groups, Weight, Bias, _eps);

    protected override string ExtraRepr() =>
        $"{_groups}, {_channels}, eps={NormShape.Text(_eps)}, affine={Weight is not null}";
}

/// <summary>What norms with running statistics have in common.</summary>
public abstract class RunningNorm : Module
{
    private readonly long _channels;
    private readonly bool _tracks;

    private protected RunningNorm(
        long numFeatures,
        double eps,
        double? momentum,
        bool affine,
        bool trackRunningStats,
        DType dtype
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(numFeatures, 1);
        (_channels, Eps, Momentum, _tracks) = (numFeatures, eps, momentum, trackRunningStats);
        if (affine)
        {
            Weight = Register("weight", Tensor.Ones([numFeatures], dtype));
            Bias = Register("bias", Tensor.Zeros([numFeatures], dtype));
        }
        if (!trackRunningStats)
            return;
        RunningMean = RegisterBuffer("running_mean", Tensor.Zeros([numFeatures], dtype));
        RunningVar = RegisterBuffer("running_var", Tensor.Ones([numFeatures], dtype));
        NumBatchesTracked = RegisterBuffer("num_batches_tracked", Tensor.Zeros([], DType.Int64));
    }

    /// <summary>[channels]; null where there is none.</summary>
    public Tensor? Weight { get; }

    /// <summary>[channels]; null where there is none.</summary>
    public Tensor? Bias { get; }

    /// <summary>[channels]; null where statistics are not kept.</summary>
    public Tensor? RunningMean { get; }

    /// <summary>[channels]; null where statistics are not kept.</summary>
    public Tensor? RunningVar { get; }

    /// <summary>How often statistics moved (int64); null where they are not kept.</summary>
    public Tensor? NumBatchesTracked { get; }

    internal double Eps { get; }

    // How far running statistics move; null: so that they are the mean over all batches.
    internal double? Momentum { get; set; }

    /// <summary>Makes the running statistics those of nothing: means of 0, variances of 1.</summary>
    public void ResetRunningStats()
    {
        RunningMean?.Zero_();
        RunningVar?.Fill_(1);
        NumBatchesTracked?.Zero_();
    }

    // Whether statistics are those of the input.
    private protected bool TakesInputs => Training || RunningMean is null;

    private protected double Counted()
    {
        if (!Training || NumBatchesTracked is null)
            return Momentum ?? 0;
        NumBatchesTracked.Add_(1);
        return Momentum ?? 1.0 / NumBatchesTracked.Item<long>();
    }

    private protected Tensor WithRank(Tensor x, int least, int most) =>
        Tensor.Given(x).Rank >= least && x.Rank <= most
            ? x
            : throw new ArgumentException(
                $"{GetType().Name}: the input has the shape {x.Shape}, but must have {(least < most ? $"{least} or " : "")}{most} dimensions."
            );

    protected override string ExtraRepr() =>
        $"{_channels}, eps={NormShape.Text(Eps)}, momentum={(Momentum is { } m ? NormShape.Text(m) : "None")}, affine={Weight is not null}, track_running_stats={_tracks}";
}

/// <summary>
/// Deviations from the mean of each channel of a batch over their root mean square, times a weight (1 at first) plus a bias (0), while
/// the module is in training; else with the running statistics. See <see cref="F.BatchNorm"/>.
/// </summary>
public abstract class BatchNormNd : RunningNorm
{
    private readonly int _rank;

    private protected BatchNormNd(
        int rank,
        long numFeatures,
        double eps,
        double? momentum,
        bool affine,
        bool trackRunningStats,
        DType dtype
    )
        : base(numFeatures, eps, momentum, affine, trackRunningStats, dtype) => _rank = rank;

    public override Tensor Forward(Tensor x) =>
        F.BatchNorm(
            WithRank(x, _rank == 1 ? 2 : _rank + 2, _rank + 2),
            RunningMean,
            RunningVar,
            Weight,
            Bias,
            TakesInputs,
            Counted(),
            Eps
        );
}

/// <summary><see cref="BatchNormNd"/> of vectors [n, channels] and sequences [n, channels, w].</summary>
public sealed class BatchNorm1d(
    long numFeatures,
    double eps = 1e-5,
    double? momentum = 0.1,
    bool affine = true,
    bool trackRunningStats = true,
    DType dtype = DType.Float32
) : BatchNormNd(1, numFeatures, eps, momentum, affine, trackRunningStats, dtype);

/// <summary><see cref="BatchNormNd"/> of images [n, channels, h, w].</summary>
public sealed class BatchNorm2d(
    long numFeatures,
    double eps = 1e-5,
    double? momentum = 0.1,
    bool affine = true,
    bool trackRunningStats = true,
    DType dtype = DType.Float32
) : BatchNormNd(2, numFeatures, eps, momentum, affine, trackRunningStats, dtype);

/// <summary><see cref="BatchNormNd"/> of volumes [n, channels, d, h, w].</summary>
public sealed class BatchNorm3d(
    long numFeatures,
    double eps = 1e-5,
    double? momentum = 0.1,
    bool affine = true,
    bool trackRunningStats = true,
    DType dtype = DType.Float32
) : BatchNormNd(3, numFeatures, eps, momentum, affine, trackRunningStats, dtype);

/// <summary>
/// Deviations from the mean of each channel of each example over their root mean square; an input of one dimension less is one
/// example. See <see cref="F.InstanceNorm"/>.
/// </summary>
public abstract class InstanceNormNd : RunningNorm
{
    private readonly int _rank;

    private protected InstanceNormNd(
        int rank,
        long numFeatures,
        double eps,
        double? momentum,
        bool affine,
        bool trackRunningStats,
        DType dtype
    )
        : base(numFeatures, eps, momentum, affine, trackRunningStats, dtype) => _rank = rank;

    public override Tensor Forward(Tensor x)
    {
        bool single = WithRank(x, _rank + 1, _rank + 2).Rank == _rank + 1;
        var result = F.InstanceNorm(
            single ? x.Unsqueeze(0) : x,
            RunningMean,
            RunningVar,
            Weight,
            Bias,
            TakesInputs,
            Counted(),
            Eps
        );
        return single ? result.Squeeze(0) : result;
    }
}

/// <summary><see cref="InstanceNormNd"/> of sequences [n, channels, w].</summary>
public sealed class InstanceNorm1d(
    long numFeatures,
    double eps = 1e-5,
    double? momentum = 0.1,
    bool affine = false,
    bool trackRunningStats = false,
    DType dtype = DType.Float32
) : InstanceNormNd(1, numFeatures, eps, momentum, affine, trackRunningStats, dtype);

/// <summary><see cref="InstanceNormNd"/> of images [n, channels, h, w].</summary>
public sealed class InstanceNorm2d(
    long numFeatures,
    double eps = 1e-5,
    double? momentum = 0.1,
    bool affine = false,
    bool trackRunningStats = false,
    DType dtype = DType.Float32
) : InstanceNormNd(2, numFeatures, eps, momentum, affine, trackRunningStats, dtype);

/// <summary><see cref="InstanceNormNd"/> of volumes [n, channels, d, h, w].</summary>
public sealed class InstanceNorm3d(
    long numFeatures,
    double eps = 1e-5,
    double? momentum = 0.1,
    bool affine = false,
    bool trackRunningStats = false,
    DType dtype = DType.Float32
) : InstanceNormNd(3, numFeatures, eps, momentum, affine, trackRunningStats, dtype);

/// <summary>Sizes and numbers as norms print them.</summary>
internal static class NormShape
{
    public static long[] Checked(string module, ReadOnlySpan<long> shape)
    {
        if (shape.Length == 0)
            throw new ArgumentException($"{module}: normalizedShape is empty, but must have at least one size.");
        foreach (long size in shape)
        {
            if (size < 1)
                throw new ArgumentException($"{module}: normalizedShape has the size {size}, but must be at least 1.");
        }
        return shape.ToArray();
    }

    public static string Text(long[] shape) => $"({string.Join(", ", shape)}{(shape.Length == 1 ? "," : "")})";

    // As Python prints them.
    public static string Text(double number)
    {
        string text = number.ToString("R", CultureInfo.InvariantCulture);
        return text.Replace("E", "e", StringComparison.Ordinal);
    }
}
