using System.Globalization;
using Picograd.Algorithms.Operators;

namespace Picograd.Algorithms.Text;

/// <summary>What an input holds, in words behind its declaration.</summary>
internal static class DomainText
{
    public const string Below = "below";

    public static IReadOnlyDictionary<string, InputDomain> Words { get; } =
        new Dictionary<string, InputDomain>
        {
            ["positive"] = InputDomain.Positive,
            ["negative"] = InputDomain.Negative,
            ["nonzero"] = InputDomain.NonZero,
            ["unit"] = InputDomain.Unit,
            ["above_one"] = InputDomain.AboveOne,
            ["above_minus_one"] = InputDomain.AboveMinusOne,
            ["probability"] = InputDomain.Probability,
        };

    /// <summary>positive, negative, nonzero, unit, above_one, above_minus_one, probability, below 27; empty for any numbers.</summary>
    public static string Of(InputDomain domain) =>
        domain.Kind switch
        {
            DomainKind.Any => "",
            DomainKind.Index => string.Create(CultureInfo.InvariantCulture, $"{Below} {domain.Limit}"),
            _ => Words.First(w => w.Value == domain).Key,
        };
}
