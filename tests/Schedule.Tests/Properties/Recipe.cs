using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Tests.Properties;

/// <summary>Forms of a stage that the generator knows; each reads what the stage before it made.</summary>
internal enum Form
{
    Map,
    Broadcast,
    Transpose,
    Stencil,
    Strided,
    Flatten,
    Reduce,
    ReduceWhere,
    ArgMax,
    Contract,
    Window,
    Gather,
    Scatter,
    Scan,
    Pad,

    /// <summary>A mean weighted by softmax. Only where a situation asks for it: it says nothing about other primitives.</summary>
    Mixture,

    /// <summary>A sum up to a place that depends on the row. Only where a situation asks for it.</summary>
    Masked,
}

/// <summary>
/// A random algorithm in a form that can be shrunk: decisions come from the seed in an order that does not depend on the
/// extents, so smaller extents or fewer forms leave the rest as it was.
/// </summary>
/// <param name="Seed">Of all other decisions and of the data.</param>
/// <param name="Forms">One a stage.</param>
/// <param name="Extents">Extents of the four dimensions that shapes are made of.</param>
/// <param name="Symbolic">Whether the first extent is a parameter.</param>
/// <param name="Type">dtype of the values.</param>
internal sealed record Recipe(
    int Seed,
    ImmutableArray<Form> Forms,
    ImmutableArray<long> Extents,
    bool Symbolic,
    DType Type
)
{
    private static readonly long[] Sizes = [1, 2, 3, 4, 5, 6, 7, 8, 11, 13, 16];

    public IReadOnlyDictionary<string, long> Parameters =>
        Symbolic ? new Dictionary<string, long> { ["P"] = Extents[0] } : new Dictionary<string, long>();

    /// <summary>A recipe with 1 to 3 stages; the first forms may be given.</summary>
    public static Recipe Draw(int seed, params Form[] first)
    {
        var random = new Random(seed);
        var extents = new long[4];
        do
        {
            for (int d = 0; d < extents.Length; d++)
                extents[d] = Sizes[random.Next(Sizes.Length)];
        } while (extents.Aggregate(1L, (n, e) => n * e) > 1500);
        Form[] all = [.. Enum.GetValues<Form>().Where(f => f is not (Form.Mixture or Form.Masked))];
        int count = Math.Max(random.Next(1, 4), first.Length);
        var forms = Enumerable.Range(0, count).Select(i => i < first.Length ? first[i] : all[random.Next(all.Length)]);
        double type = random.NextDouble();
        return new Recipe(
            seed,
            [.. forms],
            [.. extents],
            random.Next(5) == 0,
            type < 0.8 ? DType.Float32
                : type < 0.9 ? DType.Float64
                : DType.Int32
        );
    }

    public Algorithm Build() => new AlgorithmWriter(this).Build();

    /// <summary>Data for the inputs: indices within range, other values with repeats among them.</summary>
    public Dictionary<Buffer, NDArray> Data(Algorithm algorithm)
    {
        var random = new Random(Seed);
        var data = new Dictionary<Buffer, NDArray>();
        foreach (var input in algorithm.Inputs)
        {
            var shape = input.Shape.Select(e => e is IntImm i ? i.Value : Extents[0]).ToArray();
            var array = new NDArray(input.Type, shape);
            for (int i = 0; i < array.Length; i++)
            {
                if (input.Type.IsFloat())
                    array.Doubles[i] = Value(random);
                else if (input.Type == DType.Int64)
                    array.Longs[i] = random.NextInt64(AlgorithmWriter.RangeOf(input, Extents));
                else
                    array.Longs[i] = random.Next(-9, 10);
            }
            data[input] = array;
        }
        return data;
    }

    public override string ToString() =>
        $"seed {Seed}, {string.Join(" → ", Forms)}, extents {string.Join(", ", Extents)}{(Symbolic ? " (first symbolic)" : "")}, {Type.Name()}";

    private static double Value(Random random) =>
        random.Next(4) == 0 ? random.Next(-2, 3) : (float)(random.NextDouble() * 4 - 2);
}
