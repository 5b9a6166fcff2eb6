using System.CommandLine;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Search;
using Picograd.Search.Worker;

namespace Picograd.Tune;

/// <summary>
/// Hidden: the process in which candidates run, so that one that crashes or hangs costs that candidate, not the search.
/// </summary>
internal static class WorkerCommand
{
    public const string Name = "worker";

    public static Command Create()
    {
        var command = new Command(Name, "Runs candidates that another process sends") { Hidden = true };
        command.SetAction(_ =>
        {
            using var input = Console.OpenStandardInput();
            using var output = Console.OpenStandardOutput();
            return WorkerHost.Run(input, output, Open, () => CudaDevice.TimeWaited);
        });
        return command;
    }

    private static ITuningTarget Open(WorkerInit init)
    {
        var name = Targets.Parse(init.Target) ?? throw new TuneException($"'{init.Target}' is no target");
        if (!name.IsCuda)
            return new CpuTuningTarget(TargetsCommand.Cpu() with { VectorBits = init.VectorBits }, init.Threads);
        // Open as long as the process: it may compile at any time.
        return Targets.Open(name, init.Threads, StoredCubins.OfUser());
    }
}
