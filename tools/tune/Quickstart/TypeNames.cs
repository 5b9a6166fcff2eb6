namespace Picograd.Tune;

/// <summary>Text that every machine with .NET has: the names of the public types of its libraries, in lower case.</summary>
internal static class TypeNames
{
    private const int Shortest = 3;
    private const int Longest = 24;

    /// <summary>Distinct names of letters a to z only, in ordinal order: some thousands.</summary>
    public static IReadOnlyList<string> All()
    {
        // One type of each library, so that the list does not depend on what else this process has loaded.
        Type[] libraries =
        [
            typeof(object),
            typeof(System.Linq.Expressions.Expression),
            typeof(System.Xml.XmlReader),
            typeof(System.Data.DataTable),
            typeof(System.Net.Http.HttpClient),
            typeof(System.Net.Sockets.Socket),
            typeof(System.Text.Json.JsonDocument),
            typeof(System.Security.Cryptography.X509Certificates.X509Certificate),
            typeof(System.Reflection.Metadata.MetadataReader),
        ];
        return
        [
            .. libraries
                .SelectMany(l => l.Assembly.GetExportedTypes())
                // Generic types end in a mark and the number of their parameters.
                .Select(t => t.Name.Split('`')[0].ToLowerInvariant())
                .Where(n => n.Length is >= Shortest and <= Longest && n.All(char.IsAsciiLetterLower))
                .Distinct()
                .Order(StringComparer.Ordinal),
        ];
    }
}
