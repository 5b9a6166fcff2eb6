using System.Globalization;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb;

/// <summary>Where a record came from.</summary>
public enum TuneOrigin
{
    /// <summary>Found by a search on this machine.</summary>
    Local,

    /// <summary>Read from a text of exported winners.</summary>
    Imported,

    /// <summary>Shipped with the library.</summary>
    Shipped,
}

/// <summary>Outcome of the check of a kernel against the float64 evaluator.</summary>
/// <param name="ErrorRatio">
/// Largest error over all inputs tried, in units of the operator's error bound; at most 1 for a kernel that passes.
/// </param>
/// <param name="Ok">True when every check passed.</param>
/// <param name="BitStable">True when repeated runs on equal inputs gave equal bits.</param>
/// <param name="Detail">What was tried or what failed, in one line; may be empty.</param>
public sealed record Certification(double ErrorRatio, bool Ok, bool BitStable, string Detail = "")
{
    /// <summary>Nothing ran: the back end refused the schedule. Never true of what is stored.</summary>
    public bool IsRefused { get; init; }

    /// <summary>It was given up before it came to a verdict, which says nothing about the kernel. Never true of what is stored.</summary>
    public bool IsUnfinished { get; init; }

    /// <summary>
    /// An error that is not the kernel's (of the evaluator, say, or a lack of memory) kept it from a verdict. Never true of what is stored.
    /// </summary>
    public bool IsFault { get; init; }

    /// <summary>One without a verdict, because of an error that is not the kernel's.</summary>
    public static Certification Fault(string detail) =>
        new(0, Ok: false, BitStable: false, detail) { IsRefused = true, IsFault = true };
}

/// <summary>How a record came to be.</summary>
/// <param name="Utc">When the winner was measured; must be of kind <see cref="DateTimeKind.Utc"/>.</param>
/// <param name="Machine">Name of the kind of machine (processor model), never of the host.</param>
/// <param name="Seed">Seed of the search.</param>
/// <param name="Budget">Budget as it was given, for instance <c>30s</c>.</param>
/// <param name="CandidatesTried">Candidates that were compiled or timed, rejected ones included.</param>
/// <param name="StopReason">Why the search stopped, for instance <c>plateau</c>.</param>
/// <param name="RuntimeVersion">Version of the .NET runtime; behind a semicolon what else compiles and runs kernels (driver and compiler of a GPU).</param>
/// <param name="ToolVersion">Version of Picograd.</param>
public sealed record Provenance(
    DateTime Utc,
    string Machine,
    long Seed,
    string Budget,
    int CandidatesTried,
    string StopReason,
    string RuntimeVersion,
    string ToolVersion
);

/// <summary>One tuned schedule with what is known about it. Equality is by contents, lists included.</summary>
public sealed record TuneRecord
{
    // Characters of a trace, as dispatch allows them, and of any other text; guards and samples. Searches write far fewer.
    private const int LongestTrace = 64 << 10;
    private const int LongestText = 16 << 10;
    private const int LongestProblem = 256 << 10;
    private const int MostGuards = 256;
    private const int MostSamples = 10_000;

    /// <summary>What the record is looked up by.</summary>
    public required TuneKey Key { get; init; }

    /// <summary>The problem's label: an operator instance in its text form, for instance <c>matmul m=256 n=3072 k=768</c>, or a name.</summary>
    public required string Spec { get; init; }

    /// <summary>
    /// The problem's canonical text, its algorithm with what the inputs hold; empty in records of versions that did not keep it,
    /// whose <see cref="Spec"/> says it.
    /// </summary>
    public string ProblemText { get; init; } = "";

    /// <summary>The schedule as a trace, one step a line; opaque to the store.</summary>
    public required string Trace { get; init; }

    /// <summary>What the compiled kernel assumes, for instance <c>align(a,64)</c>; tested at dispatch.</summary>
    public IReadOnlyList<string> Guards { get; init; } = [];

    /// <summary>Median time of one call, in milliseconds.</summary>
    public required double Milliseconds { get; init; }

    /// <summary>Median time of the default schedule in the same run, in milliseconds; null when not measured.</summary>
    public double? DefaultMilliseconds { get; init; }

    /// <summary>The samples behind <see cref="Milliseconds"/>, in milliseconds.</summary>
    public IReadOnlyList<double> Samples { get; init; } = [];

    /// <summary>Outcome of the check against the float64 evaluator, where and when it was made.</summary>
    public required Certification Certification { get; init; }

    /// <summary>How the record came to be.</summary>
    public required Provenance Provenance { get; init; }

    /// <summary>Where the record came from. Belongs to the store that holds it; not part of exported text.</summary>
    public TuneOrigin Origin { get; init; } = TuneOrigin.Local;

    /// <summary>
    /// True when this store may serve the record. Belongs to the store that holds it; not part of exported text:
    /// importing sets it to false whatever <see cref="Certification"/> claims.
    /// </summary>
    public bool Certified { get; init; }

    /// <summary>Time of the default schedule over time of this one; null when the default was not measured.</summary>
    public double? Speedup => DefaultMilliseconds / Milliseconds;

    /// <summary>Hash of <see cref="Trace"/>, 32 hexadecimal digits.</summary>
    public string TraceHash => Digest.Short(Trace);

    /// <summary>True when look-ups for dispatch may return the record.</summary>
    public bool IsServable => Certified && Certification.Ok && Trace.Length > 0;

