using System.Runtime.InteropServices;

namespace Picograd.TuneDb;

/// <summary>
/// Tells files from what only looks like one. Opening a named pipe waits for its other end, and a device may have no
/// end, so files that a user or an environment names are looked at first.
/// </summary>
public static class RegularFile
{
    private const int FileTypeMask = 0xF000;

    /// <summary>
    /// What is at the path (links followed), as a clause such as <c>is a pipe</c>; null for a regular file, for a folder and
    /// where there is nothing.
    /// </summary>
    public static string? Problem(string path) =>
        TypeOf(path) switch
        {
            FileType.Pipe => "is a pipe, but must be a regular file",
            FileType.Device => "is a device, but must be a regular file",
            FileType.Socket => "is a socket, but must be a regular file",
            _ => null,
        };

    /// <summary>
    /// The file that writing to the path would change: the end of a chain of links, else the path itself. It need not exist.
    /// </summary>
    /// <exception cref="IOException">The links lead in a circle.</exception>
    public static string Target(string path) =>
        new FileInfo(path).LinkTarget is null
            ? Path.GetFullPath(path)
            : File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);

    private enum FileType
    {
        None,
        Regular,
        Folder,
        Pipe,
        Device,
        Socket,
    }

    // The numbers are those that .NET's own library translates every system's to.
    private static FileType TypeOf(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return path.StartsWith(@"\\.\", StringComparison.Ordinal) ? FileType.Device : FileType.Regular;
        }

        if (Stat(path, out var status) != 0)
        {
            return FileType.None;
        }

        return (status.Mode & FileTypeMask) switch
        {
            0x1000 => FileType.Pipe,
            0x2000 or 0x6000 => FileType.Device,
            0x4000 => FileType.Folder,
            0xC000 => FileType.Socket,
            _ => FileType.Regular,
        };
    }

    // Larger than any version of the structure has been.
    [StructLayout(LayoutKind.Explicit, Size = 512)]
    private struct FileStatus
    {
        [FieldOffset(4)]
        public int Mode;
    }

    [DllImport("libSystem.Native", EntryPoint = "SystemNative_Stat", SetLastError = true)]
    private static extern int Stat([MarshalAs(UnmanagedType.LPUTF8Str)] string path, out FileStatus status);
}
