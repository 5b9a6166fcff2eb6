using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Schedules.Backend;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>
/// Sends dispatch through the database that a command was given, as models are sent through theirs, until disposed of.
/// </summary>
internal sealed class ServedKernels : IDisposable
{
    private readonly TuneServing? _serving;

    /// <param name="db">The database; null for the environment's or the default one.</param>
    /// <param name="threads">Threads that kernels may use.</param>
    /// <param name="untuned">Leave every database out: default schedules only.</param>
    /// <param name="backend">The back end; null for that of the CPU.</param>
    /// <param name="notes">Told when a database that was named is not there yet.</param>
    /// <exception cref="TuneDbException">
    /// There is a file and it cannot be used. A model would go on without it; a command that reports on it must say so.
    /// </exception>
    public ServedKernels(
        string? db,
        int threads,
        bool untuned = false,
        TextWriter? notes = null,
        IBackend? backend = null
    )
    {
        Backend = backend ?? new CpuBackend(TargetsCommand.Cpu(), threads);
        if (!untuned)
        {
            string address = TuneDbLocation.Resolve(db);
            // Nothing tuned yet is where everybody begins, with the default file as with one that is named.
            if (TuneDatabase.IsThere(address))
                TuneDatabase.OpenForUse(address, TuneDbMode.ReadOnly).Dispose();
            else if (!TuneDbLocation.IsDefault(db))
                notes?.WriteLine(
                    $"tune: the tune database '{TuneAddress.FileOf(address)}' does not exist yet: default schedules run."
                );
            _serving = TuneServing.OpenForServing(db);
        }
        Dispatcher.Use(_serving, Backend);
    }

    public IBackend Backend { get; }

    public void Dispose()
    {
        Dispatcher.UseDefaults();
        _serving?.Dispose();
    }
}
