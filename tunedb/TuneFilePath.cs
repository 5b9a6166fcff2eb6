namespace Picograd.TuneDb;

/// <summary>What every provider asks of a path before it opens the file there.</summary>
internal static class TuneFilePath
{
    /// <summary>Refuses folders, pipes, devices and missing folders; makes the folder of the default file.</summary>
    /// <exception cref="TuneDbException">The path cannot be used; the sentence says why.</exception>
    public static void Check(string path, TuneDbMode mode)
    {
        if (Directory.Exists(path))
        {
            throw Error(
                TuneDbErrorKind.PathIsDirectory,
                path,
                "is a directory; name a file, for instance one inside it"
            );
        }

        if (RegularFile.Problem(path) is { } clause)
        {
            throw Error(TuneDbErrorKind.NotRegular, path, clause);
        }

        var directory = Path.GetDirectoryName(path);
        if (directory is not null && !Directory.Exists(directory))
        {
            CheckMissing(path, directory, mode);
        }

        if (mode == TuneDbMode.ReadOnly && !File.Exists(path))
        {
            throw Error(TuneDbErrorKind.FileMissing, path, "does not exist; `tune` creates it, or name another file");
        }
    }

    private static void CheckMissing(string path, string directory, TuneDbMode mode)
    {
        if (mode == TuneDbMode.ReadOnly || path != Path.GetFullPath(TuneDbLocation.DefaultPath))
        {
            throw Error(
                mode == TuneDbMode.ReadOnly ? TuneDbErrorKind.FileMissing : TuneDbErrorKind.DirectoryMissing,
                path,
                $"cannot be opened because the directory '{directory}' does not exist; create it or name another file"
            );
        }

        MakeFolder(path, directory);
    }

    /// <summary>Makes the folder of a file.</summary>
    /// <exception cref="TuneDbException">It cannot be made.</exception>
    public static void MakeFolder(string path, string directory)
    {
        try
        {
            Directory.CreateDirectory(directory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TuneDbException(
                TuneDbErrorKind.ReadOnly,
                path,
                $"The tune database '{path}' cannot be created because the directory '{directory}' cannot be created; "
                    + $"name another file with --db or {TuneDbLocation.EnvironmentVariable}.",
                e
            );
        }
    }

    private static TuneDbException Error(TuneDbErrorKind kind, string path, string clause) =>
        new(kind, path, $"The tune database '{path}' {clause}.");
}
