using System.Collections.Immutable;
using System.Globalization;

namespace Picograd.Algorithms.Operators;

public enum KeyKind
{
    /// <summary>A number of elements, 1 to 2^40.</summary>
    Dimension,

    /// <summary>0 or 1.</summary>
    Flag,

    /// <summary>One of a few words.</summary>
    Choice,

    /// <summary>Extents separated by x: 32x200.</summary>
    Shape,

    /// <summary>Whole numbers separated by commas: 0,2.</summary>
    List,

    /// <summary>Names of buffers separated by commas: X,W.</summary>
    Names,

    /// <summary>A finite number: 1E-05.</summary>
    Real,
}

/// <summary>One key of an operator's text form. Without a default it must be given, unless it is optional.</summary>
public sealed record OperatorKey(string Name, KeyKind Kind, string Doc)
{
    /// <summary>Largest value of a dimension.</summary>
    public const long LargestDimension = 1L << 40;

    /// <summary>Most dimensions of a tensor in a specification.</summary>
    public const int LargestRank = 6;

    public string? Default { get; init; }

    public bool Optional { get; init; }

    public ImmutableArray<string> Choices { get; init; } = [];

    public static OperatorKey Dimension(string name, string doc) => new(name, KeyKind.Dimension, doc);

    public static OperatorKey Flag(string name, string doc) => new(name, KeyKind.Flag, doc) { Default = "0" };

    /// <summary>The first choice is the default.</summary>
    public static OperatorKey Choice(string name, string doc, params ReadOnlySpan<string> choices) =>
        new(name, KeyKind.Choice, doc) { Choices = [.. choices], Default = choices[0] };

    /// <summary>Whole numbers, one for all or one for each.</summary>
    public static OperatorKey Numbers(string name, string doc, string by) =>
        new(name, KeyKind.List, doc) { Default = by };

    /// <summary>A finite number.</summary>
    public static OperatorKey Real(string name, string doc, double by) =>
        new(name, KeyKind.Real, doc) { Default = by.ToString("R", CultureInfo.InvariantCulture) };

    /// <summary>The key <c>dtype</c>; the first type is the default.</summary>
    public static OperatorKey Types(ImmutableArray<DType> types) => Types(types.AsSpan());

    public static OperatorKey Types(params ReadOnlySpan<DType> types)
    {
        var names = new string[types.Length];
        for (int i = 0; i < names.Length; i++)
            names[i] = types[i].Name();
        return Choice("dtype", "element type", names);
    }

    /// <summary>What a value may be, in words.</summary>
    public string Allowed =>
        Kind switch
        {
            KeyKind.Dimension => $"a whole number from 1 to {LargestDimension}",
            KeyKind.Flag => "0 or 1",
            KeyKind.Choice => $"one of {string.Join(", ", Choices)}",
            KeyKind.Shape => $"1 to {LargestRank} extents separated by x, such as 32x200",
            KeyKind.Names => "names separated by commas, such as X,W",
            KeyKind.Real => "a finite number, such as 1E-05",
            _ => "whole numbers separated by commas, such as 0,2",
        };

    /// <summary>The canonical text of a value; refuses what is not allowed, naming the operator and the key.</summary>
    public string Normalize(string @operator, string text)
    {
        switch (Kind)
        {
            case KeyKind.Dimension:
                return Extent(@operator, text, text).ToString(CultureInfo.InvariantCulture);
            case KeyKind.Flag when text is "0" or "1":
            case KeyKind.Choice when Choices.Contains(text):
                return text;
            case KeyKind.Shape:
                string[] extents = text.Split('x');
                if (extents.Length > LargestRank)
                    throw Refuse(@operator, text, $"has {extents.Length} dimensions");
                return string.Join('x', extents.Select(e => Extent(@operator, e, text)));
            case KeyKind.Names:
                string[] names = text.Split(',');
                if (names.FirstOrDefault(n => n.Length == 0 || names.Count(m => m == n) > 1) is { } odd)
                    throw Refuse(@operator, text, odd.Length == 0 ? "has an empty name" : $"has {odd} twice");
                return text;
            case KeyKind.Real:
                return
                    double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double real)
                    && double.IsFinite(real)
                    ? (real == 0 ? 0 : real).ToString("R", CultureInfo.InvariantCulture)
                    : throw Refuse(@operator, text, "is not a finite number");
            case KeyKind.List:
                return string.Join(',', text.Split(',').Select(e => Number(@operator, e, text)));
            default:
                throw Refuse(@operator, text, "is not allowed");
        }
    }

    private long Extent(string @operator, string text, string whole)
    {
        if (!long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value))
        {
            bool digits = text.Length > 0 && text.TrimStart('-').All(char.IsAsciiDigit) && text != "-";
            throw Refuse(@operator, whole, digits ? "is too large" : "is not a whole number");
        }
        return value switch
        {
            < 0 => throw Refuse(@operator, whole, "is negative"),
            0 => throw Refuse(@operator, whole, "is zero"),
            > LargestDimension => throw Refuse(@operator, whole, "is too large"),
            _ => value,
        };
    }

    private long Number(string @operator, string text, string whole) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value <= 1L << 40
            ? value
            : throw Refuse(@operator, whole, "is not a whole number of at most 2^40");

    private OperatorSpecException Refuse(string @operator, string text, string why) =>
        new($"{@operator}: {Name}={text} {why}{Meant(text)}; allowed: {Allowed}");

    // Types also go by the names that PyTorch, NumPy and C# have for them.
    private string Meant(string text)
    {
        if (Kind != KeyKind.Choice)
            return "";
        return DTypes.Parse(text) is { } type && Choices.Contains(type.Name())
            ? Spelling.Hint([type.Name()])
            : Spelling.Hint(text, Choices);
    }
}
