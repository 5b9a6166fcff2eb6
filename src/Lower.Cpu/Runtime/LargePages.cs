using System.Runtime.InteropServices;

namespace Picograd.Lower.Cpu.Runtime;

/// <summary>
/// Asks Linux to back memory with 2 MiB pages, which saves address-translation misses on large tensors. Only advice: where
/// the system has no such call, or declines, memory works the same.
/// </summary>
internal static unsafe partial class LargePages
{
    private const int MadvHugePage = 14; // MADV_HUGEPAGE, linux/mman-common.h

    private static bool s_available = OperatingSystem.IsLinux();

    /// <summary>Advises the range [<paramref name="address"/>, + <paramref name="bytes"/>), page aligned at its start.</summary>
    public static void Advise(nint address, long bytes)
    {
        if (!s_available)
        {
            return;
        }
        try
        {
            // A non-zero result means that the kernel was built without large pages; there is nothing to do about it.
            _ = MemoryAdvise((void*)address, (nuint)bytes, MadvHugePage);
        }
        catch (Exception missing) when (missing is DllNotFoundException or EntryPointNotFoundException)
        {
            s_available = false;
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MemoryAdvise(void* address, nuint length, int advice);
}
