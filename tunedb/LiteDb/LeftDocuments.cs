namespace Picograd.TuneDb.LiteDb;

/// <summary>The documents of a damaged file: those of its sound pages, told apart by the names that only their kind has.</summary>
internal sealed class LeftDocuments : IDocuments
{
    private readonly Dictionary<string, SortedDictionary<string, Fields>> _collections = [];

    public LeftDocuments(PageFile pages, string path)
    {
        var reader = new PageReader(pages, path);
        for (var number = 0L; number < pages.Count; number++)
        {
            if (pages.TryRead(number) is not { } page)
            {
                DamagedPages++;
                continue;
            }

            foreach (var fields in reader.In(page))
            {
                if (CollectionOf(fields) is { } collection && fields.TextOrNull(Fields.Id) is { } id)
                {
                    if (!_collections.TryGetValue(collection, out var documents))
                    {
                        documents = new SortedDictionary<string, Fields>(StringComparer.Ordinal);
                        _collections.Add(collection, documents);
                    }

                    documents[id] = fields;
                }
            }
        }
    }

    /// <summary>Pages that are missing or do not match their checksums.</summary>
    public int DamagedPages { get; }

    public Fields? Find(string collection, string id) =>
        _collections.TryGetValue(collection, out var documents) ? documents.GetValueOrDefault(id) : null;

    public IEnumerable<Fields> Range(string collection, string prefix, string? only = null) =>
        _collections.TryGetValue(collection, out var documents)
            ? documents.Where(d => d.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(d => d.Value)
            : [];

    private static string? CollectionOf(Fields fields) =>
        fields.Has("family") ? Collections.Records
        : fields.Has("recorded") ? Collections.History
        : fields.Has("trace_hash") ? Collections.Candidates
        : fields.Has("body") ? Collections.Keys
        : null;
}
