namespace Picograd.Algorithms;

/// <summary>What an integer expression is always a multiple of.</summary>
public static class Divisibility
{
    /// <summary>The largest number that is sure to divide every value of the expression; 0 for the constant 0.</summary>
    public static long Of(Expr e) =>
        e switch
        {
            IntImm i => Math.Abs(i.Value),
            Unary { Kind: UnaryOp.Neg } u => Of(u.A),
            Binary { Kind: BinaryOp.Add or BinaryOp.Sub } b => Gcd(Of(b.A), Of(b.B)),
            Binary { Kind: BinaryOp.Mul } b => Of(b.A) * Of(b.B),
            Binary { Kind: BinaryOp.Mod, B: IntImm m } b => Gcd(Of(b.A), m.Value),
            Binary { Kind: BinaryOp.FloorDiv, B: IntImm { Value: > 0 } d } b => Of(b.A) % d.Value == 0
                ? Of(b.A) / d.Value
                : 1,
            Binary { Kind: BinaryOp.BitXor } b => PowerOfTwo(Gcd(Of(b.A), Of(b.B))),
            Binary { Kind: BinaryOp.Min or BinaryOp.Max } b => Gcd(Of(b.A), Of(b.B)),
            Select s => Gcd(Of(s.Then), Of(s.Else)),
            _ => 1,
        };

    /// <summary>Whether every value of the expression is a multiple of a positive number.</summary>
    public static bool Divides(long number, Expr e) => Of(e) % number == 0;

    private static long Gcd(long a, long b)
    {
        while (b != 0)
            (a, b) = (b, a % b);
        return Math.Abs(a);
    }

    // Exclusive-or keeps the low bits that are zero in both, nothing else.
    private static long PowerOfTwo(long n) => n & -n;
}
