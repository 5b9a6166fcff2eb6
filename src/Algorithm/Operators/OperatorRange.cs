using System.Collections.Immutable;
using System.Globalization;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// An operator instance some of whose dimensions have any value within bounds: <c>softmax rows=1..4096 cols=768</c>, measured at a
/// value between them, about the middle of their logarithms, or where <c>rows=1..4096@512</c> says; there at the next prime, so that no
/// schedule that is found rests on a factor.
/// </summary>
public sealed class OperatorRange
{
    private const long LongerThanTiles = 131;

    private readonly OperatorSpec _point;
    private readonly ImmutableArray<string> _keys;

    private OperatorRange(
        OperatorSpec point,
        ImmutableArray<string> keys,
        ImmutableArray<Parameter> parameters,
        string text
    )
    {
        _point = point;
        _keys = keys;
        Text = text;
        Point = [.. keys.Select(point.Dim)];
        Algorithm = point.BuildOpen(
            keys.Zip(parameters).ToImmutableDictionary(p => p.First, p => ImmutableArray.Create<Expr>(p.Second)),
            parameters
        );
    }

    /// <summary>The text form, ranges included.</summary>
    public string Text { get; }

    /// <summary>The algorithm over symbolic extents.</summary>
    public Algorithm Algorithm { get; }

    /// <summary>The values at which it is measured, in the order of the algorithm's parameters.</summary>
    public ImmutableArray<long> Point { get; }

    /// <summary>Whether a text form has ranges.</summary>
    public static bool IsRange(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return text.Contains("..", StringComparison.Ordinal);
    }

    /// <summary>Reads a text form with ranges.</summary>
    /// <exception cref="OperatorSpecException">A malformed range, or of a key that cannot have one; else as for an instance.</exception>
    public static OperatorRange Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string[] parts = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        var (keys, parameters) = (new List<string>(), new List<Parameter>());
        for (int i = 1; i < parts.Length; i++)
        {
            if (!IsRange(parts[i]))
                continue;
            string[] pair = parts[i].Split('=', 2);
            string[] bounds = pair[^1].Split("..", 2);
            string[] end = bounds[^1].Split('@', 2);
            if (
                pair.Length != 2
                || Whole(bounds[0]) is not (>= 1 and var min)
                || Whole(end[0]) is not { } max
                || max <= min
                || Whole(end.Length == 2 ? end[1] : bounds[0]) is not { } at
                || at < min
                || at > max
            )
            {
                throw new OperatorSpecException(
                    $"{parts[0]}: '{parts[i]}' is no range; write key=SMALLEST..LARGEST or key=SMALLEST..LARGEST@MEASURED, such as rows=1..4096@512"
                );
            }
            long point = PointOf(min, max, end.Length == 2 ? at : null);
            keys.Add(pair[0]);
            parameters.Add(new Parameter(new Var($"size.{pair[0]}"), min, max));
            parts[i] = string.Create(CultureInfo.InvariantCulture, $"{pair[0]}={point}");
        }
        var spec = OperatorSpec.Parse(string.Join(' ', parts));
        foreach (string key in keys)
        {
            if (
                spec.Definition.Keys.First(k => k.Name == key).Kind != KeyKind.Dimension
                || spec.Definition.Opens?.Invoke(spec, key) != true
            )
                throw new OperatorSpecException(
                    $"{spec.Name}: {key} cannot be a range; its algorithm needs a number there"
                );
        }
        var range = new OperatorRange(spec, [.. keys], [.. parameters], TextOf(spec, keys, parameters));
        // Sizes are checked where they are largest.
        range.At([.. parameters.Select(p => p.Max)]);
        range.At([.. parameters.Select(p => p.Min)]);
        return range;
    }

    /// <summary>The instance with values for the ranges.</summary>
    public OperatorSpec At(IReadOnlyList<long> extents)
    {
        ArgumentNullException.ThrowIfNull(extents);
        return OperatorSpec.Of(
            _point.Name,
            [
                .. _point
                    .Definition.Keys.Where(k => _point.Has(k.Name))
                    .Select(k =>
                        (
                            k.Name,
                            _keys.IndexOf(k.Name) is >= 0 and var i
                                ? extents[i].ToString(CultureInfo.InvariantCulture)
                                : _point.Choice(k.Name)
                        )
                    ),
            ]
        );
    }

    private static string TextOf(OperatorSpec spec, List<string> keys, List<Parameter> parameters) =>
        string.Join(
            ' ',
            spec.ToString()
                .Split(' ')
                .Select(word =>
                    keys.IndexOf(word.Split('=')[0]) is >= 0 and var i
                        ? string.Create(
                            CultureInfo.InvariantCulture,
                            $"{keys[i]}={parameters[i].Min}..{parameters[i].Max}@{spec.Dim(keys[i])}"
                        )
                        : word
                )
        );

    /// <summary>
    /// The prime next to a value, or to the middle of the logarithms of the bounds, though not to less than what schedules take at a
    /// time (of fewer they make no loop, and do not replay on more); if there is one within the bounds.
    /// </summary>
    public static long PointOf(long min, long max, long? near = null)
    {
        long middle = (long)Math.Round(Math.Sqrt((double)Math.Max(min, 1) * max));
        long at = Math.Clamp(near ?? Math.Max(middle, LongerThanTiles), min, max);
        // Primes lie so near one another that few are looked at.
        for (long away = 0; away <= 1000; away++)
        {
            if (at + away <= max && IsPrime(at + away))
                return at + away;
            if (at - away >= min && IsPrime(at - away))
                return at - away;
        }
        return at;
    }

    private static bool IsPrime(long n)
    {
        if (n < 2)
            return false;
        for (long d = 2; d * d <= n; d++)
        {
            if (n % d == 0)
                return false;
        }
        return true;
    }

    private static long? Whole(string text) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : null;
}
