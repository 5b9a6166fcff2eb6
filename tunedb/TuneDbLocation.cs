namespace Picograd.TuneDb;

/// <summary>Where the tune database lies. The command line and the library ask here, so they read the same file.</summary>
public static class TuneDbLocation
{
    /// <summary>Environment variable that names the database file.</summary>
    public const string EnvironmentVariable = "PICOGRAD_TUNEDB";

    /// <summary>The file in the user's data folder that is used when nothing else is named.</summary>
    /// <remarks>The folder need not exist yet (hence <c>DoNotVerify</c>); opening for writing creates it.</remarks>
    public static string DefaultPath =>
        Path.Combine(
            Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData,
                Environment.SpecialFolderOption.DoNotVerify
            ),
            "picograd",
            "tunedb.sqlite"
        );

    /// <summary>
    /// The full path of the database: <paramref name="explicitPath"/> if given, else the environment variable
    /// <c>PICOGRAD_TUNEDB</c> if set, else <see cref="DefaultPath"/>. Creates nothing.
    /// </summary>
    /// <exception cref="TuneDbException">The path is blank or holds a null character.</exception>
    public static string Resolve(string? explicitPath = null)
    {
        if (explicitPath is not null)
        {
            return Full(explicitPath, nameof(explicitPath));
        }

        var fromEnvironment = Environment.GetEnvironmentVariable(EnvironmentVariable);
        return string.IsNullOrEmpty(fromEnvironment)
            ? Path.GetFullPath(DefaultPath)
            : Full(fromEnvironment, EnvironmentVariable);
    }

    /// <summary>True when nothing was named and <see cref="DefaultPath"/> is used.</summary>
    public static bool IsDefault(string? explicitPath = null) =>
        explicitPath is null && string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EnvironmentVariable));

    internal static string Full(string path, string argument)
    {
        if (string.IsNullOrWhiteSpace(path) || path.Contains('\0'))
        {
            throw new TuneDbException(
                TuneDbErrorKind.BadPath,
                null,
                $"{argument} must name a tune database file, but it was '{path.Replace("\0", "\\0")}', "
                    + "which is blank or holds a null character."
            );
        }

        return Path.GetFullPath(path);
    }
}
