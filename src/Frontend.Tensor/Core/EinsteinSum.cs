using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

/// <summary>An equation of <see cref="Tensor.Einsum"/> for operands of given shapes: which of their dimensions are which.</summary>
internal sealed class EinsteinSum
{
    // Letters are 0 to 51, dimensions of an ellipsis 52 and up, counted from its last.
    private const int Letters = 52;

    private readonly int[][] _inputs;
    private readonly int[] _output;

    private EinsteinSum(int[][] inputs, int[] output) => (_inputs, _output) = (inputs, output);

    /// <exception cref="ArgumentException">It cannot be read, or does not fit the operands.</exception>
    public static EinsteinSum Parse(string equation, ReadOnlySpan<Tensor> operands)
    {
        ArgumentException Wrong(string why) => new($"einsum: \"{equation}\" {why}.");
        string text = equation.Replace(" ", "", StringComparison.Ordinal);
        int arrow = text.IndexOf("->", StringComparison.Ordinal);
        string left = arrow < 0 ? text : text[..arrow];
        string? right = arrow < 0 ? null : text[(arrow + 2)..];
        if (left.Contains('>') || left.Contains('-') || (right?.IndexOfAny([',', '>', '-']) ?? -1) >= 0)
            throw Wrong("must be letters, commas between operands, and at most one arrow, ->");
        string[] parts = left.Split(',');
        if (operands.IsEmpty)
            throw new ArgumentException("einsum: there must be at least one operand.");
        if (parts.Length != operands.Length)
            throw Wrong($"is about {parts.Length} operands, but {operands.Length} were given");
        var inputs = new int[parts.Length][];
        int ellipsis = 0;
        for (int i = 0; i < parts.Length; i++)
        {
            inputs[i] = Read(parts[i], operands[i].Rank, Wrong, $"operand {i} of shape {operands[i].Layout}");
            ellipsis = Math.Max(ellipsis, inputs[i].Count(d => d >= Letters));
        }
        int[] output;
        if (right is null)
        {
            var counts = inputs.SelectMany(d => d).Where(d => d < Letters).GroupBy(d => d);
            // Capitals come first, as in PyTorch.
            output =
            [
                .. Enumerable.Range(0, ellipsis).Select(e => Letters + ellipsis - 1 - e),
                .. counts.Where(g => g.Count() == 1).Select(g => g.Key).OrderBy(d => d),
            ];
        }
        else
        {
            output = Read(right, -1, Wrong, "the result", ellipsis);
            if (output.Distinct().Count() < output.Length)
                throw Wrong("has a letter twice in the result");
            var known = inputs.SelectMany(d => d).ToHashSet();
            if (output.FirstOrDefault(d => !known.Contains(d), -1) is >= 0 and var odd)
                throw Wrong($"has the letter {Name(odd)} in the result, which no operand has");
        }
        // Each letter has one size, but for 1.
        var sizes = new Dictionary<int, long>();
        for (int i = 0; i < inputs.Length; i++)
        {
            for (int d = 0; d < inputs[i].Length; d++)
            {
                long size = operands[i].Layout.Sizes[d];
                long known = sizes.GetValueOrDefault(inputs[i][d], 1);
                if (size != 1 && known != 1 && size != known)
                    throw Wrong(
                        $"gives {Name(inputs[i][d])} the size {size} in operand {i} of shape {operands[i].Layout}, but {known} elsewhere"
                    );
                sizes[inputs[i][d]] = known == 1 ? size : known;
            }
        }
        return new(inputs, output);
    }

    private static string Name(int dim) =>
        dim >= Letters ? "..."
        : dim < 26 ? $"{(char)('A' + dim)}"
        : $"{(char)('a' + dim - 26)}";

    private static int[] Read(
        string part,
        int rank,
        Func<string, ArgumentException> wrong,
        string what,
        int ellipsis = 0
    )
    {
        int dots = part.IndexOf("...", StringComparison.Ordinal);
        string letters = dots < 0 ? part : part.Remove(dots, 3);
        foreach (char c in letters)
        {
            if (!char.IsAsciiLetter(c))
                throw wrong($"has a '{c}' where letters stand");
        }
        int more = rank < 0 ? ellipsis : rank - letters.Length;
        if (more < 0 || (rank >= 0 && dots < 0 && more > 0))
            throw wrong($"has {letters.Length} letters for {what}, which has {rank} dimensions");
        var dims = new List<int>();
        for (int i = 0; i <= letters.Length; i++)
        {
            if (i == dots)
                for (int e = more - 1; e >= 0; e--)
                    dims.Add(Letters + e);
            if (i < letters.Length)
                dims.Add(char.IsAsciiLetterUpper(letters[i]) ? letters[i] - 'A' : letters[i] - 'a' + 26);
        }
        return [.. dims];
    }

    // An operand and which of its dimensions is which; no one twice.
    private sealed record Part(Tensor Of, int[] Dims)
    {
        public long Size(int dim) => Array.IndexOf(Dims, dim) is >= 0 and var at ? Of.Layout.Sizes[at] : 1;
    }

