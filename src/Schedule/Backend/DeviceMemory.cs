namespace Picograd.Schedules.Backend;

/// <summary>
/// A piece of memory of a device, from a pool: given back by <see cref="Dispose"/>, which may be called more than once, or
/// by a finalizer.
/// </summary>
public abstract class DeviceMemory : IDisposable
{
    /// <summary>
    /// The first byte, in the address space of the device; keep the object reachable (<see cref="GC.KeepAlive"/>) while
    /// it is used.
    /// </summary>
    /// <exception cref="ObjectDisposedException">It was given back.</exception>
    public abstract nint Address { get; }

    /// <summary>Bytes asked for.</summary>
    public abstract long Length { get; }

    public abstract void Dispose();

    /// <summary>
    /// As <see cref="Dispose"/>, and the object may serve again as other memory: for an owner that nobody shares the object with, and
    /// that was reachable ever since it got it, so that no finalizer of the object can be on its way.
    /// </summary>
    public virtual void Recycle() => Dispose();
}
