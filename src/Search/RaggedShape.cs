using Picograd.Algorithms.Operators;

namespace Picograd.Search;

/// <summary>Shapes whose extents tiles do not divide, for checking a schedule where dispatch may replay it.</summary>
public static class RaggedShape
{
    /// <summary>
    /// What one run may compute. A replayed schedule can be fifty times slower where its tiles overhang (a product of 2047³
    /// took 4 s on the schedule of 2048³), and the check of one shape should not take longer than all the others.
    /// </summary>
    private const double MostFlops = 5e8;

    /// <summary>What its arguments may take.</summary>
    private const long MostBytes = 128L << 20;

    /// <summary>
    /// The same operator with every dimension above 2 one less; where that is large, with its largest dimensions halved and
    /// odd. Null where there is none or keys forbid it.
    /// </summary>
    public static OperatorSpec? Near(OperatorSpec spec)
    {
        var near = With(spec, e => e > 2 ? e - 1 : e);
        while (near is not null && (near.Flops > MostFlops || near.MinBytes > MostBytes))
        {
            long largest = Extents(near).DefaultIfEmpty(0).Max();
            if (largest <= 3 || With(near, e => e == largest ? (e / 2) | 1 : e) is not { } half || half.Equals(near))
                break;
            near = half;
        }
        return spec.Equals(near) ? null : near;
    }

    private static IEnumerable<long> Extents(OperatorSpec spec) =>
        spec
            .Definition.Keys.Where(k => spec.Has(k.Name))
            .SelectMany(k =>
                k.Kind switch
                {
                    KeyKind.Dimension => [spec.Dim(k.Name)],
                    KeyKind.Shape => spec.Shape(k.Name).AsEnumerable(),
                    _ => [],
                }
            );

    private static OperatorSpec? With(OperatorSpec spec, Func<long, long> extent)
    {
        var pairs = new List<(string, string)>();
        foreach (var key in spec.Definition.Keys.Where(k => spec.Has(k.Name)))
        {
            string text = key.Kind switch
            {
                KeyKind.Dimension => FormattableString.Invariant($"{extent(spec.Dim(key.Name))}"),
                KeyKind.Shape => string.Join('x', spec.Shape(key.Name).Select(extent)),
                _ => spec.Choice(key.Name),
            };
            pairs.Add((key.Name, text));
        }
        try
        {
            return OperatorSpec.Of(spec.Name, [.. pairs]);
        }
        catch (OperatorSpecException)
        {
            // Keys that constrain one another (a product of extents, say): there is no such neighbour.
            return null;
        }
    }
}
