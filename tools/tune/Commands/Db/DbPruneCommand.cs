using System.CommandLine;
using Picograd.Dispatch;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db prune</c>: removes what its options name.</summary>
internal static class DbPruneCommand
{
    private const int MostDays = 36_500;

    public static Command Create(ToolConsole console)
    {
        var db = CommonOptions.Db();
        var days = new Option<string?>("--older-than")
        {
            Description = "What is older than so many days",
            HelpName = "DAYS",
        };
        var versions = new Option<bool>("--old-versions")
        {
            Description = "What other versions of the compiler measured",
        };
        var candidates = new Option<bool>("--candidates") { Description = "The log of candidates" };
        var history = new Option<bool>("--history") { Description = "The history" };
        var waiting = new Option<bool>("--uncertified") { Description = "Records that wait for certification" };
        var damaged = new Option<bool>("--damaged") { Description = "Damaged records" };
        var kernels = new Option<bool>("--kernels") { Description = "Compiled CUDA kernels of this user" };
        var command = new Command("prune", "Removes what the options name")
        {
            db,
            days,
            versions,
            candidates,
            history,
            waiting,
            damaged,
            kernels,
        };
        command.SetAction(parsed =>
        {
            long age = CommonOptions.Whole(parsed, days, 0, MostDays, -1);
            var options = new TunePruneOptions
            {
                OlderThan = age < 0 ? null : DateTime.UtcNow.AddDays(-age),
                KeepCompilerVersions = parsed.GetValue(versions) ? [CompilerVersion.Cpu, CompilerVersion.Cuda] : null,
                Candidates = parsed.GetValue(candidates),
                History = parsed.GetValue(history),
                Uncertified = parsed.GetValue(waiting),
                Damaged = parsed.GetValue(damaged),
                Binaries = parsed.GetValue(kernels),
            };
            if (options == new TunePruneOptions())
            {
                throw new UsageException(
                    "prune removes nothing by itself; name at least one of --older-than, --old-versions, --candidates, --history, --uncertified, --damaged, --kernels."
                );
            }
            // A database that is not there needs no pruning, and opening it for writing would make one.
            using (DbCommand.Read(parsed, db)) { }
            using var store = DbCommand.Write(parsed, db);
            var result = store.Prune(options);
            int compiled =
                result.Binaries
                + (
                    options.Binaries ? Cubins(null)
                    : options.OlderThan is { } limit ? Cubins(limit)
                    : 0
                );
            console.Out.WriteLine(
                $"removed {result.Records} records, {result.History} entries of the history, {result.Candidates} entries of the log, {compiled} compiled kernels"
            );
            return TuneCommand.Success;
        });
        return command;
    }

    private static int Cubins(DateTime? usedBefore)
    {
        var binaries = StoredCubins.OfUser().Store;
        try
        {
            return binaries.Prune(usedBefore);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new FailureException($"compiled kernels in {binaries.Place} cannot be removed: {e.Message}");
        }
    }
}
