using System.CommandLine;
using Picograd.Algorithms.Operators;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune db</c>: looking at the database and caring for it.</summary>
internal static class DbCommand
{
    public static Command Create(ToolConsole console) =>
        new("db", "Looks at the database of tuned schedules and cares for it")
        {
            DbListCommand.Create(console),
            DbShowCommand.Create(console),
            DbWhyCommand.Create(console),
            DbVerifyCommand.Create(console),
            DbExportCommand.Create(console),
            DbImportCommand.Create(console),
            DbMergeCommand.Create(console),
            DbCertifyCommand.Create(console),
            DbCopyCommand.Create(console),
            DbPruneCommand.Create(console),
            DbKeygenCommand.Create(console),
        };

    /// <summary>Opens the database for reading.</summary>
    /// <exception cref="TuneDbException">It cannot be used; the sentence says why.</exception>
    public static TuneDatabase Read(ParseResult parsed, Option<string?> db) =>
        TuneDatabase.Open(TuneDbLocation.Resolve(parsed.GetValue(db)), TuneDbMode.ReadOnly);

    /// <summary>Opens the database for writing; a missing one is made.</summary>
    /// <exception cref="TuneDbException">It cannot be used; the sentence says why.</exception>
    public static TuneDatabase Write(ParseResult parsed, Option<string?> db) =>
        TuneDatabase.Open(TuneDbLocation.Resolve(parsed.GetValue(db)));

    public static Option<string?> Operator() =>
        new("--operator")
        {
            Description = "Only this operator, such as matmul",
            HelpName = "NAME",
            CompletionSources = { _ => OperatorLibrary.All.Select(o => o.Name) },
        };

    /// <summary>The records that <c>--operator</c> leaves.</summary>
    /// <exception cref="UsageException">There is no such operator.</exception>
    public static TuneFilter Filter(ParseResult parsed, Option<string?> option) =>
        parsed.GetValue(option) is not { } name ? new TuneFilter()
        : OperatorLibrary.Find(name) is not null ? new TuneFilter { Operator = name }
        : throw new UsageException($"{option.Name} is '{name}', an {OperatorLibrary.Unknown(name)}.");

    /// <summary>
    /// The records of an instance, or of what no operator names by its label or the label's first word; at least one.
    /// </summary>
    /// <exception cref="FailureException">There is none.</exception>
    public static IReadOnlyList<TuneRecord> RecordsOf(
        TuneDatabase store,
        ParseResult parsed,
        Argument<string[]> argument
    )
    {
        string label = string.Join(' ', parsed.GetValue(argument) ?? []);
        var labelled = store
            .All()
            .Where(r => r.Spec == label || (label.Contains(':') && r.Spec.Split(' ')[0] == label))
            .ToList();
        if (labelled.Count > 0)
            return labelled;
        var spec = SpecWords.ParseOne(parsed, argument);
        var records = store.All(new TuneFilter { Spec = spec.ToString() });
        return records.Count > 0
            ? records
            : throw new FailureException($"'{store.FilePath}' has no record of {spec}; 'tune op {spec}' makes one.");
    }
}
