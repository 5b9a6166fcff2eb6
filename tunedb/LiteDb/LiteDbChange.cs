using LiteDB;
using LiteDB.Engine;
using static Picograd.TuneDb.LiteDb.PageLayout;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// One change of a file, made by LiteDB in memory: its engine is opened for the change on the pages of the file and closed after
/// it, with its log in memory. Whatever fails in it, the file stays as it was until the pages are handed over as a whole.
/// </summary>
internal sealed class LiteDbChange : IDocuments, IDisposable
{
    private readonly PageFile _pages;
    private readonly string _path;
    private readonly PageStream _stream;
    private readonly LiteEngine _engine;
    private int _numbered;

    public LiteDbChange(PageFile pages, string path, int schema)
    {
        _pages = pages;
        _path = path;
        _stream = new PageStream(pages);
        _engine = Run(() => new LiteEngine(Settings(_stream)));
        if (pages.Count == 0)
        {
            Run(() => _engine.Pragma(Pragmas.USER_VERSION, (Application << 16) | schema));
        }

        Run(() => _engine.BeginTrans());
    }

    /// <summary>A name for a new document that sorts behind all earlier ones of this beginning.</summary>
    public string Numbered(string beginning) => $"{beginning}/{_pages.Changes + 1:D12}.{_numbered++:D6}";

    public Fields? Find(string collection, string id) =>
        Query(collection, new Query { Where = { LiteDB.Query.EQ(Fields.Id, id) } }).FirstOrDefault();

    public IEnumerable<Fields> Range(string collection, string prefix, string? only = null) =>
        Query(
            collection,
            prefix.Length == 0
                ? new Query()
                : new Query { Where = { LiteDB.Query.Between(Fields.Id, prefix, prefix + '\uffff') } }
        );

    /// <summary>Puts a document in the place of its name.</summary>
    public void Put(string collection, Fields fields) => Put(collection, [fields]);

    public void Put(string collection, IEnumerable<Fields> fields) =>
        Run(() => _engine.Upsert(collection, fields.Select(Document), BsonAutoId.ObjectId));

    /// <summary>Removes documents; returns how many there were.</summary>
    public int Remove(string collection, IReadOnlyCollection<string> ids) =>
        ids.Count == 0 ? 0 : Run(() => _engine.Delete(collection, ids.Select(id => new BsonValue(id))));

    /// <summary>Makes the change.</summary>
    public void Commit()
    {
        Close(_engine);
        var first = _stream.Changed.GetValueOrDefault(0) ?? _pages.Read(0);
        Hand(_stream.Changed, (Page(first, LastPageAt) + 1L) * PageSize);
    }

    /// <summary>
    /// Makes the change and gives back the space of what was removed: the documents go into new pages, if at least half of
    /// the old ones are free.
    /// </summary>
    public void CommitAndShrink(int schema)
    {
        const int FewPages = 64;
        Close(_engine);
        var total = _stream.Length / PageSize;
        if (total < FewPages || FreePages() * 2 < total)
        {
            Hand(_stream.Changed, _stream.Length);
            return;
        }

        var packed = new MemoryStream();
        using (var from = Run(() => new LiteEngine(Settings(_stream))))
        using (var to = Run(() => new LiteEngine(Settings(packed))))
        {
            Run(() => to.Pragma(Pragmas.USER_VERSION, (Application << 16) | schema));
            Run(() => to.BeginTrans());
            foreach (var collection in Collections.All)
            {
                Run(() => to.Insert(collection, Rows(from, collection, new Query()), BsonAutoId.ObjectId));
            }

            Close(to);
        }

        var bytes = packed.ToArray();
        Hand(
            Enumerable
                .Range(0, bytes.Length / PageSize)
                .ToDictionary(n => (long)n, n => bytes.AsSpan(n * PageSize, PageSize).ToArray()),
            bytes.Length
        );
    }

    public void Dispose() => _engine.Dispose();

