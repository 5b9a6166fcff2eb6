using Picograd.Schedules.Backend;

namespace Picograd.Search.Measurement;

/// <summary>A part of what an argument held, kept in the target's memory to compare with later.</summary>
internal sealed class ArgumentImage : IDisposable
{
    private readonly ITuningTarget _target;
    private readonly long _bytes;

    /// <param name="target">Whose memory.</param>
    /// <param name="argument">Of which.</param>
    /// <param name="from">First element of its memory.</param>
    /// <param name="elements">How many.</param>
    /// <param name="bytes">That they take.</param>
    /// <exception cref="OutOfMemoryException">There is no room.</exception>
    public ArgumentImage(ITuningTarget target, int argument, long from, long elements, long bytes)
    {
        _target = target;
        _bytes = Math.Max(1, bytes);
        (Argument, From, Elements) = (argument, from, elements);
        Address = target.Allocate(_bytes);
    }

    public int Argument { get; }

    public long From { get; }

    public long Elements { get; }

    /// <summary>In the target's memory.</summary>
    public nint Address { get; }

    public void Dispose() => _target.Free(Address, _bytes);
}
