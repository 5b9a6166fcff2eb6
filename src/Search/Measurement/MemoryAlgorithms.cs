using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;

namespace Picograd.Search.Measurement;

/// <summary>
/// What is done with the arguments of kernels besides running them, as algorithms over memory of any length, so that a target
/// whose memory is its own does it with kernels of its own compiler.
/// </summary>
internal static class MemoryAlgorithms
{
    /// <summary>
    /// Parts that a reduction over memory is cut into: part s has the elements s, s + 2¹⁴, …, so that threads side by side read
    /// side by side.
    /// </summary>
    public const long Parts = 1 << 14;

    /// <summary>What the parts are reduced to, and read back.</summary>
    public const long Groups = 1 << 6;

    // What a grid of blocks of 256 threads covers, and more than a device holds.
    private const long MostElements = 1L << 38;

    /// <summary>How elements of so many bytes are written as a pattern: by pairs in a word, or one by one.</summary>
    /// <returns>The type of the words, and how many elements are in one.</returns>
    public static (DType Word, int Elements) PatternWord(int elementBytes) =>
        elementBytes switch
        {
            1 => (DType.UInt8, 1),
            2 => (DType.UInt32, 2),
            4 => (DType.Int64, 2),
            _ => (DType.Int64, 1),
        };

    /// <summary>
    /// memory[i] = the word that <see cref="NDArray.PairOf"/> picks from a table. Parameter: words of the memory.
    /// </summary>
    /// <param name="elementBytes">Of an element of the pattern.</param>
    /// <param name="bits">The pattern is made of 2^bits elements.</param>
    public static Algorithm Pattern(int elementBytes, int bits)
    {
        var (word, inWord) = PatternWord(elementBytes);
        var g = new AlgorithmBuilder("write_pattern");
        var n = g.Parameter("n", MostElements);
        var table = g.Input("table", word, (1L << bits) / inWord);
        var i = new Axis("i", n.Var);
        Expr pair = inWord == 2 ? i.Var : i.Var >> 1;
        Expr spread = (pair ^ (pair >> 17)) * Word(0x9E3779B97F4A7C15);
        Expr picked = Logical(spread, 65 - bits);
        return g.Build(g.Stage("memory", [i], table[inWord == 2 ? picked : (picked << 1) + (i.Var & 1)]));
    }

    /// <summary>
    /// Numbers whose sum tells one content of memory from another, as <see cref="MemoryDigest"/> says; not the same number as its. Parameters: words of eight
    /// bytes, and how often <see cref="Parts"/> goes into them, rounded up.
    /// </summary>
    public static Algorithm Digest()
    {
        var g = new AlgorithmBuilder("digest_memory");
        var n = g.Parameter("n", MostElements);
        var steps = g.Parameter("steps", MostElements / Parts);
        var memory = g.Input("memory", DType.Int64, n.Var);
        var (s, j) = (new Axis("s", Parts), new Axis("j", steps.Var));
        Expr at = j.Var * Parts + s.Var;
        // Every step loses nothing, so words that differ stay different.
        Expr x = (memory[at] ^ (at * Word(0x9E3779B97F4A7C15))) * Word(0xBF58476D1CE4E5B9);
        x = (x ^ Logical(x, 32)) * Word(0x94D049BB133111EB);
        x ^= Logical(x, 29);
        var parts = g.Stage("parts", [s], AlgorithmBuilder.Sum(j, x, at < n.Var));
        var (r, c) = (new Axis("r", Groups), new Axis("c", Parts / Groups));
        return g.Build(g.Stage("groups", [r], AlgorithmBuilder.Sum(c, parts[c.Var * Groups + r.Var])));
    }