    private static EngineSettings Settings(Stream data) =>
        new()
        {
            DataStream = data,
            LogStream = new MemoryStream(),
            TempStream = new MemoryStream(),
            // Names are compared byte by byte, whatever language the machine speaks.
            Collation = Collation.Binary,
        };

    // Closing alone would swallow what fails when LiteDB's log is copied into the pages.
    private void Close(LiteEngine engine)
    {
        Run(() => engine.Commit());
        Run(() => engine.Checkpoint());
        Run(() =>
        {
            engine.Dispose();
            return true;
        });
    }

    private void Hand(IReadOnlyDictionary<long, byte[]> changed, long length)
    {
        if (changed.Count == 0)
        {
            return;
        }

        for (var number = _pages.Count; number * PageSize < length; number++)
        {
            if (!changed.ContainsKey(number))
            {
                throw new InvalidOperationException($"LiteDB took page {number} and did not write it.");
            }
        }

        _pages.Commit(changed, length);
    }

    // LiteDB chains its free pages: the first is named in the first page, each names the next.
    private long FreePages()
    {
        const int FreePageAt = 60;
        const int NextPageAt = 9;
        var page = new byte[PageSize];
        var free = 0L;
        uint Link(long number, int at)
        {
            _stream.Position = number * PageSize;
            _stream.ReadExactly(page);
            return Page(page, at);
        }

        for (var next = Link(0, FreePageAt); next != uint.MaxValue; next = Link(next, NextPageAt))
        {
            if (++free > _stream.Length / PageSize)
            {
                throw LiteDbErrors.Damaged(_path, "its list of free pages goes in circles");
            }
        }

        return free;
    }

    private IReadOnlyList<Fields> Query(string collection, Query query) =>
        Run(() => Rows(_engine, collection, query).Select(OfDocument).ToList());

    private static IEnumerable<BsonDocument> Rows(LiteEngine engine, string collection, Query query)
    {
        using var reader = engine.Query(collection, query);
        while (reader.Read())
        {
            yield return reader.Current.AsDocument;
        }
    }

    /// <summary>
    /// Runs a call of LiteDB. Pages are checked before it sees them, so what fails in it is a file that was made to do so, or a
    /// fault of LiteDB; either way it may be any exception.
    /// </summary>
    private T Run<T>(Func<T> call)
    {
        try
        {
            return call();
        }
        catch (Exception) when (_stream.Failure is { } failure)
        {
            throw failure;
        }
        // What LiteDB throws of pages that are not what they say, its own NotImplementedException of unknown kinds of pages too.
        catch (Exception e)
            when (e
                    is LiteException
                        or NullReferenceException
                        or IndexOutOfRangeException
                        or ArgumentException
                        or InvalidCastException
                        or KeyNotFoundException
                        or OverflowException
                        or NotImplementedException
                        or NotSupportedException
            )
        {
            throw LiteDbErrors.Error(
                TuneDbErrorKind.Corrupt,
                _path,
                $"cannot be changed: LiteDB reports '{PlainText.Of(e.Message.TrimEnd('.'))}'; "
                    + "'tune db copy' saves what can still be read into a new file",
                e
            );
        }
    }

    private static BsonDocument Document(Fields fields)
    {
        var document = new BsonDocument();
        foreach (var (name, value) in fields.All)
        {
            document[name] = value switch
            {
                null => BsonValue.Null,
                string text => text,
                bool flag => flag,
                long number => number,
                double real => real,
                byte[] bytes => bytes,
                _ => throw new ArgumentException($"{name} is a {value.GetType().Name}, which is not stored."),
            };
        }

        return document;
    }

    private static Fields OfDocument(BsonDocument document)
    {
        var fields = new Fields();
        foreach (var (name, value) in document)
        {
            fields[name] = value.Type switch
            {
                BsonType.Null => null,
                BsonType.String => value.AsString,
                BsonType.Boolean => value.AsBoolean,
                BsonType.Int32 => (long)value.AsInt32,
                BsonType.Int64 => value.AsInt64,
                BsonType.Double => value.AsDouble,
                BsonType.Binary => value.AsBinary,
                _ => value,
            };
        }

        return fields;
    }
}
