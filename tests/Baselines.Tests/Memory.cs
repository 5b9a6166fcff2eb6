using System.Runtime.InteropServices;

namespace Picograd.Tests;

/// <summary>
/// Native float memory for one test, with a guard of known values on both sides, so that a kernel that writes outside its
/// output is caught.
/// </summary>
internal sealed unsafe class Memory : IDisposable
{
    private const int Guard = 64;
    private const float GuardValue = -12345.25f;

    private readonly float* _block;
    private readonly int _count;

    public Memory(int count)
    {
        _count = count;
        _block = (float*)NativeMemory.AlignedAlloc((nuint)((count + 2 * Guard) * sizeof(float)), 64);
        new Span<float>(_block, count + 2 * Guard).Fill(GuardValue);
    }

    /// <summary>Uniform values in [low, high).</summary>
    public static Memory Random(int count, int seed, float low = -1, float high = 1)
    {
        var random = new Random(seed);
        var memory = new Memory(count);
        foreach (ref float x in memory.Span)
        {
            x = low + (high - low) * random.NextSingle();
        }
        return memory;
    }

    public float* Pointer => _block + Guard;

    public nint Address => (nint)Pointer;

    public Span<float> Span => new(Pointer, _count);

    public bool GuardsIntact =>
        new Span<float>(_block, Guard).IndexOfAnyExcept(GuardValue) < 0
        && new Span<float>(_block + Guard + _count, Guard).IndexOfAnyExcept(GuardValue) < 0;

    public void Dispose() => NativeMemory.AlignedFree(_block);
}
