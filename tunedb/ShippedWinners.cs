using System.Reflection;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb;

/// <summary>
/// The winners that ship with the library: texts of the export format in <c>tunedb/winners/</c>, embedded as resources.
/// Their keys include the target, so they are found only on machines with the fingerprint that they were tuned for.
/// </summary>
public static class ShippedWinners
{
    /// <summary>Resources with this ending hold winners.</summary>
    public const string Extension = ".winners";

    /// <summary>Loads all winners embedded in this library. A damaged one is left out and told in a sentence.</summary>
    public static ITuneLookup Load(out IReadOnlyList<string> problems) =>
        Load(typeof(ShippedWinners).Assembly, out problems);

    /// <summary>Loads all winners embedded in an assembly.</summary>
    public static ITuneLookup Load(Assembly assembly, out IReadOnlyList<string> problems)
    {
        var found = new List<string>();
        var store = new MemoryTuneStore();
        var names = assembly
            .GetManifestResourceNames()
            .Where(name => name.EndsWith(Extension, StringComparison.Ordinal));
        foreach (var name in names.Order(StringComparer.Ordinal))
        {
            using var stream = assembly.GetManifestResourceStream(name)!;
            using var reader = new StreamReader(stream);
            Add(store, name, reader, found);
        }

        problems = found;
        return store;
    }

    /// <summary>Loads winners from one text.</summary>
    public static ITuneLookup Load(TextReader reader, out IReadOnlyList<string> problems)
    {
        var found = new List<string>();
        var store = new MemoryTuneStore();
        Add(store, "text", reader, found);
        problems = found;
        return store;
    }

    private static void Add(MemoryTuneStore store, string name, TextReader reader, List<string> problems)
    {
        try
        {
            var (records, refused) = ExportText.Read(reader, TuneOrigin.Shipped, trustCertification: true);
            foreach (var record in records)
            {
                store.Put(record);
            }

            problems.AddRange(refused.Select(problem => $"Shipped winners, {name}: {problem}"));
        }
        catch (TuneDbException e)
        {
            problems.Add($"Shipped winners, {name}: {e.Message}");
        }
    }
}
