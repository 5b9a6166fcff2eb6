namespace Picograd.Algorithms;

/// <summary>
/// Arithmetic of int64 that stops at its largest and smallest value instead of wrapping. (Int128, which needs no such care, is
/// compiled by the JIT in every process: 22 methods of a first product, among them the hottest of the compiler.)
/// </summary>
public static class Saturating
{
    public static long Add(long a, long b)
    {
        long sum = unchecked(a + b);
        // Overflow: both operands have the sign that the sum lacks.
        return ((a ^ sum) & (b ^ sum)) < 0 ? Bound(a) : sum;
    }

    public static long Multiply(long a, long b)
    {
        if (a == (int)a && b == (int)b)
            return a * b;
        // Where the division that tells would fault.
        if (b is 0 or -1)
            return b == 0 ? 0
                : a == long.MinValue ? long.MaxValue
                : -a;
        long product = unchecked(a * b);
        return product / b == a ? product : Bound(a ^ b);
    }

    private static long Bound(long sign) => sign < 0 ? long.MinValue : long.MaxValue;
}
