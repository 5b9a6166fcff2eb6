using Picograd.Algorithms;
using Picograd.Algorithms.Operators;

namespace Picograd.Tests.Codegen;

/// <summary>Instances of an operator with odd, prime, one-sized and whole-vector dimensions, and any flags and types.</summary>
internal static class RandomSpecs
{
    private static readonly long[] Sizes = [1, 2, 3, 4, 5, 7, 8, 11, 13, 16, 17, 19, 31, 32, 33, 37, 48, 64, 67];
    private static readonly long[] Lengths = [1, 3, 7, 8, 16, 17, 31, 63, 64, 65, 127, 257, 1031, 4096, 4099, 8209];

    /// <summary>The example, then what is drawn; fewer where the operator refuses most.</summary>
    public static IEnumerable<OperatorSpec> Of(OperatorDefinition definition, int count, int seed)
    {
        var example = OperatorSpec.Parse(definition.Example);
        yield return example;
        var random = new Random(seed);
        var seen = new HashSet<OperatorSpec> { example };
        for (int attempt = 0; attempt < 20 * count && seen.Count <= count; attempt++)
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
            if (seen.Add(spec) && !IsLarge(spec))
                yield return spec;
        }
    }

    // Dozens of millions of steps, as of filters with three large dimensions, take the evaluator most of a minute.
    private static bool IsLarge(OperatorSpec spec) =>
        spec.Build().Stages.Any(s => s.Axes.Aggregate(1.0, (n, a) => n * ((a.Extent as IntImm)?.Value ?? 1)) > 1 << 23)
        || spec.Build().Inputs.Any(b => b.Shape.Aggregate(1.0, (n, e) => n * ((e as IntImm)?.Value ?? 1)) > 1 << 21);

    private static (string, string)[] Draw(OperatorDefinition definition, OperatorSpec example, Random random)
    {
        var pairs = new List<(string, string)>();
        bool one = definition.Keys.Count(k => k.Kind == KeyKind.Dimension) == 1;
        long[] shape = [.. Enumerable.Range(0, random.Next(1, 4)).Select(_ => Size(random) % 20 + 1)];
        // Operators with two ways of saying a shape: the one or the other.
        bool general = random.Next(2) == 0 && definition.Keys.Any(k => k.Optional && k.Kind == KeyKind.Shape);
        foreach (var key in definition.Keys)
        {
            if (key.Optional && definition.Keys.Any(k => k.Optional && k.Kind == KeyKind.Shape))
            {
                bool isGeneral = key.Kind is KeyKind.Shape or KeyKind.List;
                if (isGeneral != general)
                    continue;
            }
            else if (key.Optional && key.Kind == KeyKind.List)
            {
                if (random.Next(2) == 0)
                    continue;
            }
            // Dimensions that may be left out, such as attention's heads of K.
            else if (
                !example.Has(key.Name) && !(key.Optional && key.Kind == KeyKind.Dimension && random.Next(2) == 0)
                || (key.Default is not null && random.Next(3) > 0 && key.Name != "axis")
            )
                continue;
            pairs.Add((key.Name, Value(key, random, one, shape)));
        }
        return [.. pairs];
    }

    private static string Value(OperatorKey key, Random random, bool one, long[] shape) =>
        key.Kind switch
        {
            KeyKind.Dimension when key.Name is "batch" or "b" or "h" => $"{random.Next(1, 5)}",
            KeyKind.Dimension => $"{(one ? Lengths[random.Next(Lengths.Length)] : Size(random))}",
            KeyKind.Flag => $"{random.Next(2)}",
            KeyKind.Choice => key.Choices[random.Next(key.Choices.Length)],
            KeyKind.Shape => key.Name == "shape" ? Text(shape) : Text(Broadcast(shape, random)),
            _ => key.Name switch
            {
                "strides" => string.Join(',', Strides(shape, random, repeated: true)),
                "to" => string.Join(',', Strides(shape, random, repeated: false)),
                "dims" => Neighbours(shape.Length, random),
                _ => Axes(shape, random),
            },
        };

    // One in four is 1: what goes wrong with one such dimension or none often needs two or three.
    private static long Size(Random random) => random.Next(5) == 0 ? 1 : Sizes[random.Next(Sizes.Length)];

    private static string Text(IEnumerable<long> shape) => string.Join('x', shape);

    // Leading dimensions dropped, others made 1, so that the operand is repeated along them.
    private static IEnumerable<long> Broadcast(long[] shape, Random random) =>
        shape.Skip(random.Next(3) == 0 ? random.Next(shape.Length) : 0).Select(e => random.Next(4) == 0 ? 1 : e);

    private static string Axes(long[] shape, Random random)
    {
        var axes = Enumerable.Range(0, shape.Length).Where(_ => random.Next(2) == 0).ToList();
        return string.Join(',', axes.Count == 0 ? [random.Next(shape.Length)] : axes);
    }

    private static string Neighbours(int rank, Random random)
    {
        int first = random.Next(rank);
        return string.Join(',', Enumerable.Range(first, random.Next(1, rank - first + 1)));
    }

    // Row-major with gaps, then dimensions exchanged or repeated.
    private static long[] Strides(long[] shape, Random random, bool repeated)
    {
        var order = Enumerable.Range(0, shape.Length).ToArray();
        random.Shuffle(order);
        var strides = new long[shape.Length];
        long step = random.Next(3) == 0 ? 2 : 1;
        foreach (int d in order)
        {
            strides[d] = repeated && random.Next(5) == 0 ? 0 : step;
            step *= shape[d] + random.Next(2);
        }
        return strides;
    }
}
