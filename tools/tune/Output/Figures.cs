using System.Globalization;

namespace Picograd.Tune;

/// <summary>Numbers as people read them: about three digits that mean something.</summary>
internal static class Figures
{
    /// <summary>A time with its unit: 12.3 µs, 4.56 ms, 1.23 s.</summary>
    public static string Time(double milliseconds) =>
        milliseconds switch
        {
            _ when double.IsNaN(milliseconds) => "-",
            < 0.001 => $"{Number(milliseconds * 1e6)} ns",
            < 1 => $"{Number(milliseconds * 1e3)} µs",
            < 1000 => $"{Number(milliseconds)} ms",
            _ => $"{Number(milliseconds / 1e3)} s",
        };

    /// <summary>A count: 12,345.</summary>
    public static string Count(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>At least three significant digits.</summary>
    public static string Number(double value)
    {
        double size = Math.Abs(value);
        string format =
            size >= 100 ? "0"
            : size >= 10 ? "0.0"
            : "0.00";
        return value.ToString(format, CultureInfo.InvariantCulture);
    }

    /// <summary>A round number on an axis: 0.05, 20, 5000, 1e-6.</summary>
    public static string Tick(double value) => value.ToString("G3", CultureInfo.InvariantCulture);

    /// <summary>A ratio: 3.21x.</summary>
    public static string Ratio(double value) => double.IsFinite(value) ? Number(value) + "x" : "-";

    public static string Percent(double share) =>
        double.IsFinite(share) ? (100 * share).ToString("0", CultureInfo.InvariantCulture) + " %" : "-";

    /// <summary>48 KiB, 1 MiB.</summary>
    public static string Bytes(long bytes) =>
        bytes switch
        {
            >= 1L << 30 => $"{Number(bytes / (double)(1L << 30))} GiB",
            >= 1 << 20 => $"{Number(bytes / (double)(1 << 20))} MiB",
            >= 1 << 10 => $"{Number(bytes / 1024.0)} KiB",
            _ => $"{bytes} bytes",
        };

    public static string Moment(DateTime utc) => utc.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
