using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// A one-to-one map from the dimensions of a buffer to physical dimensions, written
/// <c>m,k->m/14,k,m%14</c>: names for the logical dimensions, then pieces, each <c>name</c>, <c>name/divisor</c>,
/// <c>name%modulus</c> or <c>name/divisor%modulus</c>. The pieces of one dimension are its digits in a mixed radix, so
/// each element has one place.
/// </summary>
internal sealed class LayoutMap
{
    /// <summary>(logical index of dimension Dim) / Divisor % Modulus; no Modulus for the leading digit.</summary>
    public sealed record Piece(int Dim, long Divisor, long? Modulus, string Name);

    private LayoutMap(ImmutableArray<string> dims, ImmutableArray<Piece> pieces)
    {
        Dims = dims;
        Pieces = pieces;
    }

    public ImmutableArray<string> Dims { get; }

    public ImmutableArray<Piece> Pieces { get; }

    /// <exception cref="FormatException">Not of the form above, or not one-to-one; the message says where.</exception>
    public static LayoutMap Parse(string text)
    {
        var sides = text.Split("->");
        if (sides.Length != 2)
            throw new FormatException($"'{text}' has no '->' between the dimensions and their places");
        ImmutableArray<string> dims = [.. sides[0].Split(',')];
        if (dims.FirstOrDefault(d => d.Length == 0 || !d.All(c => char.IsLetterOrDigit(c) || c == '_')) is { } bad)
            throw new FormatException($"'{bad}' is not a name of a dimension (letters, digits and '_')");
        if (dims.Distinct().Count() != dims.Length)
            throw new FormatException($"a dimension is named twice in '{sides[0]}'");
        var pieces = sides[1].Split(',').Select(p => ParsePiece(p, dims)).ToArray();
        for (int d = 0; d < dims.Length; d++)
            NameDigits(d, dims, pieces);
        return new LayoutMap(dims, [.. pieces]);
    }

    /// <summary>Divisor of the leading digit of a dimension: its extent is rounded up to a multiple of it.</summary>
    public long Granule(int dim) => Pieces.Single(p => p.Dim == dim && p.Modulus is null).Divisor;

    public ImmutableArray<Expr> Shape(ImmutableArray<Expr> logical, Simplifier simplifier) =>
        [.. Pieces.Select(p => p.Modulus is { } m ? m : simplifier.Visit(Op.CeilDiv(logical[p.Dim], p.Divisor)))];

    /// <summary>Place of the element at a logical index.</summary>
    public ImmutableArray<Expr> Place(ImmutableArray<Expr> index, Simplifier simplifier) =>
        [
            .. Pieces.Select(p =>
            {
                Expr e = Op.FloorDiv(index[p.Dim], p.Divisor);
                return simplifier.Visit(p.Modulus is { } m ? Op.Mod(e, m) : e);
            }),
        ];

    /// <summary>Logical index of the element at a place; within the padding it is past the logical extent.</summary>
    public ImmutableArray<Expr> Inverse(ImmutableArray<Expr> place) => [.. Dims.Select((_, d) => Inverse(place, d))];

    private Expr Inverse(ImmutableArray<Expr> place, int dim)
    {
        Expr sum = 0;
        foreach (int i in DigitsOf(dim, Pieces.AsSpan()))
            sum += place[i] * Pieces[i].Divisor;
        return sum;
    }

    // The pieces of a dimension, the leading one first.
    private static List<int> DigitsOf(int dim, ReadOnlySpan<Piece> pieces)
    {
        var digits = new List<int>();
        for (int i = 0; i < pieces.Length; i++)
        {
            if (pieces[i].Dim != dim)
                continue;
            int at = digits.Count;
            while (at > 0 && pieces[digits[at - 1]].Divisor < pieces[i].Divisor)
                at--;
            digits.Insert(at, i);
        }
        return digits;
    }

    private static Piece ParsePiece(string text, ImmutableArray<string> dims)
    {
        int slash = text.IndexOf('/');
        int percent = text.IndexOf('%');
        int nameEnd =
            slash >= 0 ? slash
            : percent >= 0 ? percent
            : text.Length;
        int dim = dims.IndexOf(text[..nameEnd]);
        if (dim < 0 || (slash >= 0 && percent >= 0 && percent < slash))
            throw new FormatException(
                $"'{text}' is not a dimension ({string.Join(", ", dims)}) with an optional /divisor and then an optional %modulus"
            );
        long divisor = slash < 0 ? 1 : Number(text, text[(slash + 1)..(percent < 0 ? text.Length : percent)]);
        return new Piece(dim, divisor, percent < 0 ? null : Number(text, text[(percent + 1)..]), dims[dim]);
    }

    private static long Number(string piece, string digits) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0
            ? value
            : throw new FormatException($"'{digits}' in '{piece}' is not a positive whole number");

    // Checks that the pieces of a dimension are the digits of a mixed radix, and names them m0 (leading), m1, ….
    private static void NameDigits(int dim, ImmutableArray<string> dims, Piece[] pieces)
    {
        var digits = DigitsOf(dim, pieces);
        long unit = 1;
        for (int i = digits.Count - 1; i >= 0; i--)
        {
            var piece = pieces[digits[i]];
            if (piece.Divisor != unit || piece.Modulus is null != (i == 0))
                throw new FormatException(
                    $"the pieces of {dims[dim]} do not give each element one place; write for instance {dims[dim]}/4,{dims[dim]}%4"
                );
            unit *= piece.Modulus ?? 1;
        }
        if (digits.Count == 0)
            throw new FormatException($"dimension {dims[dim]} has no place after '->'");
        for (int i = 0; i < digits.Count && digits.Count > 1; i++)
            pieces[digits[i]] = pieces[digits[i]] with { Name = $"{dims[dim]}{i}" };
    }
}