    public Tensor Run(ReadOnlySpan<Tensor> operands)
    {
        var type = operands[0].DType;
        foreach (var operand in operands)
        {
            if (operand.DType != type)
                throw new ArgumentException(
                    $"einsum: the dtypes {type.Name()} and {operand.DType.Name()} differ; convert one with To()."
                );
        }
        var parts = new List<Part>();
        for (int i = 0; i < operands.Length; i++)
            parts.Add(Diagonals(operands[i], _inputs[i]));
        while (parts.Count > 1)
        {
            var (a, b) = Next(parts);
            var (left, right) = (parts[a], parts[b]);
            parts.RemoveAt(b);
            parts.RemoveAt(a);
            var product = Product(left, right, [.. parts.SelectMany(p => p.Dims).Concat(_output)]);
            parts.Insert(a, product);
        }
        var last = Summed(parts[0], _output);
        var result = last.Of.Permute([.. _output.Select(d => Array.IndexOf(last.Dims, d))]);
        return operands.Length == 1 && ReferenceEquals(result, operands[0]) ? result.Clone() : result;
    }

    // The pair whose product is smallest beside what goes into it, of equals the first.
    private (int, int) Next(List<Part> parts)
    {
        if (parts.Count == 2)
            return (0, 1);
        var (best, at) = (double.PositiveInfinity, (0, 1));
        for (int i = 0; i < parts.Count; i++)
        {
            for (int j = i + 1; j < parts.Count; j++)
            {
                var rest = parts.Where((_, k) => k != i && k != j).SelectMany(p => p.Dims).Concat(_output).ToHashSet();
                double kept = 1;
                foreach (int dim in parts[i].Dims.Union(parts[j].Dims))
                    kept *= rest.Contains(dim) ? Math.Max(parts[i].Size(dim), parts[j].Size(dim)) : 1;
                double cost = kept - parts[i].Of.NumElements - parts[j].Of.NumElements;
                if (cost < best)
                    (best, at) = (cost, (i, j));
            }
        }
        return at;
    }

    // A dimension that stands twice is the diagonal of both.
    private static Part Diagonals(Tensor operand, int[] dims)
    {
        var left = dims.ToList();
        for (int i = 0; i < left.Count; )
        {
            int twin = left.IndexOf(left[i], i + 1);
            if (twin < 0)
            {
                i++;
                continue;
            }
            var (n, m) = (operand.Layout.Sizes[i], operand.Layout.Sizes[twin]);
            if (n != m)
                throw new ArgumentException(
                    $"einsum: the dimensions {i} and {twin} of an operand of shape {operand.Layout} have one letter, but the sizes {n} and {m}."
                );
            operand = operand.Diagonal(0, i, twin);
            int letter = left[i];
            left.RemoveAt(twin);
            left.RemoveAt(i);
            left.Add(letter);
            i = 0;
        }
        return new(operand, [.. left]);
    }

    // Without what nothing else has.
    private static Part Summed(Part part, IReadOnlyCollection<int> kept)
    {
        int[] gone = [.. Enumerable.Range(0, part.Dims.Length).Where(d => !kept.Contains(part.Dims[d]))];
        if (gone.Length == 0)
            return part;
        var of = part.Of;
        var sum = of.DType == DType.Bool ? of.Any(gone) : of.Sum(gone, dtype: of.DType);
        return new(sum, [.. part.Dims.Where(kept.Contains)]);
    }

    // A batched matrix product: what both have and is kept, what only one has, what both have and is summed over.
    private static Part Product(Part a, Part b, int[] kept)
    {
        a = Summed(a, [.. kept, .. b.Dims]);
        b = Summed(b, [.. kept, .. a.Dims]);
        // What has size 1 stands for all.
        a = WithoutOnes(a, b);
        b = WithoutOnes(b, a);
        int[] both = [.. a.Dims.Intersect(b.Dims)];
        int[] batch = [.. both.Where(kept.Contains)];
        int[] over = [.. both.Except(batch)];
        int[] left = [.. a.Dims.Except(both)];
        int[] right = [.. b.Dims.Except(both)];
        if (over.Length == 0)
        {
            int[] all = [.. batch, .. left, .. right];
            var (x, y) = (Aligned(a, all), Aligned(b, all));
            return new(x * y, all);
        }
        long[] Sizes(int[] dims) => [.. dims.Select(d => a.Dims.Contains(d) ? a.Size(d) : b.Size(d))];
        Tensor Matrices(Part part, int[] first, int[] second)
        {
            int[] order = [.. batch, .. first, .. second];
            long[] flat = [Layout.CountOf(Sizes(first)), Layout.CountOf(Sizes(second))];
            return part
                .Of.Permute([.. order.Select(d => Array.IndexOf(part.Dims, d))])
                .ReshapeTo(batch.Length == 0 ? flat : [Layout.CountOf(Sizes(batch)), .. flat]);
        }
        var product = Tensor.Multiplied(Matrices(a, left, over), Matrices(b, over, right));
        return new(
            product.ReshapeTo([.. Sizes(batch), .. Sizes(left), .. Sizes(right)]),
            [.. batch, .. left, .. right]
        );
    }

    private static Part WithoutOnes(Part part, Part other)
    {
        for (int d = part.Dims.Length - 1; d >= 0; d--)
        {
            int dim = part.Dims[d];
            if (part.Of.Layout.Sizes[d] == 1 && other.Dims.Contains(dim))
                part = new(part.Of.Squeeze(d), [.. part.Dims.Where(e => e != dim)]);
        }
        return part;
    }

    private static Tensor Aligned(Part part, int[] all)
    {
        int[] own = [.. all.Where(part.Dims.Contains)];
        var moved = part.Of.Permute([.. own.Select(d => Array.IndexOf(part.Dims, d))]);
        return moved.ReshapeTo([.. all.Select(d => part.Dims.Contains(d) ? part.Size(d) : 1)]);
    }
}
