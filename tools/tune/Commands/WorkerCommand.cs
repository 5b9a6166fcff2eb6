using System.CommandLine;
using Picograd.Lower.Cpu;
using Picograd.Search;

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
            return WorkerHost.Run(
                input,
                output,
                init => new CpuTuningTarget(TargetsCommand.Cpu() with { VectorBits = init.VectorBits }, init.Threads)
            );
        });
        return command;
    }
}
