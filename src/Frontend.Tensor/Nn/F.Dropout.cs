using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

public static partial class F
{
    private static readonly OperatorFamily<(string Name, double P)> Dropouts = new(k => new Operator(
        k.Name,
        FormattableString.Invariant($"p={k.P:R}"),
        derives: true
    ));

    /// <summary>While training, each element is 0 with probability p, and else divided by 1 − p.</summary>
    /// <param name="x">Floats.</param>
    /// <param name="p">From 0 to 1.</param>
    /// <param name="training">Whether anything is dropped.</param>
    /// <param name="inplace">Whether x is changed and returned.</param>
    /// <param name="generator">Draws what is dropped; null for the default one.</param>
    /// <exception cref="ArgumentException">Not floats, or p out of range.</exception>
    public static Tensor Dropout(
        Tensor x,
        double p = 0.5,
        bool training = true,
        bool inplace = false,
        Generator? generator = null
    ) => Dropped("dropout", x, p, training, inplace, generator, Tensor.Given(x).Shape.ToArray());

    /// <summary><see cref="Dropout"/> of whole channels of sequences [n, channels, w] or [channels, w].</summary>
    /// <inheritdoc cref="Dropout"/>
    public static Tensor Dropout1d(
        Tensor x,
        double p = 0.5,
        bool training = true,
        bool inplace = false,
        Generator? generator = null
    ) => DropChannels("dropout1d", x, p, training, inplace, generator, [2, 3], single: 2);

    /// <summary><see cref="Dropout"/> of whole channels of images [n, channels, h, w], or [n, channels, w].</summary>
    /// <inheritdoc cref="Dropout"/>
    public static Tensor Dropout2d(
        Tensor x,
        double p = 0.5,
        bool training = true,
        bool inplace = false,
        Generator? generator = null
    ) => DropChannels("dropout2d", x, p, training, inplace, generator, [], single: -1);

    /// <summary><see cref="Dropout"/> of whole channels of volumes [n, channels, d, h, w] or [channels, d, h, w].</summary>
    /// <inheritdoc cref="Dropout"/>
    public static Tensor Dropout3d(
        Tensor x,
        double p = 0.5,
        bool training = true,
        bool inplace = false,
        Generator? generator = null
    ) => DropChannels("dropout3d", x, p, training, inplace, generator, [], single: 4);

    /// <summary>
    /// While training, each element becomes the lowest value of <see cref="Selu"/> with probability p, and all are moved and scaled so that
    /// a mean of 0 and a variance of 1 stay.
    /// </summary>
    /// <inheritdoc cref="Dropout"/>
    public static Tensor AlphaDropout(
        Tensor x,
        double p = 0.5,
        bool training = false,
        bool inplace = false,
        Generator? generator = null
    ) => Dropped("alpha_dropout", x, p, training, inplace, generator, Tensor.Given(x).Shape.ToArray());

    /// <summary><see cref="AlphaDropout"/> of whole channels of [n, channels, …].</summary>
    /// <inheritdoc cref="Dropout"/>
    public static Tensor FeatureAlphaDropout(
        Tensor x,
        double p = 0.5,
        bool training = false,
        bool inplace = false,
        Generator? generator = null
    ) => DropChannels("alpha_dropout", x, p, training, inplace, generator, [], single: -1);

    private static Tensor DropChannels(
        string name,
        Tensor x,
        double p,
        bool training,
        bool inplace,
        Generator? generator,
        ReadOnlySpan<int> ranks,
        int single
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        if (ranks.Length > 0 ? !ranks.Contains(x.Rank) : x.Rank < 2)
            throw new ArgumentException(
                $"{name}: the input has the shape {x.Layout}, but must have {(ranks.Length > 0 ? "2 or 3" : "at least 2")} dimensions."
            );
        long[] drawn = new long[x.Rank];
        Array.Fill(drawn, 1);
        int channels = x.Rank == single ? 0 : 1;
        for (int d = 0; d <= channels; d++)
            drawn[d] = x.Layout.Sizes[d];
        return Dropped(name == "alpha_dropout" ? name : "dropout", x, p, training, inplace, generator, drawn);
    }

    private static Tensor Dropped(
        string name,
        Tensor x,
        double p,
        bool training,
        bool inplace,
        Generator? generator,
        long[] drawn
    )
    {
        Floats(name, x);
        if (!(p >= 0 && p <= 1))
            throw new ArgumentException($"{name}: p is {Text(p)}, but must be from 0 to 1.");
        if (!training || p == 0)
            return x;
        var wide = x.DType.Compute();
        Tensor Drop(Tensor t) =>
            Dropouts[(name, p)].Recorded(t.To(wide), Tensor.Rand(drawn, generator, wide, t.Device)).To(t.DType);
        return Placed(x, inplace, Drop);
    }
}
