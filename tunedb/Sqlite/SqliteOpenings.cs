namespace Picograd.TuneDb.Sqlite;

/// <summary>
/// The files that SQLite has open in this process. The locks that a process holds on a file are gone as soon as it closes any
/// descriptor of that file (https://sqlite.org/howtocorrupt.html, 2.2), and another process may then fold the log into it and
/// remove the log while this one goes on writing there. So whoever looks at a file beside SQLite does it here: what was opened for
/// that is closed when SQLite has closed the file.
/// </summary>
internal static class SqliteOpenings
{
    private static readonly Lock Gate = new();
    private static readonly Dictionary<string, Opening> Open = [];

    private sealed class Opening
    {
        public int Count { get; set; }

        public FileStream? Looked { get; set; }
    }

    /// <summary>To be called before SQLite opens a file; what it returns is disposed of after SQLite has closed it.</summary>
    public static IDisposable Begin(string path)
    {
        var name = Name(path);
        lock (Gate)
        {
            if (!Open.TryGetValue(name, out var opening))
            {
                Open.Add(name, opening = new Opening());
            }

            opening.Count++;
        }

        return new End(name);
    }

    /// <summary>Whether SQLite has the file open in this process.</summary>
    public static bool Contains(string path)
    {
        var name = Name(path);
        lock (Gate)
        {
            return Open.ContainsKey(name);
        }
    }

    /// <summary>The first bytes of a file, up to a number, and its length.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static byte[] Start(string path, int count, out long length)
    {
        var name = Name(path);
        lock (Gate)
        {
            var opening = Open.GetValueOrDefault(name);
            var stream =
                opening?.Looked
                ?? new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
            try
            {
                var start = new byte[count];
                stream.Position = 0;
                var read = stream.ReadAtLeast(start, count, throwOnEndOfStream: false);
                length = stream.Length;
                return start[..read];
            }
            finally
            {
                if (opening is null)
                {
                    stream.Dispose();
                }
                else
                {
                    opening.Looked = stream;
                }
            }
        }
    }

    private static string Name(string path)
    {
        try
        {
            return RegularFile.Target(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be followed cannot be opened either, which is told in its own words.
            return path;
        }
    }

    private sealed class End(string name) : IDisposable
    {
        private bool _ended;

        public void Dispose()
        {
            lock (Gate)
            {
                if (_ended)
                {
                    return;
                }

                _ended = true;
                var opening = Open[name];
                if (--opening.Count == 0)
                {
                    opening.Looked?.Dispose();
                    Open.Remove(name);
                }
            }
        }
    }
}
