using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Picograd.TuneDb.LiteDb;

/// <summary>A file as far as pages need it. Tests put one in its place that is cut off at any write.</summary>
internal abstract class PageDevice : IDisposable
{
    public abstract long Length { get; }

    /// <summary>Reads up to the whole span; returns how many bytes there were.</summary>
    public abstract int Read(long offset, Span<byte> bytes);

    public abstract void Write(long offset, ReadOnlySpan<byte> bytes);

    public abstract void SetLength(long length);

    /// <summary>Returns when all that was written is on the medium.</summary>
    public abstract void Flush();

    /// <summary>Returns when it is on the medium that there is this file.</summary>
    public virtual void FlushFolder() { }

    public abstract void Dispose();
}

/// <summary>
/// An open file and its lock: exclusive for writing, shared for reading. The lock is .NET's own of an open file (flock on Unix,
/// share modes on Windows): the system releases it when a process ends, however it ends.
/// </summary>
internal sealed class LockedFile : PageDevice
{
    private const int WindowsSharingViolation = unchecked((int)0x80070020);
    private readonly SafeFileHandle _handle;

    private readonly string _path;

    private LockedFile(SafeFileHandle handle, string path) => (_handle, _path) = (handle, path);

    public override long Length => RandomAccess.GetLength(_handle);

    /// <summary>Opens and locks; null when another process holds the file for longer than the time-out.</summary>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be opened.</exception>
    public static LockedFile? Open(string path, bool write, TimeSpan timeout)
    {
        long began = Environment.TickCount64;
        while (true)
        {
            try
            {
                return new LockedFile(
                    write
                        ? File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None)
                        : File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read),
                    path
                );
            }
            catch (IOException e) when (IsHeld(e))
            {
                if (Environment.TickCount64 - began >= timeout.TotalMilliseconds)
                {
                    return null;
                }

                Thread.Sleep(1);
            }
        }
    }

    /// <summary>Whether a second exclusive opening is refused, as it must be. Some network file systems have no locks.</summary>
    public static bool LocksHold(string path)
    {
        try
        {
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
            return false;
        }
        catch (IOException e) when (IsHeld(e))
        {
            return true;
        }
    }

    /// <summary>
    /// Lets go of the lock and stays open, so that reading keeps nobody from writing; returns whether that can be done here.
    /// </summary>
    public bool Unlock()
    {
        const int Release = 8;
        return !OperatingSystem.IsWindows() && Lock(_handle, Release) == 0;
    }

    public override int Read(long offset, Span<byte> bytes)
    {
        var read = 0;
        while (read < bytes.Length && RandomAccess.Read(_handle, bytes[read..], offset + read) is > 0 and var count)
        {
            read += count;
        }

        return read;
    }

    public override void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        const int TooLarge = 27;
        try
        {
            RandomAccess.Write(_handle, bytes, offset);
        }
        catch (ArgumentOutOfRangeException e)
        {
            // Thus .NET tells that the file would grow beyond what the user's limits or the file system allow.
            throw new IOException(e.Message, TooLarge);
        }
    }

    public override void SetLength(long length) => RandomAccess.SetLength(_handle, length);

    public override void Flush() => RandomAccess.FlushToDisk(_handle);

    public override void FlushFolder() => WholeFile.FlushFolder(_path);

    public override void Dispose() => _handle.Dispose();

    // The call with which .NET locks, under its name in .NET's own library.
    [DllImport("libSystem.Native", EntryPoint = "SystemNative_FLock", SetLastError = true)]
    private static extern int Lock(SafeFileHandle file, int operation);

    /// <summary>Whether a file could not be opened because another has it open.</summary>
    public static bool IsHeld(IOException e) =>
        // EAGAIN of Linux and of macOS.
        OperatingSystem.IsWindows()
            ? e.HResult == WindowsSharingViolation
            : e.HResult is 11 or 35;
}
