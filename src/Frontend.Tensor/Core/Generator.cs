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
            Calls.Executor.Listening?.Refuses("the place of a generator is set; set it outside");
            Interlocked.Exchange(ref _position, value);
        }
    }

    /// <summary>Starts a stream anew. Returns itself.</summary>
    public Generator ManualSeed(long seed)
    {
        Calls.Executor.Listening?.Refuses("a generator is seeded; seed it outside");
        return Go(seed, 0);
    }

    /// <summary>Goes to a place of a stream, without anybody being told. Returns itself.</summary>
    internal Generator Go(long seed, long position)
    {
        Seed = seed;
        Interlocked.Exchange(ref _position, position);
        return this;
    }

    /// <summary>The seed that it was started with.</summary>
    public long InitialSeed() => Seed;

    /// <summary>Starts a stream of a seed that nobody knows before, and returns it.</summary>
    public long SeedAnew()
    {
        long seed = System.Security.Cryptography.RandomNumberGenerator.GetInt32(int.MaxValue);
        seed = seed << 31 | (long)System.Security.Cryptography.RandomNumberGenerator.GetInt32(int.MaxValue);
        ManualSeed(seed);
        return seed;
    }

    /// <summary>Seed and position, as 16 bytes (uint8).</summary>
    public Tensor GetState()
    {
        byte[] state = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(state, Seed);
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(state.AsSpan(8), Position);
        return Tensor.From(state).Cpu();
    }

    /// <summary>Goes on where <see cref="GetState"/> was asked. Returns itself.</summary>
    /// <exception cref="ArgumentException">No such state.</exception>
    public Generator SetState(Tensor state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (state.DType != DType.UInt8 || state.Rank != 1 || state.NumElements != 16)
            throw new ArgumentException(
                $"set_state: a state is 16 bytes (u8), but the shape is {state.Layout} and the dtype {state.DType}."
            );
        byte[] bytes = state.ToArray<byte>();
        long position = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(8));
        if (position < 0)
            throw new ArgumentException("set_state: these bytes are no state of a generator.");
        Seed = System.Buffers.Binary.BinaryPrimitives.ReadInt64LittleEndian(bytes);
        Position = position;
        return this;
    }

    [ThreadStatic]
    private static long t_drawn;

    /// <summary>How many numbers this thread has drawn from the default generator since it began.</summary>
    internal static long DrawnByThread => t_drawn;

    /// <summary>Takes a number of places of the stream, and returns the first of them.</summary>
    internal long Take(long count)
    {
        if (ReferenceEquals(this, Default))
            t_drawn += count;
        return Interlocked.Add(ref _position, count) - count;
    }

    /// <summary>Gives places back that were the last to be taken; nothing where others took some since then.</summary>
    internal void GiveBack(long from, long count) => Interlocked.CompareExchange(ref _position, from, from + count);
}
