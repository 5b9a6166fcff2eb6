namespace Picograd;

/// <summary>Files that are there as a whole or not at all: written beside their place, and moved there when they are complete.</summary>
internal static class FileBeside
{
    private static int s_made;

    /// <summary>Writes a file. Where that fails, what was in its place is as before.</summary>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string beside = $"{path}.{Environment.ProcessId}.{Interlocked.Increment(ref s_made)}.tmp";
        try
        {
            using (var file = new FileStream(beside, FileMode.Create, FileAccess.Write))
            {
                write(file);
                file.Flush(flushToDisk: true);
            }
            File.Move(beside, path, overwrite: true);
        }
        catch
        {
            File.Delete(beside);
            throw;
        }
    }
}
