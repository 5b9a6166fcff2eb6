using Picograd.TuneDb.Text;

namespace Picograd.TuneDb.LiteDb;

// How the file is opened for a look or a change, and looked at again where it changed meanwhile.
public sealed partial class LiteDbTuneStore
{
    /// <summary>The change that is being made.</summary>
    private LiteDbChange Change =>
        _change ?? throw new InvalidOperationException("Nothing is written outside of a change.");

    private void Prepare()
    {
        lock (_lock)
        {
            Write(
                pages =>
                {
                    if (!LockedFile.LocksHold(FilePath))
                    {
                        throw LiteDbErrors.Error(
                            TuneDbErrorKind.Io,
                            FilePath,
                            "cannot be written safely: its file system does not lock files, or locking is switched off; "
                                + "name a file on a local disk"
                        );
                    }

                    return pages.Count;
                },
                onlyIfNew: true
            );
        }
    }

    private T Write<T>(Func<PageFile, T> changes, bool onlyIfNew = false)
    {
        try
        {
            using var file = LockedFile.Open(FilePath, write: true, _busyTimeout) ?? throw LiteDbErrors.Busy(FilePath);
            var pages = PageFile.Open(file, FilePath, SchemaVersion);
            new PageReader(pages, FilePath).RequireOwn(Collections.All);
            if (onlyIfNew && pages.Count > 0)
            {
                return changes(pages);
            }

            _change = new LiteDbChange(pages, FilePath, SchemaVersion);
            _shrinks = false;
            var result = changes(pages);
            if (_shrinks)
            {
                _change.CommitAndShrink(SchemaVersion);
                pages.Fold();
            }
            else
            {
                _change.Commit();
            }

            _wrote = true;
            return result;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw LiteDbErrors.Translate(FilePath, e, write: true);
        }
        finally
        {
            _change?.Dispose();
            _change = null;
        }
    }

    private T Look<T>(Func<IDocuments, T> look)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if ((_change ?? _salvaged) is { } documents)
            {
                return look(documents);
            }

            return LookAt((_, reader) => look(reader));
        }
    }

    /// <summary>
    /// Looks at the file without keeping it locked, and looks again if it was changed meanwhile; if that happens often, with the lock
    /// held. Where the lock cannot be let go of, or where the file system has none, it is as it is.
    /// </summary>
    private T LookAt<T>(Func<PageFile, PageReader, T> look)
    {
        for (var attempt = 1; ; attempt++)
        {
            var damagedBefore = DamagedSkipped;
            try
            {
                using var file =
                    LockedFile.Open(FilePath, write: false, _busyTimeout) ?? throw LiteDbErrors.Busy(FilePath);
                if (attempt < Attempts)
                {
                    file.Unlock();
                }

                if (TryLookAt(file, look, last: attempt >= Attempts, out var result))
                {
                    return result;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw LiteDbErrors.Translate(FilePath, e, write: false);
            }

            CountDamaged(damagedBefore - DamagedSkipped);
        }
    }

    private bool TryLookAt<T>(
        LockedFile file,
        Func<PageFile, PageReader, T> look,
        bool last,
        [System.Diagnostics.CodeAnalysis.MaybeNullWhen(false)] out T result
    )
    {
        result = default;
        try
        {
            if (_seen?.IsStill(file) != true)
            {
                _seen = null;
                var pages = PageFile.Open(file, FilePath, SchemaVersion);
                _seen = pages.Count > 0 ? pages : throw LiteDbErrors.Empty(FilePath);
            }

            result = look(_seen, new PageReader(_seen, FilePath));
            if (last || _seen.IsStill(file))
            {
                return true;
            }
        }
        catch (TuneDbException) when (!last)
        {
            // Damaged, or changed while it was being read: the last look, with the lock held, decides.
        }

        _seen = null;
        return false;
    }
}
