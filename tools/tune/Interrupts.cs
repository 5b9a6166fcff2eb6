using System.Runtime.InteropServices;

namespace Picograd.Tune;

/// <summary>
/// What ends a command from outside. The first Ctrl-C or SIGTERM ends a search, which keeps what it found; a second one, and
/// SIGHUP, end the process at once: what was stored until then is there, in whole records, since the database's own
/// transactions keep halves out.
/// </summary>
internal sealed class Interrupts : IDisposable
{
    /// <summary>As shells count: 128 and the number of the signal.</summary>
    private const int ByInterrupt = TuneCommand.Interrupted;
    private const int ByHangup = 128 + 1;
    private const int ByTermination = 128 + 15;

    private static readonly Lock Gate = new();
    private static readonly List<Func<string?>> LastActions = [];

    private readonly CancellationTokenSource _cancel = new();
    private readonly PosixSignalRegistration[] _registrations;
    private int _interrupted;
    private int _ended;

    public Interrupts() =>
        _registrations = [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, s => Interrupt(s, "a second interrupt", ByInterrupt)),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, s => Interrupt(s, "SIGTERM", ByTermination)),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, s => End(s, "SIGHUP", ByHangup)),
        ];

    /// <summary>Set by the first Ctrl-C or SIGTERM.</summary>
    public CancellationToken Token => _cancel.Token;

    /// <summary>The exit code of a command that the first of them ended: 130 or 143.</summary>
    /// <param name="code">The command's own.</param>
    public int ExitCode(int code) =>
        code == TuneCommand.Interrupted && Volatile.Read(ref _interrupted) is > 0 and var by ? by : code;

    /// <summary>
    /// Until disposed of, the action runs when the process is ended from outside. It must not wait for anything; what it
    /// returns is said as part of the one sentence that is.
    /// </summary>
    public static IDisposable OnEnd(Func<string?> action)
    {
        lock (Gate)
            LastActions.Add(action);
        return new Removal(action);
    }

    public void Dispose()
    {
        // Who is ending the process says with which code; to return from Main meanwhile would say another.
        if (Volatile.Read(ref _ended) != 0)
            Thread.Sleep(Timeout.Infinite);
        foreach (var registration in _registrations)
            registration.Dispose();
        _cancel.Dispose();
    }

    private void Interrupt(PosixSignalContext signal, string again, int code)
    {
        signal.Cancel = true;
        if (Interlocked.CompareExchange(ref _interrupted, code, 0) == 0)
            _cancel.Cancel();
        else
            End(signal, again, code);
    }

    private void End(PosixSignalContext signal, string by, int code)
    {
        signal.Cancel = true;
        if (Interlocked.Exchange(ref _ended, 1) != 0)
            return;
        Func<string?>[] actions;
        lock (Gate)
            actions = [.. LastActions];
        var said = actions.Reverse().Select(a => a()).OfType<string>();
        Console.Error.WriteLine($"tune: ended by {by}{string.Concat(said.Select(s => "; " + s))}.");
        Environment.Exit(code);
    }

    private sealed class Removal(Func<string?> action) : IDisposable
    {
        public void Dispose()
        {
            lock (Gate)
                LastActions.Remove(action);
        }
    }
}
