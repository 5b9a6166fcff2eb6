namespace Picograd;

/// <summary>
/// A stream of random numbers: Philox-4x32 (Salmon and others, 2011) by seed and position, the same numbers on every
/// machine and back end. Drawing n numbers moves the position by n.
/// </summary>
public sealed class Generator
{
    private long _position;

    /// <summary>Starts a stream of its own.</summary>
    public Generator(long seed = 0) => Seed = seed;

    /// <summary>The generator that is used where none is given; see <see cref="Tensor.ManualSeed"/>.</summary>
    public static Generator Default { get; } = new();

    /// <summary>Which stream it is.</summary>
    public long Seed { get; private set; }

    /// <summary>Numbers drawn so far. Set it to repeat or to skip.</summary>
    public long Position
    {
        get => Interlocked.Read(ref _position);
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            Interlocked.Exchange(ref _position, value);
        }
    }

    /// <summary>Starts a stream anew. Returns itself.</summary>
    public Generator ManualSeed(long seed)
    {
        Seed = seed;
        Position = 0;
        return this;
    }

    /// <summary>Takes a number of places of the stream, and returns the first of them.</summary>
    internal long Take(long count) => Interlocked.Add(ref _position, count) - count;
}
