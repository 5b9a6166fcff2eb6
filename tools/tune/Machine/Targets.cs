using System.CommandLine;
using System.Globalization;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Tune;

/// <summary>A target as a command line names it.</summary>
/// <param name="Name">cpu, cuda.</param>
/// <param name="Ordinal">Number of the GPU.</param>
internal sealed record TargetName(string Name, int Ordinal)
{
    public bool IsCuda => Name == Targets.Cuda;

    public override string ToString() => IsCuda ? $"cuda:{Ordinal}" : Name;
}

/// <summary>The targets by name: those that can be used, and what the others lack.</summary>
internal static class Targets
{
    public const string Cpu = "cpu";

    public const string Cuda = "cuda";

    /// <summary>Reads <c>--target</c>: cpu, cuda, cuda:1. Whether there is such a GPU shows when it is opened.</summary>
    /// <exception cref="UsageException">Another word.</exception>
    public static TargetName Named(ParseResult parsed, Option<string?> option)
    {
        string text = parsed.GetValue(option) ?? Cpu;
        return Parse(text)
            ?? throw new UsageException(
                $"{option.Name} is '{text}', an unknown target; allowed are cpu, cuda and cuda:N."
            );
    }

    /// <summary>Null for a word that is no target.</summary>
    public static TargetName? Parse(string text)
    {
        if (text == Cpu)
            return new TargetName(Cpu, 0);
        if (text == Cuda)
            return new TargetName(Cuda, 0);
        return
            text.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal)
            ? new TargetName(Cuda, ordinal)
            : null;
    }

    /// <summary>Opens a target to tune on.</summary>
    /// <param name="name">Which.</param>
    /// <param name="threads">Threads that kernels of the CPU may use.</param>
    /// <param name="cache">Of compiled CUDA kernels; null for one of this process's own.</param>
    /// <exception cref="UsageException">It cannot be used here; says what is missing.</exception>
    public static ITuningTarget Open(TargetName name, int threads, ICubinCache? cache = null) =>
        name.IsCuda ? new CudaTuningTarget(Gpu(name), cache) : new CpuTuningTarget(TargetsCommand.Cpu(), threads);

    /// <summary>Opens a GPU.</summary>
    /// <exception cref="UsageException">It cannot be used here; says what is missing.</exception>
    public static CudaDevice Gpu(TargetName name)
    {
        if (CudaLibraries.Current.Missing is { } missing)
            throw new UsageException($"--target is '{name}', which cannot be used: {missing}");
        try
        {
            return CudaDevice.Open(name.Ordinal);
        }
        catch (CudaException e)
        {
            throw new UsageException($"--target is '{name}', which cannot be used: {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>What people call the machine.</summary>
    public static string Model(TargetName name) => name.IsCuda ? Gpu(name).Properties.Name : TargetsCommand.Cpu().Model;

    /// <summary>The passes of a back end, for people.</summary>
    public static IEnumerable<(string Name, Func<LoopNest, LoopNest> Run)> Passes(IBackend backend) =>
        backend switch
        {
            CpuBackend cpu => cpu.Passes,
            CudaBackend cuda => cuda.Passes,
            _ => [],
        };

    /// <summary>What keeps the CUDA target from being used, in one sentence; null where nothing does.</summary>
    public static string? CudaMissing() => CudaLibraries.Current.Missing;
}
