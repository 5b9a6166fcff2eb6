namespace Picograd;

/// <summary>What modules that drop elements while they are trained have in common.</summary>
public abstract class DropoutNd : Activation
{
    private protected DropoutNd(double p, bool inplace, Generator? generator)
        : base(inplace)
    {
        if (!(p >= 0 && p <= 1))
            throw new ArgumentException($"{GetType().Name}: p is {Text(p)}, but must be from 0 to 1.", nameof(p));
        (P, Generator) = (p, generator);
    }

    /// <summary>How likely an element, or a channel, is dropped.</summary>
    public double P { get; }

    /// <summary>Draws what is dropped; null for the default one.</summary>
    private protected Generator? Generator { get; }

    protected override string ExtraRepr() => $"p={Text(P)}, inplace={Inplace}";
}

/// <summary>See <see cref="F.Dropout"/>.</summary>
public sealed class Dropout(double p = 0.5, bool inplace = false, Generator? generator = null)
    : DropoutNd(p, inplace, generator)
{
    public override Tensor Forward(Tensor x) => F.Dropout(x, P, Training, Inplace, Generator);
}

/// <summary>See <see cref="F.Dropout1d"/>.</summary>
public sealed class Dropout1d(double p = 0.5, bool inplace = false, Generator? generator = null)
    : DropoutNd(p, inplace, generator)
{
    public override Tensor Forward(Tensor x) => F.Dropout1d(x, P, Training, Inplace, Generator);
}

/// <summary>See <see cref="F.Dropout2d"/>.</summary>
public sealed class Dropout2d(double p = 0.5, bool inplace = false, Generator? generator = null)
    : DropoutNd(p, inplace, generator)
{
    public override Tensor Forward(Tensor x) => F.Dropout2d(x, P, Training, Inplace, Generator);
}

/// <summary>See <see cref="F.Dropout3d"/>.</summary>
public sealed class Dropout3d(double p = 0.5, bool inplace = false, Generator? generator = null)
    : DropoutNd(p, inplace, generator)
{
    public override Tensor Forward(Tensor x) => F.Dropout3d(x, P, Training, Inplace, Generator);
}

/// <summary>See <see cref="F.AlphaDropout"/>.</summary>
public sealed class AlphaDropout(double p = 0.5, bool inplace = false, Generator? generator = null)
    : DropoutNd(p, inplace, generator)
{
    public override Tensor Forward(Tensor x) => F.AlphaDropout(x, P, Training, Inplace, Generator);
}

/// <summary>See <see cref="F.FeatureAlphaDropout"/>.</summary>
public sealed class FeatureAlphaDropout(double p = 0.5, bool inplace = false, Generator? generator = null)
    : DropoutNd(p, inplace, generator)
{
    public override Tensor Forward(Tensor x) => F.FeatureAlphaDropout(x, P, Training, Inplace, Generator);
}
