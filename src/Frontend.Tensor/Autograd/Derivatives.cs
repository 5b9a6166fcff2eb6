using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;

namespace Picograd.Gradients;

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

    // With a plain number X; I is 1 where the number comes first.

    public static readonly Rule AddNumber = new("add", Saves.Nothing, static (n, g) => n.Send(0, g));

    public static readonly Rule SubNumber = new("sub", Saves.Nothing, static (n, g) => n.Send(0, n.I == 1 ? -g : g));

    public static readonly Rule MulNumber = new("mul", Saves.Nothing, static (n, g) => n.Send(0, g * n.X));

    public static readonly Rule DivNumber = new(
        "div",
        Saves.A,
        static (n, g) =>
        {
            if (n.I == 0)
            {
                n.Send(0, g / n.X);
                return;
            }
            // As if a tensor were divided: one kernel.
            var number = Tensor.Full([], n.X, n.A.DType, n.A.Device);
            Node.Of(((ElementFunction)ScalarFunctions.Div).Rule!, g, number, n.A).Apply(g);
        }
    );

    // What does not depend on its input, or only by steps: rounding, the power 0.
    public static readonly Rule Flat = new("round", Saves.Nothing, static (n, g) => n.Send(0, Tensor.ZerosLike(g)));

    /// <summary>The same of two inputs.</summary>
    public static readonly Rule FlatOfTwo = new(
        "div",
        Saves.Nothing,
        static (n, g) =>
        {
            n.Send(0, Tensor.ZerosLike(g));
            n.Send(1, Tensor.ZerosLike(g));
        }
    );

    // The sign has no slope.
    public static readonly Rule Copysign = new(
        "copysign",
        Saves.A | Saves.Output,
        static (n, g) =>
        {
            if (n.Needs(0))
                n.Send(0, Tensor.Where(n.A.Eq(0), Zero(g), g * (n.Output / n.A)));
            if (n.Needs(1))
                n.Send(1, Tensor.ZerosLike(g));
        }
    );

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
