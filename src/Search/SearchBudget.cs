using System.Globalization;

namespace Picograd.Search;

/// <summary>How much a search may spend: wall-clock time or timed candidates, whichever is given.</summary>
public sealed record SearchBudget
{
    private const string Forms = "a number of seconds (30s), minutes (5m) or timed candidates (200trials)";

    private SearchBudget(TimeSpan? time, int? trials)
    {
        Time = time;
        Trials = trials;
    }

    public TimeSpan? Time { get; }

    /// <summary>Candidates that may be sent to the hardware.</summary>
    public int? Trials { get; }

    public static SearchBudget Seconds(double seconds) => new(TimeSpan.FromSeconds(seconds), null);

    public static SearchBudget Of(int trials) => new(null, trials);

    /// <summary>Reads <c>30s</c>, <c>500ms</c>, <c>5m</c>, <c>1h</c> or <c>200trials</c>.</summary>
    /// <exception cref="FormatException">Says what was given and what is allowed.</exception>
    public static SearchBudget Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string trimmed = text.Trim();
        int letters = trimmed.Length;
        while (letters > 0 && char.IsAsciiLetter(trimmed[letters - 1]))
            letters--;
        string number = trimmed[..letters].TrimEnd();
        string unit = trimmed[letters..];
        if (
            !double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            || !double.IsFinite(value)
        )
            throw new FormatException($"budget '{text}' is malformed; allowed is {Forms}");
        if (unit is "trials" or "trial")
        {
            if (value < 1 || value > int.MaxValue || value != Math.Floor(value))
                throw new FormatException($"budget '{text}': the number of trials must be a whole number from 1");
            return Of((int)value);
        }
        double seconds = unit switch
        {
            "ms" => value / 1000,
            "s" => value,
            "m" or "min" => value * 60,
            "h" => value * 3600,
            "" => throw new FormatException($"budget '{text}' has no unit; allowed is {Forms}"),
            _ => throw new FormatException($"budget '{text}' has the unit '{unit}'; allowed is {Forms}"),
        };
        if (seconds <= 0 || seconds > 30 * 24 * 3600.0)
            throw new FormatException($"budget '{text}' must be more than nothing and at most 30 days");
        return Seconds(seconds);
    }

    /// <summary>A part of it: at least one trial.</summary>
    public SearchBudget Share(double fraction) =>
        Time is { } time
            ? new(time * fraction, null)
            : new(null, Math.Max(1, (int)Math.Round(Trials!.Value * fraction)));

    public override string ToString() =>
        Time is { } time
            ? time.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture) + "s"
            : Trials!.Value.ToString(CultureInfo.InvariantCulture) + "trials";
}
