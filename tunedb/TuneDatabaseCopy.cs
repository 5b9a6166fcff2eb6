namespace Picograd.TuneDb;

/// <summary>How much a copy holds.</summary>
/// <param name="Records">Records, certified and waiting.</param>
/// <param name="History">Offers.</param>
/// <param name="Candidates">Entries of the log.</param>
/// <param name="Damaged">What could not be read in the original and was left out.</param>
public sealed record TuneCopyResult(int Records, int History, int Candidates, long Damaged);

/// <summary>Copies of whole databases, from one provider to another or of what can still be read in a damaged file.</summary>
public static class TuneDatabaseCopy
{
    /// <summary>
    /// Copies everything into a new file, which appears whole or not at all: records as they are (certified ones stay so, it is
    /// the same machine's word), history, candidates. What was written is read again and compared.
    /// </summary>
    /// <param name="from">Address of the original, which is only read.</param>
    /// <param name="to">Address of the copy; no file may be there.</param>
    /// <exception cref="TuneDbException">One of them cannot be used, or the copy is not the original.</exception>
    public static TuneCopyResult Copy(string from, string to)
    {
        var (provider, path) = TuneAddress.Parse(to, nameof(to));
        if (TuneAddress.IsServer(from))
        {
            throw new TuneDbException(
                TuneDbErrorKind.BadPath,
                null,
                "A copy keeps what its original certified, which of a server is the word of others; take its records over with 'tune db merge', and certify them."
            );
        }

        if (provider is { IsServer: true })
        {
            throw new TuneDbException(
                TuneDbErrorKind.BadPath,
                null,
                $"A copy is a new file, but '{to}' is a server; take the records over with 'tune db merge'."
            );
        }

        TuneFilePath.Check(path, TuneDbMode.ReadWrite);
        if (File.Exists(path))
        {
            throw new TuneDbException(
                TuneDbErrorKind.SameFile,
                path,
                $"The tune database '{path}' exists already; name a new file, or take the records over with 'tune db merge'."
            );
        }

        using var source = TuneDatabase.OpenForCopy(from);
        provider ??= TuneProviders.Of(path, TimeSpan.Zero);
        WholeFile.DiscardStale(path);
        var partial = $"{path}.{Path.GetRandomFileName()}.partial";
        EventHandler cleanUp = (_, _) => WholeFile.Discard(partial);
        AppDomain.CurrentDomain.ProcessExit += cleanUp;
        try
        {
            TuneCopyResult result;
            using (var copy = provider.Open(partial, TuneDbMode.ReadWrite, TimeSpan.FromSeconds(15)))
            {
                result = copy.CopyFrom(source);
            }

            // For writing, because only then SQLite removes its side files again.
            using (var copy = provider.Open(partial, TuneDbMode.ReadWrite, TimeSpan.FromSeconds(15)))
            {
                Compare(source, copy, path);
            }

            File.Move(partial, path, overwrite: false);
            WholeFile.FlushFolder(path);
            return result;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TuneDbException(
                TuneDbErrorKind.Io,
                path,
                $"The tune database '{path}' cannot be written ({e.Message.TrimEnd('.')}).",
                e
            );
        }
        finally
        {
            WholeFile.Discard(partial);
            AppDomain.CurrentDomain.ProcessExit -= cleanUp;
        }
    }

    private static void Compare(TuneDatabase source, TuneDatabase copy, string path)
    {
        if (
            !source.All().SequenceEqual(copy.All())
            || !source.History().SequenceEqual(copy.History())
            || !source.Candidates().SequenceEqual(copy.Candidates())
            || !copy.Verify().Ok
        )
        {
            throw new TuneDbException(
                TuneDbErrorKind.Io,
                path,
                $"The copy '{path}' was not the original '{source.FilePath}' when it was read again, and was removed; "
                    + "if the original was being written to, try again."
            );
        }
    }
}
