namespace Picograd.TuneDb;

/// <summary>Where the tune database lies. The command line and the library ask here, so they read the same file.</summary>
public static class TuneDbLocation
{
    /// <summary>Environment variable that names the database: a path or an address, see <see cref="TuneDatabase.Open"/>.</summary>
    public const string EnvironmentVariable = "PICOGRAD_TUNEDB";

    /// <summary>The file in the user's data folder that is used when nothing else is named.</summary>
    /// <remarks>The folder need not exist yet (hence <c>DoNotVerify</c>); opening for writing creates it.</remarks>
    public static string DefaultPath => InDataFolder("tunedb.litedb");

    /// <summary>
    /// What the default was before: an SQLite file, which goes on being used where it exists and <see cref="DefaultPath"/>
    /// does not. <c>tune db copy</c> from the one to the other moves over.
    /// </summary>
    public static string FormerDefaultPath => InDataFolder("tunedb.sqlite");

    /// <summary>
    /// The address of the database, its path in full: <paramref name="explicitAddress"/> if given, else the environment variable
    /// <c>PICOGRAD_TUNEDB</c> if set, else <see cref="DefaultPath"/>, or <see cref="FormerDefaultPath"/> where only that
    /// exists. Creates nothing.
    /// </summary>
    /// <exception cref="TuneDbException">
    /// The address is blank, holds a null character or names an unknown provider.
    /// </exception>
    public static string Resolve(string? explicitAddress = null)
    {
        if (explicitAddress is not null)
        {
            return TuneAddress.Full(explicitAddress, "the address of the tune database");
        }

        var fromEnvironment = Environment.GetEnvironmentVariable(EnvironmentVariable);
        return !string.IsNullOrEmpty(fromEnvironment) ? TuneAddress.Full(fromEnvironment, EnvironmentVariable)
            : !File.Exists(DefaultPath) && File.Exists(FormerDefaultPath) ? Path.GetFullPath(FormerDefaultPath)
            : Path.GetFullPath(DefaultPath);
    }

    /// <summary>True when nothing was named, so that the file in the data folder is used.</summary>
    public static bool IsDefault(string? explicitAddress = null) =>
        explicitAddress is null && string.IsNullOrEmpty(Environment.GetEnvironmentVariable(EnvironmentVariable));

    private static string InDataFolder(string name) =>
        Path.Combine(
            Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData,
                Environment.SpecialFolderOption.DoNotVerify
            ),
            "picograd",
            name
        );
}
