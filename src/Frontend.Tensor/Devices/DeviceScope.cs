namespace Picograd;

/// <summary>
/// Makes a device the one on which this thread makes tensors where none is named, until it is disposed; see
/// <see cref="Device.Scope"/>.
/// </summary>
public readonly struct DeviceScope : IDisposable
{
    [ThreadStatic]
    private static Device t_current;

    private readonly Device _before;

    internal DeviceScope(Device device)
    {
        _before = t_current;
        t_current = device;
    }

    /// <summary>Where tensors are made for which no device is named.</summary>
    internal static Device Current => t_current;

    /// <summary>Goes back to the device before.</summary>
    public void Dispose() => t_current = _before;
}
