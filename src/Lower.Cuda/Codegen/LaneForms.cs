using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Indices of a vector's lanes. A lane number below n does not carry into what counts in multiples of n, so with
/// everything else a multiple of n, (x + lane) // d is x // d, (x + lane) % d is x % d + lane, and x + lane &lt; y is x &lt; y.
/// </summary>
internal sealed class LaneForms(KernelContext kernel)
{
    /// <summary>The same value, simplified over lane in [0, n).</summary>
    public Expr Rewrite(Expr e, Var lane, long n)
    {
        kernel.Ranges[lane] = new Interval(0, n - 1);
        var simple = kernel.Simplify(e);
        return simple.Uses(lane) ? kernel.Simplify(Visit(simple, lane, n)) : simple;
    }

    /// <summary>
    /// Most lanes, at most 16 bytes, a power of two that divides the extent, that an access with the variable of a vector
    /// loop in its indices takes as one aligned piece of memory; 1 where each lane is on its own.
    /// </summary>
    public int Width(Buffer buffer, ImmutableArray<Expr> indices, Var v, long extent)
    {
        if (kernel.PlaceOf(buffer).Kind == PlaceKind.Local)
            return 1;
        int size = buffer.Type.Size();
        var offset = buffer.Offset(indices);
        for (int width = 16 / size; width >= 2; width /= 2)
        {
            if (extent % width != 0 || (buffer.Swizzle is { } s && width * size > 1 << s.Base))
                continue;
            var (piece, lane) = (new Var("piece"), new Var("lane"));
            kernel.Ranges[piece] = new Interval(0, extent / width - 1);
            kernel.Ranges[lane] = new Interval(0, width - 1);
            var form = LinearForm.Of(Rewrite(offset.Substitute(v, piece * width + lane), lane, width));
            if (form.CoefficientOf(lane) == 1 && Others(form, lane) % width == 0 && Alone(form, lane))
                return width;
        }
        return 1;
    }

    /// <summary>Whether a condition that holds for a lane holds for all before it.</summary>
    public static bool FallsWith(Expr cond, Var lane)
    {
        if (!cond.Uses(lane))
            return true;
        if (cond is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } b || b.A.Type != DTypes.Index)
            return false;
        var difference = LinearForm.Of(Op.Sub(b.A, b.B));
        return difference.CoefficientOf(lane) > 0 && Alone(difference, lane);
    }

    private static bool Alone(LinearForm form, Var lane) =>
        form.Terms.All(t => ReferenceEquals(t.Atom, lane) || !t.Atom.Uses(lane));

    // Greatest common divisor of all coefficients but the lane's, and the constant; 0 where there are none.
    private static long Others(LinearForm form, Var lane)
    {
        long divisor = Math.Abs(form.Constant);
        foreach (var (atom, coefficient) in form.Terms)
        {
            if (!ReferenceEquals(atom, lane))
                divisor = Gcd(divisor, Math.Abs(coefficient));
        }
        return divisor;
    }

    private static long Gcd(long a, long b) => b == 0 ? a : Gcd(b, a % b);

    private static Expr Visit(Expr e, Var lane, long n)
    {
        var node = e.WithChildren(child => Visit(child, lane, n));
        if (node is not Binary b || b.A.Type != DTypes.Index || !node.Uses(lane))
            return node;
        switch (b.Kind)
        {
            case BinaryOp.FloorDiv or BinaryOp.Mod when b.B is IntImm { Value: > 0 } d && d.Value % n == 0:
                var form = LinearForm.Of(b.A);
                if (!Whole(form, lane, n) || form.CoefficientOf(lane) != 1)
                    return node;
                // (n·x + lane) // (n·c) = x // c
                var reduced = Divided(form, lane, n);
                var by = new IntImm(d.Value / n, DTypes.Index);
                return b.Kind == BinaryOp.FloorDiv
                    ? Op.FloorDiv(reduced, by)
                    : Op.Add(Op.Mul(Op.Mod(reduced, by), n), lane);
            case BinaryOp.Lt or BinaryOp.Le:
                var (left, right) = b.Kind == BinaryOp.Lt ? (b.A, b.B) : (b.A, Op.Add(b.B, 1));
                var difference = LinearForm.Of(Op.Sub(left, right));
                // n·x + lane < 0 ⇔ x < 0; n·x + (n−1) − lane < 0 ⇔ x < 0 likewise.
                long coefficient = difference.CoefficientOf(lane);
                if (coefficient == -1 && Whole(difference.WithConstant(difference.Constant - (n - 1)), lane, n))
                    return Op.Lt(Divided(difference.WithConstant(difference.Constant - (n - 1)), lane, n), 0);
                if (coefficient != 1 || !Whole(difference, lane, n))
                    return node;
                return Op.Lt(Divided(difference, lane, n), 0);
            default:
                return node;
        }
    }

    private static bool Whole(LinearForm form, Var lane, long n) => Others(form, lane) % n == 0 && Alone(form, lane);

    private static Expr Divided(LinearForm form, Var lane, long n)
    {
        Expr sum = form.Constant / n;
        foreach (var (atom, coefficient) in form.Terms)
        {
            if (!ReferenceEquals(atom, lane))
                sum = Op.Add(sum, Op.Mul(atom, coefficient / n));
        }
        return sum;
    }
}
