using System.Collections.Concurrent;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Runtime;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Which targets of a database are this machine's: records for others are foreign here.</summary>
internal static class OwnTargets
{
    private static readonly ConcurrentDictionary<string, (TargetName Target, int Threads)?> Known = [];

    /// <summary>The target, and the number of threads, that a fingerprint names; null where this machine has no such thing.</summary>
    public static (TargetName Target, int Threads)? Find(string fingerprint) => Known.GetOrAdd(fingerprint, Look);

    /// <summary>Driver and compiler with which a target of this machine runs kernels now; empty where there is nothing to tell.</summary>
    public static string ToolchainOf(TargetName target) =>
        target.IsCuda ? Targets.Gpu(target).Properties.Toolchain : "";

    /// <summary>
    /// Whether a record is of this machine, and was certified with another driver or compiler than it has now, another version of
    /// Picograd's included.
    /// </summary>
    public static bool IsOutdated(TuneRecord record) =>
        record.Certified
        && Find(record.Key.Target) is { Target: var target }
        && (IsOfOtherCompiler(record) || !TuneTargets.IsFoundWith(record, ToolchainOf(target)));

    /// <summary>Whether a record was made with another version of Picograd's code generator, which then makes other code.</summary>
    public static bool IsOfOtherCompiler(TuneRecord record) =>
        record.Key.CompilerVersion != CompilerVersion.Of(record.Key.Target);

    private static (TargetName Target, int Threads)? Look(string fingerprint)
    {
        if (fingerprint.StartsWith("cuda;", StringComparison.Ordinal))
            return Gpus().FirstOrDefault(g => TuneTargets.AreSame(g.Fingerprint, fingerprint)) is { Target: { } gpu }
                ? (gpu, 1)
                : null;
        return
            TuneTargets.ThreadsOf(fingerprint) is { } threads
            && threads <= Environment.ProcessorCount
            && TuneTargets.AreSame(TargetsCommand.Cpu().Fingerprint(threads), fingerprint)
            ? (new TargetName(Targets.Cpu, 0), threads)
            : null;
    }

    private static IEnumerable<(TargetName Target, string Fingerprint)> Gpus()
    {
        if (CudaLibraries.Current.Missing is not null)
            yield break;
        for (int i = 0; i < CudaDevice.Count; i++)
        {
            string fingerprint;
            try
            {
                fingerprint = CudaDevice.Open(i).Properties.Fingerprint;
            }
            catch (CudaException)
            {
                // One that cannot be used has no records that could be.
                continue;
            }
            yield return (new TargetName(Targets.Cuda, i), fingerprint);
        }
    }
}
