using System.Globalization;

namespace Picograd.TuneDb;

/// <summary>
/// Fingerprints of targets as the database compares them: parts in order, separated by semicolons, each a word or
/// <c>name=value</c>. Two may name the same machine though their texts differ, and two of one machine may differ in the number
/// of threads only.
/// </summary>
public static class TuneTargets
{
    // How many cores the machine has changes neither code nor timing, driver and compiler of a GPU are provenance, and its clock
    // goes with its model; earlier versions wrote them.
    private const string Cores = "cores=";
    private const string Driver = "driver=";
    private const string Compiler = "nvrtc=";
    private const string Clock = "mhz=";

    private const string ThreadsPart = "threads=";

    /// <summary>The fingerprint without what changes neither code nor timing.</summary>
    public static string Normal(string fingerprint)
    {
        ArgumentNullException.ThrowIfNull(fingerprint);
        if (fingerprint.StartsWith("cuda;", StringComparison.Ordinal))
        {
            return fingerprint.Contains(Driver, StringComparison.Ordinal)
                ? Without(Without(Without(fingerprint, Clock), Driver), Compiler)
                : fingerprint;
        }

        return fingerprint.Contains(Cores, StringComparison.Ordinal) ? Without(fingerprint, Cores) : fingerprint;
    }

    /// <summary>What a record's provenance tells of the runtime: that of .NET, and what else compiles and runs kernels.</summary>
    /// <param name="framework">Name and version.</param>
    /// <param name="toolchain">For instance driver=12.8,nvrtc=12.4; empty where there is nothing to tell.</param>
    public static string RuntimeText(string framework, string toolchain) =>
        toolchain.Length == 0 ? framework : $"{framework}; {toolchain}";

    /// <summary>Whether a record was found with a driver and compiler, or tells none.</summary>
    public static bool IsFoundWith(TuneRecord record, string toolchain) =>
        ToolchainOf(record) is var theirs && (theirs.Length == 0 || theirs == toolchain);

    /// <summary>
    /// The driver and compiler with which a record was found, as <see cref="RuntimeText"/> was told; empty where it tells none.
    /// </summary>
    public static string ToolchainOf(TuneRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        var text = record.Provenance.RuntimeVersion;
        var at = text.IndexOf("; ", StringComparison.Ordinal);
        return at >= 0
            ? text[(at + 2)..]
            : string.Join(
                ',',
                record
                    .Key.Target.Split(';')
                    .Where(p =>
                        p.StartsWith(Driver, StringComparison.Ordinal)
                        || p.StartsWith(Compiler, StringComparison.Ordinal)
                    )
            );
    }

    /// <summary>Whether results for one are results for the other.</summary>
    public static bool AreSame(string one, string other) => Normal(one) == Normal(other);

    /// <summary>The number of threads that kernels may use; null where the fingerprint names none.</summary>
    public static int? ThreadsOf(string fingerprint)
    {
        ArgumentNullException.ThrowIfNull(fingerprint);
        foreach (var part in fingerprint.Split(';'))
        {
            if (
                part.StartsWith(ThreadsPart, StringComparison.Ordinal)
                && int.TryParse(
                    part.AsSpan(ThreadsPart.Length),
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var threads
                )
                && threads > 0
            )
            {
                return threads;
            }
        }

        return null;
    }

    /// <summary>Whether the two are one machine with the same or with different numbers of threads.</summary>
    public static bool AreSameButThreads(string one, string other) =>
        ThreadsOf(one) is not null
        && ThreadsOf(other) is not null
        && Without(Normal(one), ThreadsPart) == Without(Normal(other), ThreadsPart);

    /// <summary>
    /// Of the targets that a store holds records for, those whose records may be of use on another one, without that one's own
    /// text: other texts of the same first, then the same machine with other numbers of threads, nearest ratio first and of
    /// equal ratios the smaller number.
    /// </summary>
    public static IReadOnlyList<string> Alike(IEnumerable<string> stored, string target)
    {
        ArgumentNullException.ThrowIfNull(stored);
        var mine = ThreadsOf(target) ?? 1;
        return
        [
            .. stored
                .Where(t => t != target && (AreSame(t, target) || AreSameButThreads(t, target)))
                .Distinct()
                .OrderBy(t => Math.Abs(Math.Log((double)(ThreadsOf(t) ?? mine) / mine)))
                .ThenBy(t => ThreadsOf(t))
                .ThenBy(t => t, StringComparer.Ordinal),
        ];
    }

    /// <summary>
    /// The certified record of a key, also where an older version wrote the target's text in another way; of several the
    /// fastest, but first of all that of the very key.
    /// </summary>
    /// <exception cref="TuneDbException">The storage failed.</exception>
    public static TuneRecord? FindOwn(this ITuneLookup lookup, TuneKey key)
    {
        ArgumentNullException.ThrowIfNull(lookup);
        ArgumentNullException.ThrowIfNull(key);
        return lookup.FindExact(key)
            ?? Alike(lookup.Targets(), key.Target)
                .Where(t => AreSame(t, key.Target))
                .Select(t => lookup.FindExact(key with { Target = t }))
                .OfType<TuneRecord>()
                .MinBy(r => r.Milliseconds);
    }

    private static string Without(string fingerprint, string part) =>
        string.Join(';', fingerprint.Split(';').Where(p => !p.StartsWith(part, StringComparison.Ordinal)));
}
