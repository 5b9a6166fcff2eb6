using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd.Autograd;

/// <summary>
/// The table of derivatives. In each row n holds what the operator saved (A, B, C: its inputs; Output), g is the gradient
/// of the output, and Send gives an input its gradient, summed over what was broadcast. Where a slope is 0 because the result does
/// not depend on the input there, the rows select instead of multiplying: 0 times an infinite gradient is not a number.
/// Operators that are not here have the derivative of their algorithm (<see cref="AdjointOperator"/>).
/// </summary>
internal static partial class Derivatives
{
    // Arithmetic.

    public static readonly Rule Add = new(
        "add",
        Saves.Nothing,
        static (n, g) =>
        {
            n.Send(0, g);
            n.Send(1, g);
        }
    );

    public static readonly Rule Sub = new(
        "sub",
        Saves.Nothing,
        static (n, g) =>
        {
            n.Send(0, g);
            if (n.Needs(1))
                n.Send(1, -g);
        }
    );

    // Data: the bounds; all goes through at the bounds, nothing at NaN.
    public static readonly Rule Clamp = new(
        "clamp",
        Saves.A,
        static (n, g) =>
        {
            var (low, high) = ((Scalar?, Scalar?))n.Data!;
            var above = low is { } min ? n.A >= min : null;
            var below = high is { } max ? n.A <= max : null;
            var passes =
                above is null ? below!
                : below is null ? above
                : above & below;
            n.Send(0, Tensor.Where(passes, g, Zero(g)));
        }
    );

    // Between B and C. Data: which of them there are. An element on a bound is A's own; nothing goes through at NaN.
    public static readonly Rule ClampBetween = new(
        "clamp",
        Saves.A | Saves.B | Saves.C,
        static (n, g) =>
        {
            var (bounded, limited) = ((bool, bool))n.Data!;
            if (n.Needs(0))
            {
                var passes = bounded ? n.A >= n.B : n.A <= n.C;
                n.Send(0, Tensor.Where(bounded && limited ? passes & (n.A <= n.C) : passes, g, Zero(g)));
            }
            if (n.Needs(1))
            {
                var below = n.A < n.B;
                n.Send(1, Tensor.Where(limited ? below & (n.B < n.C) : below, g, Zero(g)));
            }
            if (n.Needs(2))
            {
                var above = n.A > n.C;
                n.Send(2, Tensor.Where(bounded ? above | (n.C < n.B) : above, g, Zero(g)));
            }
        }
    );

    // With a plain number X; I is 1 where the number comes first.

    public static readonly Rule AddNumber = new("add", Saves.Nothing, static (n, g) => n.Send(0, g));

    public static readonly Rule SubNumber = new("sub", Saves.Nothing, static (n, g) => n.Send(0, n.I == 1 ? -g : g));

    public static readonly Rule MulNumber = new("mul", Saves.Nothing, static (n, g) => n.Send(0, g * n.X));

    public static readonly Rule DivNumber = new(
        "div",
        Saves.A,
        static (n, g) => n.Send(0, n.I == 1 ? -(g * (n.X / n.A / n.A)) : g / n.X)
    );

    // What does not depend on its input, or only by steps: rounding, the power 0.
    public static readonly Rule Flat = new("round", Saves.Nothing, static (n, g) => n.Send(0, Tensor.ZerosLike(g)));

    public static readonly Rule Clone = new("clone", Saves.Nothing, static (n, g) => n.Send(0, g));

    // Data: the device moved from.
    public static readonly Rule ToDevice = new(
        "to_device",
        Saves.Nothing,
        static (n, g) => n.Send(0, g.ToDevice((Device)n.Data!))
    );

    // I: the dtype converted from.
    public static readonly Rule Cast = new("to", Saves.Nothing, static (n, g) => n.Send(0, g.To((DType)n.I)));

    private static Tensor Zero(Tensor grad) => Tensor.Zeros([], grad.DType, grad.Device);
}
