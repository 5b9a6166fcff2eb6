using System.Text;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary>Files that the user names.</summary>
internal static class TextFile
{
    // Files of operators and traces have some thousand.
    private const int MostBytes = 16 << 20;

    /// <summary>Reads a whole text in UTF-8.</summary>
    /// <param name="argument">How the command line calls the file.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="UsageException">It cannot be read, or is not text.</exception>
    public static string Read(string argument, string path)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new UsageException($"{argument} is empty, but must name a text file.");
        if (Directory.Exists(path))
            throw new UsageException($"{argument} '{path}' is a folder, but must be a text file.");
        if (RegularFile.Problem(path) is { } clause)
            throw new UsageException($"{argument} '{path}' {clause}.");
        byte[] bytes;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MostBytes and var length })
                throw new UsageException(
                    $"{argument} '{path}' has {length} bytes, but may have {MostBytes}: it is no list of operators and no trace."
                );
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            string why = e is FileNotFoundException or DirectoryNotFoundException
                ? "there is no such file"
                : e.Message.TrimEnd('.');
            throw new UsageException($"{argument} '{path}' cannot be read: {why}.", e);
        }
        try
        {
            string text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes).TrimStart('\uFEFF');
            return text.Any(c => char.IsControl(c) && c is not ('\n' or '\r' or '\t'))
                ? throw new UsageException($"{argument} '{path}' is not text: it has control characters.")
                : text;
        }
        catch (DecoderFallbackException e)
        {
            throw new UsageException($"{argument} '{path}' is not text in UTF-8.", e);
        }
    }
}
