using System.Globalization;

namespace Picograd.Lower.Cpu.Machine;

/// <summary>Cache sizes of the first core, in bytes; 0 for a level 3 that does not exist.</summary>
internal sealed record CacheSizes(long L1, long L2, long L3)
{
    private const string LinuxFolder = "/sys/devices/system/cpu/cpu0/cache";

    /// <summary>The sizes of a common small machine, where the system does not tell.</summary>
    public static readonly CacheSizes Fallback = new(32 << 10, 512 << 10, 8 << 20);

    /// <summary>Reads them from Linux's /sys; anywhere else, or where it says nothing, <see cref="Fallback"/>.</summary>
    public static CacheSizes Read() => Read(LinuxFolder);

    internal static CacheSizes Read(string folder)
    {
        var sizes = new Dictionary<int, long>();
        try
        {
            if (Directory.Exists(folder))
            {
                foreach (string index in Directory.GetDirectories(folder, "index*"))
                {
                    string kind = File.ReadAllText(Path.Combine(index, "type")).Trim();
                    string level = File.ReadAllText(Path.Combine(index, "level")).Trim();
                    string size = File.ReadAllText(Path.Combine(index, "size")).Trim();
                    if (kind != "Instruction" && int.TryParse(level, out int number) && ParseSize(size) is { } bytes)
                    {
                        sizes[number] = bytes;
                    }
                }
            }
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            // A container may hide these files; the fallback is right enough for a cost model.
            sizes.Clear();
        }
        if (!sizes.TryGetValue(1, out long l1))
        {
            return Fallback;
        }
        return new CacheSizes(l1, sizes.GetValueOrDefault(2, Fallback.L2), sizes.GetValueOrDefault(3, 0));
    }

    /// <summary>Reads "48K", "1024K", "32M" or plain bytes; null for anything else.</summary>
    internal static long? ParseSize(string text)
    {
        long unit =
            text.Length == 0
                ? 1
                : char.ToUpperInvariant(text[^1]) switch
                {
                    'K' => 1L << 10,
                    'M' => 1L << 20,
                    'G' => 1L << 30,
                    _ => 1,
                };
        string digits = unit == 1 ? text : text[..^1];
        return
            long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long number)
            && number is > 0 and < 1 << 30
            ? number * unit
            : null;
    }
}
