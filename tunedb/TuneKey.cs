using System.Globalization;
using System.Text;
using Picograd.TuneDb.Text;

namespace Picograd.TuneDb;

/// <summary>
/// What a tuned schedule is looked up by. Two computations with equal keys may share a schedule; anything that could
/// change which schedule is best or whether it is valid belongs in here.
/// </summary>
/// <param name="Structure">Structural hash of the algorithm with its extents abstracted, in hexadecimal.</param>
/// <param name="Shapes">
/// The named extents in order: <c>m=256,n=3072,k=768</c>. An extent known only by its bound is <c>n&lt;=256</c>.
/// </param>
/// <param name="DTypes">Element types of inputs and outputs in order.</param>
/// <param name="Layouts">Memory layouts of inputs and outputs in order.</param>
/// <param name="Target">Fingerprint of the machine, thread count included.</param>
/// <param name="CompilerVersion">Version of the lowering that the time was measured with.</param>
/// <param name="Policy">Measurement policy, for instance <c>warm;threads=1</c>.</param>
public sealed record TuneKey(
    string Structure,
    string Shapes,
    string DTypes,
    string Layouts,
    string Target,
    string CompilerVersion,
    string Policy
)
{
    /// <summary>128-bit hash of <see cref="ToText"/>, 32 hexadecimal digits; the same on every machine.</summary>
    public string Hash => Digest.Short(ToText());

    /// <summary>Hash of everything but <see cref="Shapes"/>: keys with equal family hashes are near each other.</summary>
    public string FamilyHash => Digest.Short(Text(withShapes: false));

    /// <summary>The stable text form: one <c>name value</c> line a part, in the order of the parameters.</summary>
    public string ToText() => Text(withShapes: true);

    /// <summary>Parses <see cref="ToText"/>.</summary>
    /// <exception cref="FormatException">The text is not seven lines of the expected names in order.</exception>
    public static TuneKey Parse(string text)
    {
        var lines = text.Split('\n');
        if (lines.Length != Names.Length + 1 || lines[^1].Length != 0)
        {
            throw new FormatException(
                $"a key has {Names.Length} lines, each ended by a line feed, but this one has {lines.Length - 1}"
            );
        }

        var values = new string[Names.Length];
        for (var i = 0; i < Names.Length; i++)
        {
            var (name, value) = FieldLine.Split(lines[i]);
            if (name != Names[i])
            {
                throw new FormatException(
                    $"line {i + 1} of a key must begin with '{Names[i]}', but begins with '{name}'"
                );
            }

            values[i] = Escape.Read(value);
        }

        return new TuneKey(values[0], values[1], values[2], values[3], values[4], values[5], values[6]);
    }

    /// <summary>True when only <see cref="Shapes"/> may differ.</summary>
    public bool SameFamily(TuneKey other) => other with { Shapes = Shapes } == this;

    /// <summary>
    /// How far the extents lie apart: Σ |ln(aᵢ / bᵢ)| over the named extents, 0 for equal ones. Null when the two
    /// do not name the same extents in the same order, or when one cannot be read. An extent within the bound of another is not away
    /// from it.
    /// </summary>
    public double? LogDistance(TuneKey other) => LogDistance(Shapes, other.Shapes);

    internal static double? LogDistance(string shapes, string otherShapes)
    {
        if (!TryParseExtents(shapes, out var mine) || !TryParseExtents(otherShapes, out var others))
        {
            return null;
        }

        if (mine.Count != others.Count)
        {
            return null;
        }

        var distance = 0.0;
        for (var i = 0; i < mine.Count; i++)
        {
            var (one, other) = (mine[i], others[i]);
            if (one.Name.TrimEnd('<') != other.Name.TrimEnd('<'))
            {
                return null;
            }

            // What is within a bound is not away from it.
            var ratio = Math.Log((double)one.Extent / other.Extent);
            distance +=
                one.IsBound == other.IsBound ? Math.Abs(ratio)
                : one.IsBound ? Math.Max(0, -ratio)
                : Math.Max(0, ratio);
        }

        return distance;
    }

    /// <summary>
    /// Reads <c>m=256,n&lt;=3072</c> into its parts. The name of a bounded extent keeps a trailing <c>&lt;</c>, so that
    /// bounded and fixed extents are not mistaken for each other. The empty text has no extents.
    /// </summary>
    public static bool TryParseExtents(string shapes, out IReadOnlyList<NamedExtent> extents)
    {
        var list = new List<NamedExtent>();
        extents = list;
        if (shapes.Length == 0)
        {
            return true;
        }

        foreach (var part in shapes.Split(','))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (
                equals <= 0
                || !long.TryParse(
                    part.AsSpan(equals + 1),
                    NumberStyles.None,
                    CultureInfo.InvariantCulture,
                    out var extent
                )
                || extent <= 0
            )
            {
                return false;
            }

            list.Add(new NamedExtent(part[..equals], extent));
        }

        return true;
    }

    /// <summary>Lines of <see cref="ToText"/>.</summary>
    internal static int Lines => Names.Length;

    private static readonly string[] Names =
    [
        "structure",
        "shapes",
        "dtypes",
        "layouts",
        "target",
        "compiler",
        "policy",
    ];

    private string Text(bool withShapes)
    {
        var builder = new StringBuilder(256);
        AppendTo(builder, withShapes);
        return builder.ToString();
    }

    internal void AppendTo(StringBuilder builder, bool withShapes = true)
    {
        FieldLine.Append(builder, Names[0], Structure);
        if (withShapes)
        {
            FieldLine.Append(builder, Names[1], Shapes);
        }

        FieldLine.Append(builder, Names[2], DTypes);
        FieldLine.Append(builder, Names[3], Layouts);
        FieldLine.Append(builder, Names[4], Target);
        FieldLine.Append(builder, Names[5], CompilerVersion);
        FieldLine.Append(builder, Names[6], Policy);
    }
}

/// <summary>A named extent of a key; the name of one known by its bound only ends in <c>&lt;</c>.</summary>
public readonly record struct NamedExtent(string Name, long Extent)
{
    /// <summary>Whether the extent is known by its bound only.</summary>
    public bool IsBound => Name.EndsWith('<');
}
