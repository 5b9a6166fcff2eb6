namespace Picograd.TuneDb;

/// <summary>Merge, export and import with files.</summary>
public static class TuneStoreFiles
{
    /// <summary>Merges another database, named by its address, which is only read; see <see cref="ITuneStore.Merge"/>.</summary>
    /// <exception cref="TuneDbException">The file cannot be used, or it is the file of this store.</exception>
    public static TuneMergeResult MergeFile(this ITuneStore store, string path)
    {
        var full = TuneAddress.PathOf(path);
        if (store is TuneDatabase mine && (mine.FilePath == full || SameFile(mine.FilePath, full)))
        {
            throw new TuneDbException(
                TuneDbErrorKind.SameFile,
                full,
                $"The tune database '{full}' cannot be merged into itself; name another file."
            );
        }

        using var other = TuneDatabase.Open(path, TuneDbMode.ReadOnly);
        return store.Merge(other);
    }

    /// <summary>
    /// Exports to a file, which appears whole or not at all: the text is written beside it and then takes its place. Of a
    /// link the file that it leads to is written.
    /// </summary>
    /// <exception cref="TuneDbException">The file cannot be written.</exception>
    public static int ExportFile(
        this ITuneStore store,
        string path,
        TuneFilter? filter = null,
        bool includeUncertified = false,
        string? signWith = null
    )
    {
        if (signWith is not null && includeUncertified)
        {
            throw new ArgumentException(
                "A signature says that records were certified, so those that wait for it are not signed.",
                nameof(includeUncertified)
            );
        }

        // A signature is this machine's word for what it found itself.
        var wanted = signWith is null ? filter : (filter ?? new TuneFilter()) with { Origin = TuneOrigin.Local };
        var full = TextPath(path);
        try
        {
            var text = new StringWriter();
            var count = store.Export(text, wanted, includeUncertified);
            WholeFile.Write(full, signWith is null ? text.ToString() : SigningKey.Sign(text.ToString(), signWith));
            return count;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TuneDbException(
                TuneDbErrorKind.Io,
                full,
                $"The winners cannot be written to '{full}' ({e.Message.TrimEnd('.')}).",
                e
            );
        }
    }

    // A text is no database, whatever its name begins with.
    private static string TextPath(string path) =>
        string.IsNullOrWhiteSpace(path) || path.Contains('\0')
            ? throw new TuneDbException(
                TuneDbErrorKind.BadPath,
                null,
                $"{nameof(path)} must name a file, but it was '{path.Replace("\0", "\\0")}', which is blank or holds a null character."
            )
            : Path.GetFullPath(path);

    private static bool SameFile(string one, string other)
    {
        try
        {
            return RegularFile.Target(one) == RegularFile.Target(other);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What cannot be followed cannot be opened either, which is told in its own words.
            return false;
        }
    }

    /// <summary>Imports from a file; see <see cref="ITuneStore.Import"/>.</summary>
    /// <param name="store">What takes it.</param>
    /// <param name="path">The file.</param>
    /// <param name="trust">A public key: the text must be signed with it, and what its owner certified is certified here too; null: all wait.</param>
    /// <exception cref="TuneDbException">The file cannot be read or is not exported text.</exception>
    public static TuneImportResult ImportFile(this ITuneStore store, string path, string? trust = null)
    {
        var full = TextPath(path);
        try
        {
            if (RegularFile.Problem(full) is { } clause)
            {
                throw new IOException($"it {clause}");
            }

            using var reader = new StreamReader(full);
            return trust is null
                ? store.Import(reader)
                : store.Import(new StringReader(SigningKey.Verified(reader, trust)), trust: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TuneDbException(
                TuneDbErrorKind.Io,
                full,
                $"The winners cannot be read from '{full}' ({e.Message.TrimEnd('.')}).",
                e
            );
        }
        catch (TuneDbException e) when (e.Path is null)
        {
            throw new TuneDbException(e.Kind, full, $"{e.Message.TrimEnd('.')} (file '{full}').", e);
        }
    }
}
