using System.Globalization;

namespace Picograd.Dispatch.Online;

/// <summary>
/// What the environment variable PICOGRAD_TUNE asks for: <c>online</c>, or <c>online:0.5</c> with the share of one core that
/// tuning may take.
/// </summary>
/// <param name="Share">Of one core, on average; above 0, at most 1.</param>
internal sealed record OnlineSetting(double Share)
{
    public const string Variable = "PICOGRAD_TUNE";

    /// <summary>Names the program <c>tune</c> where it is not the user's global tool.</summary>
    public const string ToolVariable = "PICOGRAD_TUNE_TOOL";

    private const double StandardShare = 0.25;
    private const string Word = "online";

    /// <summary>The setting of this process; null for none, or for one that is wrong, which is told.</summary>
    public static OnlineSetting? OfEnvironment { get; } = Read();

    /// <summary>Reads a value of the variable: the setting, or what is wrong with it, or neither where it is not set.</summary>
    public static (OnlineSetting? Setting, string? Problem) Parse(string? text)
    {
        text = text?.Trim();
        if (string.IsNullOrEmpty(text) || text == "off")
            return (null, null);
        if (text == Word)
            return (new OnlineSetting(StandardShare), null);
        return
            text.StartsWith(Word + ":", StringComparison.Ordinal)
            && double.TryParse(
                text[(Word.Length + 1)..],
                NumberStyles.AllowDecimalPoint,
                CultureInfo.InvariantCulture,
                out double share
            )
            && share is >= 0.01 and <= 1
            ? (new OnlineSetting(share), null)
            : (
                null,
                $"{Variable} is '{text}', but must be off, online, or online:SHARE with the share of one core from 0.01 to 1; "
                    + "nothing is tuned meanwhile."
            );
    }

    private static OnlineSetting? Read()
    {
        var (setting, problem) = Parse(Environment.GetEnvironmentVariable(Variable));
        if (problem is not null)
            Dispatcher.OnWarning(problem);
        return setting;
    }
}
