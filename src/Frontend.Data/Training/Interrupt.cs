using System.Runtime.InteropServices;

namespace Picograd.Data;

/// <summary>
/// Ctrl-C as a wish to stop after the step under way: <c>using var interrupt = new Interrupt(); …; if (interrupt.Requested) { save; break; }</c>.
/// The second time it ends the program as usual.
/// </summary>
public sealed class Interrupt : IDisposable
{
    private readonly PosixSignalRegistration[] _registrations;
    private int _requests;

    public Interrupt() =>
        _registrations = [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Take),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Take),
        ];

    /// <summary>Whether somebody wants to stop.</summary>
    public bool Requested => Volatile.Read(ref _requests) > 0;

    private void Take(PosixSignalContext context) => context.Cancel = Interlocked.Increment(ref _requests) == 1;

    /// <summary>Signals are as usual again.</summary>
    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
    }
}
