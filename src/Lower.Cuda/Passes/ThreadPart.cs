using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// The part of an index that depends on the thread: a sum of digits of its number, (thread mod High) div Low, each times a
/// factor, in canonical order, so that equal functions compare equal.
/// </summary>
internal sealed class ThreadPart : IEquatable<ThreadPart>
{
    private ThreadPart(ImmutableArray<(long Low, long High, long Factor)> digits, Expr rest)
    {
        Digits = digits;
        Rest = rest;
    }

    public ImmutableArray<(long Low, long High, long Factor)> Digits { get; }

    /// <summary>The index without it.</summary>
    public Expr Rest { get; }

    /// <summary>Null where the index mixes the thread with other variables in a way that digits do not express.</summary>
    public static ThreadPart? Of(Expr index, Var thread, long threads, IReadOnlyDictionary<Var, Interval> ranges)
    {
        var form = LinearForm.Of(Simplifier.Simplify(index, ranges));
        var (mine, rest) = form.Partition(a => a.Uses(thread));
        var digits = new List<(long Low, long High, long Factor)>();
        foreach (var (atom, factor) in mine.Terms)
        {
            if (Digit.Of(atom, ranges) is not { } digit || digit.Unit != thread)
                return null;
            digits.Add((digit.Low, Math.Min(digit.High, threads), factor));
        }
        return new ThreadPart(Join(digits), rest.ToExpr());
    }

    /// <summary>
    /// The index within a thread's part without the holes that other threads' elements leave in it: with a digit that takes
    /// [0, count) times a factor, multiples of factor·count move together. Null where a rest (or a tile from it on) lies across the
    /// holes: then elements do not tell the thread.
    /// </summary>
    public static LinearForm? Closed(
        LinearForm rest,
        (long Low, long High, long Factor) digit,
        long tile,
        IReadOnlyDictionary<Var, Interval> ranges
    )
    {
        long count = (digit.High - 1) / digit.Low + 1;
        long period = digit.Factor * count;
        if (digit.Factor <= 0)
            return null;
        Expr high = 0;
        Expr low = 0;
        foreach (var (atom, coefficient) in rest.Terms)
        {
            if (coefficient % period == 0)
                high += Op.Mul(atom, coefficient / count);
            else
                low += Op.Mul(atom, coefficient);
        }
        long whole = Op.FloorDiv(rest.Constant, period);
        low += rest.Constant - whole * period;
        var range = LinearForm.Of(low).Range(ranges);
        return range.Min >= 0 && range.Max + tile - 1 < digit.Factor
            ? LinearForm.Of(high + low + whole * digit.Factor)
            : null;
    }

    /// <summary>Whether digits of the thread's number together tell the digit [low, high).</summary>
    public static bool Tells(IEnumerable<(long Low, long High)> digits, long low, long high)
    {
        long reached = low;
        foreach (var (l, h) in digits.OrderBy(d => d.Low))
        {
            if (l > reached)
                break;
            reached = Math.Max(reached, h);
        }
        return reached >= high;
    }

    public bool Equals(ThreadPart? other) => other is not null && Digits.SequenceEqual(other.Digits);

    public override bool Equals(object? obj) => Equals(obj as ThreadPart);

    public override int GetHashCode() => Digits.Aggregate(17, HashCode.Combine);

    // f·(t mod m) div l + f·(m/l)·(t mod h) div m = f·(t mod h) div l
    private static ImmutableArray<(long Low, long High, long Factor)> Join(
        List<(long Low, long High, long Factor)> digits
    )
    {
        digits.Sort();
        for (int i = 0; i + 1 < digits.Count; )
        {
            var (a, b) = (digits[i], digits[i + 1]);
            if (a.High == b.Low && a.High % a.Low == 0 && b.Factor == a.Factor * (a.High / a.Low))
            {
                digits[i] = (a.Low, b.High, a.Factor);
                digits.RemoveAt(i + 1);
            }
            else
            {
                i++;
            }
        }
        return [.. digits];
    }
}
