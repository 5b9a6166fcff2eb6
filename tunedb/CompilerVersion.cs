using Picograd.Schedules.Backend;

namespace Picograd.TuneDb;

/// <summary>
/// Version of the code generator in keys: a hash of what it makes of a fixed list of algorithms and schedules. Nobody raises it: a
/// test of each back end computes it anew and fails where it differs, and <c>scripts/compiler-version</c> writes it. Records of
/// another version are not served; <c>tune db certify</c> checks and times them again.
/// </summary>
public static partial class CompilerVersion
{
    /// <summary>The version for a target.</summary>
    public static string Of(TargetInfo target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return target.Name == "cuda" ? Cuda : Cpu;
    }

    /// <summary>The version for the target of a fingerprint.</summary>
    public static string Of(string fingerprint)
    {
        ArgumentNullException.ThrowIfNull(fingerprint);
        return fingerprint.StartsWith("cuda;", StringComparison.Ordinal) ? Cuda : Cpu;
    }
}
