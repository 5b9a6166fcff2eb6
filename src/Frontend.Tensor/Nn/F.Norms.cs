using System.Globalization;
using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    private readonly record struct NormKey(double Eps, bool Affine);

    private static readonly OperatorFamily<NormKey> LayerNorms = new(k => Of("layernorm", "layer_norm", k));
    private static readonly OperatorFamily<NormKey> RmsNorms = new(k => Of("rmsnorm", "rms_norm", k));
    private static readonly OperatorFamily<NormKey> GroupNorms = new(k => Of("groupnorm", "group_norm", k));
    private static readonly OperatorFamily<NormKey> BatchNorms = new(k => Of("batchnorm", "batch_norm", k));
    private static readonly OperatorFamily<NormKey> BatchNormEvals = new(k => Of("batchnorm_eval", "batch_norm", k));

    /// <summary>
    /// (x − mean) / √(variance + eps) · weight + bias, mean and variance (divided by the count) over the last dimensions, whose sizes
    /// are normalizedShape; weight and bias have that shape, too.
    /// </summary>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit; names them.</exception>
    public static Tensor LayerNorm(
        Tensor x,
        ReadOnlySpan<long> normalizedShape,
        Tensor? weight = null,
        Tensor? bias = null,
        double eps = 1e-5
    )
    {
        const string What = "layer_norm";
        if (Autocast.Of(What, x) is { } cast)
        {
            long[] shape = [.. normalizedShape];
            return cast.Run([x, weight, bias], t => LayerNorm(t[0], shape, t[1], t[2], eps));
        }
        long columns = CheckRows(What, x, normalizedShape, weight, bias);
        if (IsWider(weight, x) || IsWider(bias, x))
            return LayerNorm(x.To(DType.Float32), normalizedShape, weight, bias, eps).To(x.DType);
        var op = LayerNorms[new(eps, weight is not null || bias is not null)];
        if (weight is null && bias is null)
            return Rows(x, normalizedShape.Length, columns, rows => op.RecordedLike(rows));
        var gain = (weight ?? Tensor.Ones([columns], x.DType, x.Device)).Reshape(columns);
        var shift = (bias ?? Tensor.Zeros([columns], x.DType, x.Device)).Reshape(columns);
        return Rows(x, normalizedShape.Length, columns, rows => op.RecordedLike(rows, gain, shift));
    }

    /// <summary>
    /// x / √(mean of squares + eps) · weight, the mean over the last dimensions, whose sizes are normalizedShape and weight's.
    /// </summary>
    /// <param name="x">Floats.</param>
    /// <param name="normalizedShape">Sizes of its last dimensions.</param>
    /// <param name="weight">Null for 1.</param>
    /// <param name="eps">Null: the distance from 1 to the next number of x's dtype.</param>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit; names them.</exception>
    public static Tensor RmsNorm(
        Tensor x,
        ReadOnlySpan<long> normalizedShape,
        Tensor? weight = null,
        double? eps = null
    )
    {
        const string What = "rms_norm";
        long columns = CheckRows(What, x, normalizedShape, weight, null);
        eps ??= Math.ScaleB(1, 1 - x.DType.Info().Significand);
        if (IsWider(weight, x))
            return RmsNorm(x.To(DType.Float32), normalizedShape, weight, eps).To(x.DType);
        var op = RmsNorms[new(eps.Value, weight is not null)];
        var gain = weight?.Reshape(columns);
        return Rows(x, normalizedShape.Length, columns, rows => op.RecordedLike(rows, gain));
    }

    /// <summary>
    /// (x − mean) / √(variance + eps) · weight + bias, mean and variance of each example of x [n, c, …] over the channels of a group and
    /// all that belongs to them; weight and bias are [c].
    /// </summary>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit; names them.</exception>
    public static Tensor GroupNorm(
        Tensor x,
        long numGroups,
        Tensor? weight = null,
        Tensor? bias = null,
        double eps = 1e-5
    )
    {
        const string What = "group_norm";
        if (Autocast.Of(What, x) is { } cast)
            return cast.Run([x, weight, bias], t => GroupNorm(t[0], numGroups, t[1], t[2], eps));
        long channels = CheckChannels(What, x, weight, bias);
        if (IsWider(weight, x) || IsWider(bias, x))
            return GroupNorm(x.To(DType.Float32), numGroups, weight, bias, eps).To(x.DType);
        if (numGroups < 1 || channels % numGroups != 0)
            throw new ArgumentException(
                $"{What}: numGroups is {numGroups}, which must divide the {channels} channels in dimension 1 of the input of shape {x.Layout}."
            );
        return Groups(x, numGroups, weight, bias, eps);
    }

    /// <summary>
    /// <see cref="GroupNorm"/> with a group for each channel. With running statistics [c] those are changed in place by the means of
    /// all examples, and taken instead of the input's own without <paramref name="useInputStats"/>.
    /// </summary>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit; names them.</exception>
    public static Tensor InstanceNorm(
        Tensor x,
        Tensor? runningMean = null,
        Tensor? runningVar = null,
        Tensor? weight = null,
        Tensor? bias = null,
        bool useInputStats = true,
        double momentum = 0.1,
        double eps = 1e-5
    )
    {
        const string What = "instance_norm";
        long channels = CheckChannels(What, x, weight, bias, runningMean, runningVar);
        if (IsWider(weight, x) || IsWider(bias, x) || IsWider(runningMean, x) || IsWider(runningVar, x))
            return InstanceNorm(
                    x.To(DType.Float32),
                    runningMean,
                    runningVar,
                    weight,
                    bias,
                    useInputStats,
                    momentum,
                    eps
                )
                .To(x.DType);
        if (!useInputStats)
            return BatchNorm(x, runningMean, runningVar, weight, bias, training: false, momentum, eps);
        long elements = x.Layout.Product(2, x.Rank);
        if (elements == 1)
            throw new ArgumentException(
                $"{What}: the input of shape {x.Layout} has one element a channel, of which there is no variance; it must have more."
            );
        if ((runningMean is not null || runningVar is not null) && x.NumElements > 0)
        {
            using var off = Tensor.NoGrad();
            var rows = x.Detach().Reshape(x.Size(0), channels, elements).To(x.DType.Compute());
            Move(runningMean, rows.Mean([0, 2]), momentum);
            Move(runningVar, rows.Var(2).Mean(0), momentum);
        }
        return Groups(x, channels, weight, bias, eps);
    }

    /// <summary>
    /// (x − mean) / √(variance + eps) · weight + bias of each channel of x [n, c, …]. In training mean and variance are those over all
    /// but the channels, and running statistics move towards them (towards the unbiased variance); else they are the running ones.
    /// </summary>
    /// <param name="x">Floats.</param>
    /// <param name="runningMean">[c], changed in place in training; null where it is not kept.</param>
    /// <param name="runningVar">[c], changed in place in training; null where it is not kept.</param>
    /// <param name="weight">[c]; null for 1.</param>
    /// <param name="bias">[c]; null for 0.</param>
    /// <param name="training">Whether statistics are those of x.</param>
    /// <param name="momentum">How far running statistics move: 1 replaces them.</param>
    /// <param name="eps">Added to variances.</param>
    /// <exception cref="ArgumentException">
    /// Shapes or dtypes that do not fit; one value a channel in training; no running statistics else. Names them.
    /// </exception>
    public static Tensor BatchNorm(
        Tensor x,
        Tensor? runningMean,
        Tensor? runningVar,
        Tensor? weight = null,
        Tensor? bias = null,
        bool training = false,
        double momentum = 0.1,
        double eps = 1e-5
    )
    {
        const string What = "batch_norm";
        long channels = CheckChannels(What, x, weight, bias, runningMean, runningVar);
        if (IsWider(weight, x) || IsWider(bias, x) || IsWider(runningMean, x) || IsWider(runningVar, x))
            return BatchNorm(x.To(DType.Float32), runningMean, runningVar, weight, bias, training, momentum, eps)
                .To(x.DType);
        var gain = weight ?? Tensor.Ones([channels], x.DType, x.Device);
        var shift = bias ?? Tensor.Zeros([channels], x.DType, x.Device);
        if (!training)
        {
            if (runningMean is null || runningVar is null)
                throw new ArgumentException(
                    $"{What}: without training runningMean and runningVar must be given, but {(runningMean is null ? "runningMean" : "runningVar")} is null."
                );
            Tensor[] given = [x, runningMean, runningVar, gain, shift];
            var scaled = x.AllocateLike(x.DType);
            var eval = BatchNormEvals[new(eps, false)];
            eval.RunInto(given, [scaled]);
            eval.RecordFirst(given, [scaled], constants: 0b110);
            return scaled;
        }
        long count = channels == 0 ? 0 : x.NumElements / channels;
        if (count == 1)
            throw new ArgumentException(
                $"{What}: the input of shape {x.Layout} has one value a channel, of which there is no variance; training needs more."
            );
        Tensor[] inputs = [x, gain, shift];
        var op = BatchNorms[new(eps, false)];
        var type = x.DType.Compute();
        Tensor[] results =
        [
            x.AllocateLike(x.DType),
            Tensor.Allocate([channels], type, x.Runtime),
            Tensor.Allocate([channels], type, x.Runtime),
        ];
        op.RunInto(inputs, results);
        op.RecordFirst(inputs, results);
        if ((runningMean is not null || runningVar is not null) && count > 0)
        {
            using var off = Tensor.NoGrad();
            Move(runningMean, results[1], momentum);
            Move(runningVar, results[2] * (count / (count - 1.0)), momentum);
        }
        return results[0];
    }

    // A running statistic towards what was seen.
    private static void Move(Tensor? running, Tensor seen, double momentum) =>
        running?.Copy_(running.Detach().To(seen.DType) * (1 - momentum) + seen * momentum);

    private static Tensor Groups(Tensor x, long groups, Tensor? weight, Tensor? bias, double eps)
    {
        var (n, channels, elements) = (x.Size(0), x.Size(1), x.Layout.Product(2, x.Rank));
        long each = channels / groups;
        var parts = x.Reshape(n, groups, each, elements);
        var op = GroupNorms[new(eps, weight is not null || bias is not null)];
        if (weight is null && bias is null)
            return op.RecordedLike(parts).ReshapeTo(x.Layout.Sizes);
        var gain = (weight ?? Tensor.Ones([channels], x.DType, x.Device)).Reshape(groups, each);
        var shift = (bias ?? Tensor.Zeros([channels], x.DType, x.Device)).Reshape(groups, each);
        return op.RecordedLike(parts, gain, shift).ReshapeTo(x.Layout.Sizes);
    }

    // Over rows of the last dimensions.
    private static Tensor Rows(Tensor x, int dims, long columns, Func<Tensor, Tensor> norm)
    {
        if (dims == 1)
            return norm(x);
        long[] sizes = [.. x.Layout.Sizes[..^dims], columns];
        return norm(x.Reshape(sizes)).ReshapeTo(x.Layout.Sizes);
    }

    private static Operator Of(string name, string title, NormKey key)
    {
        if (!double.IsFinite(key.Eps))
            throw new ArgumentException($"{title}: eps is {key.Eps}, but must be a finite number.");
        return new(
            name,
            $"eps={key.Eps.ToString("R", CultureInfo.InvariantCulture)}{(key.Affine ? " affine=1" : "")}",
            derives: true
        )
        {
            Title = title,
        };
    }

    private static long CheckRows(string what, Tensor x, ReadOnlySpan<long> shape, Tensor? weight, Tensor? bias)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (shape.Length == 0)
            throw new ArgumentException($"{what}: normalizedShape is empty, but must have at least one size.");
        string text = new Dimensions(shape.ToArray()).ToString();
        if (x.Rank < shape.Length || !x.Layout.Sizes.AsSpan(x.Rank - shape.Length).SequenceEqual(shape))
            throw new ArgumentException(
                $"{what}: the input has the shape {x.Layout}, but its last sizes must be those of normalizedShape, {text}."
            );
        x.RequireFloat(what);
        foreach (var (name, tensor) in new[] { ("weight", weight), ("bias", bias) })
        {
            if (tensor is not null && !tensor.Layout.Sizes.AsSpan().SequenceEqual(shape))
                throw new ArgumentException(
                    $"{what}: the {name} has the shape {tensor.Layout}, but must have that of normalizedShape, {text}."
                );
            CheckType(what, name, tensor, x);
        }
        return x.Layout.Product(x.Rank - shape.Length, x.Rank);
    }

    private static long CheckChannels(
        string what,
        Tensor x,
        Tensor? weight,
        Tensor? bias,
        Tensor? runningMean = null,
        Tensor? runningVar = null
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.Rank < 2)
            throw new ArgumentException(
                $"{what}: the input has the shape {x.Layout}, but must have at least two dimensions, [n, channels, …]."
            );
        x.RequireFloat(what);
        long channels = x.Layout.Sizes[1];
        ReadOnlySpan<(string, Tensor?)> vectors =
        [
            ("weight", weight),
            ("bias", bias),
            ("runningMean", runningMean),
            ("runningVar", runningVar),
        ];
        foreach (var (name, tensor) in vectors)
        {
            if (tensor is not null && (tensor.Rank != 1 || tensor.Layout.Sizes[0] != channels))
                throw new ArgumentException(
                    $"{what}: {name} has the shape {tensor.Layout}, but must be [{channels}], as many as there are channels in dimension 1 of the input of shape {x.Layout}."
                );
            CheckType(what, name, tensor, x);
        }
        return channels;
    }

    // float32 beside 16 bits, which are computed in it anyway.
    private static bool IsWider(Tensor? vector, Tensor x) => vector is { DType: DType.Float32 } && x.DType.IsStorage();

    private static void CheckType(string what, string name, Tensor? tensor, Tensor x)
    {
        if (tensor is not null && tensor.DType != x.DType && !IsWider(tensor, x))
            throw new ArgumentException(
                $"{what}: the input is {x.DType.Name()}, {name} is {tensor.DType.Name()}; all must be of one dtype."
            );
    }
}