    /// <summary>The canonical text: what exports hold, without <see cref="Origin"/> and <see cref="Certified"/>.</summary>
    public string ToText() => RecordText.Write(this);

    /// <inheritdoc/>
    public bool Equals(TuneRecord? other) =>
        other is not null
        && (
            ReferenceEquals(this, other)
            || (Origin == other.Origin && Certified == other.Certified && ToText() == other.ToText())
        );

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Key, Milliseconds, Trace);

    /// <summary>Checks that the record can be stored and read back unchanged.</summary>
    /// <exception cref="ArgumentException">Names the field, what it holds and what is allowed.</exception>
    public void Validate()
    {
        if (Fault() is { } problem)
        {
            throw new ArgumentException($"The tune record of '{Spec}' cannot be stored: {problem}.");
        }
    }

    /// <summary>What keeps the record from being stored, as a clause; null when nothing does.</summary>
    internal string? Fault()
    {
        foreach (var (name, value, mayBeEmpty) in Texts())
        {
            if (value is null || (value.Length == 0 && !mayBeEmpty))
            {
                return $"{name} is empty, but it must hold text";
            }

            if (!Digest.IsEncodable(value))
            {
                return $"{name} holds half a surrogate pair, but it must be valid Unicode";
            }

            // Not every database can hold it.
            if (value.Contains('\0'))
            {
                return $"{name} holds a null character, but it must be text";
            }

            var longest = name switch
            {
                nameof(Trace) => LongestTrace,
                nameof(ProblemText) => LongestProblem,
                _ => LongestText,
            };
            if (value.Length > longest)
            {
                return $"{name} has {value.Length} characters, but may have {longest}";
            }

            // They are shown, and stand in lines of text.
            if (
                name is not (nameof(Trace) or nameof(ProblemText) or nameof(Guards) or "Certification.Detail")
                && value.Any(char.IsControl)
            )
            {
                return $"{name} holds control characters, but it must be one line of text";
            }
        }

        if (Guards.Count > MostGuards)
        {
            return $"there are {Guards.Count} guards, but at most {MostGuards} are allowed";
        }

        if (Samples.Count > MostSamples)
        {
            return $"there are {Samples.Count} samples, but at most {MostSamples} are allowed";
        }

        if (!TuneKey.TryParseExtents(Key.Shapes, out _))
        {
            return $"Key.Shapes is '{Key.Shapes}', but it must be like 'm=256,n=3072' with positive whole numbers";
        }

        if (!IsPositive(Milliseconds))
        {
            return $"Milliseconds is {Text(Milliseconds)}, but it must be positive and finite";
        }

        if (DefaultMilliseconds is { } standard && !IsPositive(standard))
        {
            return $"DefaultMilliseconds is {Text(standard)}, but it must be positive and finite, or null";
        }

        for (var i = 0; i < Samples.Count; i++)
        {
            if (!IsPositive(Samples[i]))
            {
                return $"Samples holds {Text(Samples[i])}, but each sample must be positive and finite";
            }
        }

        if (!double.IsFinite(Certification.ErrorRatio) || Certification.ErrorRatio < 0)
        {
            return $"Certification.ErrorRatio is {Text(Certification.ErrorRatio)}, but it must be finite and not negative";
        }

        if (Certification is { Ok: true, ErrorRatio: > 1 })
        {
            return $"Certification.ErrorRatio is {Text(Certification.ErrorRatio)}, but it must be at most 1 when Ok is true";
        }

        if (Certified && !Certification.Ok)
        {
            return "Certified is true, but Certification.Ok is false; only a kernel that passed may be certified";
        }

        if (Provenance.Utc.Kind != DateTimeKind.Utc)
        {
            return $"Provenance.Utc is of kind {Provenance.Utc.Kind}, but it must be Utc";
        }

        if (Provenance.Utc.Year is < 2020 or > 2199)
        {
            return $"Provenance.Utc is in the year {Provenance.Utc.Year}, but it must be from 2020 to 2199";
        }

        return Provenance.CandidatesTried < 0
            ? $"Provenance.CandidatesTried is {Provenance.CandidatesTried}, but it must not be negative"
            : null;
    }

    private IEnumerable<(string Name, string? Value, bool MayBeEmpty)> Texts()
    {
        yield return ("Spec", Spec, false);
        yield return (nameof(ProblemText), ProblemText, true);
        yield return ("Trace", Trace, false);
        yield return ("Key.Structure", Key.Structure, false);
        yield return ("Key.Shapes", Key.Shapes, true);
        yield return ("Key.DTypes", Key.DTypes, true);
        yield return ("Key.Layouts", Key.Layouts, true);
        yield return ("Key.Target", Key.Target, false);
        yield return ("Key.CompilerVersion", Key.CompilerVersion, false);
        yield return ("Key.Policy", Key.Policy, true);
        yield return ("Certification.Detail", Certification.Detail, true);
        yield return ("Provenance.Machine", Provenance.Machine, true);
        yield return ("Provenance.Budget", Provenance.Budget, true);
        yield return ("Provenance.StopReason", Provenance.StopReason, true);
        yield return ("Provenance.RuntimeVersion", Provenance.RuntimeVersion, true);
        yield return ("Provenance.ToolVersion", Provenance.ToolVersion, true);
        foreach (var guard in Guards)
        {
            yield return ("Guards", guard, false);
        }
    }

    private static bool IsPositive(double value) => double.IsFinite(value) && value > 0;

    private static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
