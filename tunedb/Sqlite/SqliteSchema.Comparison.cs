using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;

namespace Picograd.TuneDb.Sqlite;

/// <summary>What sets the schema of a file apart from the one that this application makes.</summary>
internal static partial class SqliteSchema
{
    /// <summary>A difference.</summary>
    /// <param name="Text">A clause.</param>
    /// <param name="Changes">Whether it changes what this application reads: a table of its own is another, or missing.</param>
    /// <param name="Hinders">Whether it takes part in what this application writes; triggers do not, they are switched off.</param>
    public readonly record struct Difference(string Text, bool Changes, bool Hinders);

    private readonly record struct Part(string Type, string Name, string Table, string Sql);

    private static readonly ConcurrentDictionary<int, IReadOnlyList<Part>> Expected = [];

    /// <summary>All differences from the schema of a version.</summary>
    public static IReadOnlyList<Difference> Differences(SqliteConnection connection, int version)
    {
        var expected = Expected.GetOrAdd(version, Make);
        var found = Parts(connection);
        var tables = expected.Where(part => part.Type == "table").Select(part => part.Name).ToHashSet();
        var differences = new List<Difference>();
        foreach (var part in expected)
        {
            if (!found.Contains(part))
            {
                var same = found.Any(other => other.Type == part.Type && other.Name == part.Name);
                differences.Add(
                    new(
                        $"the {part.Type} {part.Name} {(same ? "is another one" : "is missing")}",
                        part.Type == "table",
                        true
                    )
                );
            }
        }

        foreach (var part in found)
        {
            if (!expected.Any(own => own.Type == part.Type && own.Name == part.Name))
            {
                var hinders = part.Type == "index" && tables.Contains(part.Table);
                differences.Add(
                    new($"the {part.Type} '{PlainText.Of(part.Name)}' does not belong to it", false, hinders)
                );
            }
        }

        return differences;
    }

    private static void RequireOwn(SqliteConnection connection, string path, int version, TuneDbMode mode)
    {
        foreach (var difference in Differences(connection, version))
        {
            if (difference.Changes || (mode == TuneDbMode.ReadWrite && difference.Hinders))
            {
                throw SqliteErrors.Error(
                    TuneDbErrorKind.Corrupt,
                    path,
                    $"was changed by another program ({difference.Text}); restore a copy or delete it"
                );
            }
        }
    }

    private static IReadOnlyList<Part> Make(int version)
    {
        using var connection = new SqliteConnection("Data Source=:memory:;Pooling=False");
        connection.Open();
        foreach (var step in Steps[..version])
        {
            Execute(connection, step);
        }

        return Parts(connection);
    }

    // Names that begin with sqlite_ are SQLite's own: indices of keys, statistics.
    private static List<Part> Parts(SqliteConnection connection)
    {
        var parts = new List<Part>();
        using var command = connection.CreateCommand();
        command.CommandText =
            "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
        using var rows = command.ExecuteReader();
        while (rows.Read())
        {
            var sql = string.Join(' ', rows.GetString(3).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
            parts.Add(new(rows.GetString(0), rows.GetString(1), rows.GetString(2), sql));
        }

        return parts;
    }
}
