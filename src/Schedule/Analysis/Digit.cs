using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// (Unit mod High) div Low: one digit of a mixed-radix number. A fused loop f shows up in indices as such digits
/// (f // 8, f % 8); digits of one unit with disjoint [Low, High) are independent, and together determine the unit when
/// they cover it.
/// </summary>
internal sealed record Digit(Expr Unit, long Low, long High)
{
    /// <summary>Number of values, rounded up.</summary>
    public long Extent => (High - 1) / Low + 1;

    /// <summary>The digit that an atom of a linear form is; null where its range is not known to be [0, n).</summary>
    public static Digit? Of(Expr atom, IReadOnlyDictionary<Var, Interval> ranges)
    {
        switch (atom)
        {
            case Binary { Kind: BinaryOp.FloorDiv, B: IntImm { Value: > 0 } c } b when Of(b.A, ranges) is { } inner:
                return inner with { Low = inner.Low * c.Value };
            case Binary { Kind: BinaryOp.Mod, B: IntImm { Value: > 0 } c } b when Of(b.A, ranges) is { } inner:
                return inner with { High = Math.Min(inner.High, inner.Low * c.Value) };
            case Binary { Kind: BinaryOp.Add or BinaryOp.Mul } or Var:
                var range = LinearForm.Of(atom).Range(ranges);
                return range.Min == 0 && range.Max < Interval.Everything.Max ? new Digit(atom, 1, range.Max + 1) : null;
            default:
                return null;
        }
    }

    // By hand: a handful, where each instance of OrderBy takes a program's start half a millisecond.
    private static Digit[] ByLow(IEnumerable<Digit> digits)
    {
        Digit[] sorted = [.. digits];
        for (int i = 1; i < sorted.Length; i++)
        {
            var digit = sorted[i];
            int at = i;
            for (; at > 0 && sorted[at - 1].Low > digit.Low; at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = digit;
        }
        return sorted;
    }

    /// <summary>Whether digits of one unit overlap nowhere.</summary>
    public static bool Disjoint(IEnumerable<Digit> digits)
    {
        long reached = 1;
        foreach (var digit in ByLow(digits))
        {
            if (digit.Low < reached || digit.Low % reached != 0)
                return false;
            reached = digit.High;
        }
        return true;
    }

    /// <summary>Whether digits of one unit together determine it, for values below extent.</summary>
    public static bool Determine(IEnumerable<Digit> digits, long extent)
    {
        long reached = 1;
        foreach (var digit in ByLow(digits))
        {
            if (digit.Low > reached)
                return false;
            reached = Math.Max(reached, digit.High);
        }
        return reached >= extent;
    }
}
