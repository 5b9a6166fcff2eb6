using Picograd.Algorithms.Operators;

namespace Picograd.Tests.Rules;

/// <summary>
/// Legal instances of an operator of any size: one dimension in the thousands or millions, at the limits of grids and of 32
/// bits, the others small, odd or whole tiles; any flags and types. They are for compiling, not for running.
/// </summary>
internal static class LargeSpecs
{
    private static readonly long[] Small =
    [
        1,
        2,
        3,
        5,
        7,
        8,
        16,
        17,
        24,
        31,
        32,
        33,
        48,
        49,
        64,
        65,
        96,
        100,
        127,
        128,
        130,
        200,
        256,
        257,
        512,
        768,
    ];

    private static readonly long[] Large =
    [
        1_000,
        1_024,
        4_096,
        50_257,
        65_535,
        65_536,
        65_537,
        100_000,
        300_000,
        1_000_003,
        16_777_216,
        100_000_007,
    ];

    /// <summary>As many different ones as asked for; fewer where the operator refuses most.</summary>
    public static IEnumerable<OperatorSpec> Of(OperatorDefinition definition, int count, int seed)
    {
        var example = OperatorSpec.Parse(definition.Example);
        var random = new Random(seed);
        var seen = new HashSet<OperatorSpec>();
        for (int attempt = 0; attempt < 30 * count && seen.Count < count; attempt++)
        {
            OperatorSpec spec;
            try
            {
                spec = OperatorSpec.Of(definition.Name, Draw(definition, example, random));
            }
            catch (OperatorSpecException)
            {
                continue;
            }
            if (seen.Add(spec))
                yield return spec;
        }
    }

    private static (string, string)[] Draw(OperatorDefinition definition, OperatorSpec example, Random random)
    {
        var pairs = new List<(string, string)>();
        int dimensions = definition.Keys.Count(k => k.Kind == KeyKind.Dimension);
        int large = random.Next(3) == 0 ? -1 : random.Next(Math.Max(1, dimensions));
        long[] shape = [.. Enumerable.Range(0, random.Next(1, 5)).Select(_ => Pick(Small, random))];
        if (random.Next(2) == 0)
            shape[random.Next(shape.Length)] = Pick(Large, random);
        // Operators with two ways of saying a shape: the one or the other.
        bool two = definition.Keys.Any(k => k.Optional && k.Kind == KeyKind.Shape);
        bool general = two && random.Next(2) == 0;
        int dimension = -1;
        foreach (var key in definition.Keys)
        {
            dimension += key.Kind == KeyKind.Dimension ? 1 : 0;
            if (key.Optional && two)
            {
                if (key.Kind is KeyKind.Shape or KeyKind.List != general)
                    continue;
            }
            else if (!example.Has(key.Name) || (key.Default is not null && random.Next(2) == 0 && key.Name != "axis"))
            {
                continue;
            }
            pairs.Add((key.Name, Value(key, random, dimension == large, shape)));
        }
        return [.. pairs];
    }

    private static string Value(OperatorKey key, Random random, bool large, long[] shape) =>
        key.Kind switch
        {
            KeyKind.Dimension => $"{Pick(large ? Large : Small, random)}",
            KeyKind.Flag => $"{random.Next(2)}",
            KeyKind.Choice => key.Choices[random.Next(key.Choices.Length)],
            KeyKind.Shape when key.Name == "shape" => string.Join('x', shape),
            KeyKind.Shape => string.Join('x', shape.Select(e => random.Next(4) == 0 ? 1 : e)),
            KeyKind.Real => "0.125",
            _ when key.Default is not null => $"{random.Next(1, 3)}",
            _ when key.Name == "strides" => string.Join(',', Strides(shape)),
            _ => string.Join(',', Axes(shape, random)),
        };

    private static IEnumerable<int> Axes(long[] shape, Random random)
    {
        int[] axes = [.. Enumerable.Range(0, shape.Length).Where(_ => random.Next(2) == 0)];
        return axes.Length == 0 ? [random.Next(shape.Length)] : axes;
    }

    private static long[] Strides(long[] shape)
    {
        var strides = new long[shape.Length];
        long step = 1;
        for (int d = shape.Length - 1; d >= 0; d--)
        {
            strides[d] = step;
            step *= shape[d];
        }
        return strides;
    }

    private static long Pick(long[] from, Random random) => from[random.Next(from.Length)];
}