    /// <summary>
    /// Where two memories differ most: for each of <see cref="Groups"/> groups of elements the largest absolute difference and
    /// its place, the largest relative one and its place (those without one have −1), and how many differ. NaN is equal to NaN;
    /// infinitely different is as far as a number goes. Parameters as those of <see cref="Digest"/>, in elements.
    /// </summary>
    public static Algorithm Differences(DType type)
    {
        var g = new AlgorithmBuilder($"differences_{type.Name()}");
        var n = g.Parameter("n", MostElements);
        var steps = g.Parameter("steps", MostElements / Parts);
        var one = g.Input("one", type, n.Var);
        var other = g.Input("other", type, n.Var);
        var (s, j) = (new Axis("s", Parts), new Axis("j", steps.Var));
        Expr at = j.Var * Parts + s.Var;
        Expr none = new IntImm(-1, DType.Int64);
        Expr zero = Op.Const(0, DType.Float64);
        Expr same = Op.Eq(one[at], other[at]);
        if (type.IsFloat())
            same = Op.Or(same, Op.And(Op.Ne(one[at], one[at]), Op.Ne(other[at], other[at])));
        Expr a = Op.Cast(DType.Float64, one[at]);
        Expr b = Op.Cast(DType.Float64, other[at]);
        Expr most = Op.Const(double.MaxValue, DType.Float64);
        Expr gap = Op.Abs(a - b);
        // What is no number is not below the largest either.
        gap = Op.Select(gap <= most, gap, most);
        Expr share = gap / Op.Max(Op.Abs(b), Op.Const(1e-30, DType.Float64));
        share = Op.Select(share > zero, share, zero);
        var reducer = Reducer.Custom(
            "differences",
            [zero, none, zero, none, Op.Const(0, DType.Int64)],
            (l, r) => [.. Larger(l[0], l[1], r[0], r[1]), .. Larger(l[2], l[3], r[2], r[3]), l[4] + r[4]]
        );
        var parts = g.TupleStage(
            "parts",
            [s],
            new Reduction(
                reducer,
                [j],
                [
                    Op.Select(same, zero, gap),
                    Op.Select(same, none, at),
                    Op.Select(same, zero, share),
                    Op.Select(same, none, at),
                    Op.Select(same, Op.Const(0, DType.Int64), Op.Const(1, DType.Int64)),
                ],
                at < n.Var
            )
        );
        var (row, c) = (new Axis("r", Groups), new Axis("c", Parts / Groups));
        Expr part = c.Var * Groups + row.Var;
        return g.Build([
            .. g.TupleStage("groups", [row], new Reduction(reducer, [c], [.. parts.Select(p => p[part])], null)),
        ]);
    }

    /// <summary>picked[i] = memory[places[i]]. Parameters: elements of the memory, number of places.</summary>
    public static Algorithm Gather(DType type)
    {
        var g = new AlgorithmBuilder($"gather_{type.Name()}");
        var n = g.Parameter("n", MostElements);
        var count = g.Parameter("count", MostElements);
        var memory = g.Input("memory", type, n.Var);
        var places = g.Input("places", DType.Int64, count.Var);
        var i = new Axis("i", count.Var);
        return g.Build(g.Stage("picked", [i], memory[places[i.Var]]));
    }

    /// <summary>Zeroes the elements of a strided buffer and leaves what lies between them.</summary>
    public static Algorithm ZeroElements(Buffer buffer)
    {
        var g = new AlgorithmBuilder("zero_elements");
        Axis[] axes = [.. buffer.Shape.Select((e, d) => new Axis($"i{d}", e))];
        return g.Build(g.Stage("memory", axes, Op.Const(0, buffer.Type), strides: buffer.Strides));
    }

    /// <summary>The larger value with its place; of equal ones the place that is one, and the first of two.</summary>
    private static ImmutableArray<Expr> Larger(Expr a, Expr placeA, Expr b, Expr placeB)
    {
        Expr keep = Op.Or(
            b < a,
            Op.And(Op.Eq(a, b), Op.Or(Op.Lt(placeB, 0), Op.And(Op.Le(0, placeA), placeA <= placeB)))
        );
        return [Op.Select(keep, a, b), Op.Select(keep, placeA, placeB)];
    }

    private static Expr Word(ulong value) => new IntImm(unchecked((long)value), DType.Int64);

    // Shifts of expressions copy the sign.
    private static Expr Logical(Expr value, int shift) => (value >> shift) & ((1L << (64 - shift)) - 1);
}
