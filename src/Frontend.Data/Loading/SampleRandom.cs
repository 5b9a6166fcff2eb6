namespace Picograd.Data;

/// <summary>The random numbers of the sample that a thread loads: by seed, epoch and sample, so that workers do not matter.</summary>
public static class SampleRandom
{
    [ThreadStatic]
    private static Random? t_random;

    /// <summary>Outside of a loader they follow <see cref="Generator.Default"/>.</summary>
    public static Random Current => t_random ?? new Random((int)Tensor.RandInt(0, int.MaxValue, [1]).Item());

    internal static Scope Of(long seed, long epoch, long index)
    {
        var before = t_random;
        // SplitMix64's last step spreads neighbours.
        ulong x = (ulong)seed * 0x9E3779B97F4A7C15 + (ulong)epoch * 0xBF58476D1CE4E5B9 + (ulong)index + 1;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        t_random = new Random((int)((x ^ (x >> 31)) & int.MaxValue));
        return new(before);
    }

    internal readonly struct Scope(Random? before) : IDisposable
    {
        public void Dispose() => t_random = before;
    }
}
