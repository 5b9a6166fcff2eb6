namespace Picograd.TuneDb.Text;

/// <summary>What providers store beside a record's canonical text: names of origins and outcomes, and checksums over everything.</summary>
internal static class StoredForm
{
    /// <summary>Checksum over the canonical text and what belongs to the store: origin and certification.</summary>
    public static string Checksum(TuneRecord record) =>
        Checksum(record.ToText(), Name(record.Origin), record.Certified, "");

    /// <summary>The same, from what was stored.</summary>
    public static string Checksum(string text, string origin, bool certified) => Checksum(text, origin, certified, "");

    /// <summary>Checksum over an offer.</summary>
    public static string Checksum(TuneHistoryEntry entry) =>
        Checksum(
            entry.Record.ToText(),
            Name(entry.Record.Origin),
            entry.Record.Certified,
            $"recorded {RecordText.Time(entry.RecordedUtc)}\noutcome {Name(entry.Outcome)}\n"
        );

    public static string Name(TuneOrigin origin) =>
        origin switch
        {
            TuneOrigin.Local => "local",
            TuneOrigin.Imported => "imported",
            TuneOrigin.Shipped => "shipped",
            _ => throw new ArgumentOutOfRangeException(nameof(origin), origin, "not an origin"),
        };

    public static TuneOrigin Origin(string name) =>
        name switch
        {
            "local" => TuneOrigin.Local,
            "imported" => TuneOrigin.Imported,
            "shipped" => TuneOrigin.Shipped,
            _ => throw new FormatException($"'{name}' is not an origin"),
        };

    public static string Name(PutOutcome outcome) =>
        outcome switch
        {
            PutOutcome.Added => "added",
            PutOutcome.Replaced => "replaced",
            PutOutcome.Kept => "kept",
            _ => throw new ArgumentOutOfRangeException(nameof(outcome), outcome, "not an outcome"),
        };

    public static PutOutcome Outcome(string name) =>
        name switch
        {
            "added" => PutOutcome.Added,
            "replaced" => PutOutcome.Replaced,
            "kept" => PutOutcome.Kept,
            _ => throw new FormatException($"'{name}' is not an outcome"),
        };

    private static string Checksum(string text, string origin, bool certified, string extra) =>
        Digest.Full($"{text}origin {origin}\ncertified {(certified ? 1 : 0)}\n{extra}");
}
