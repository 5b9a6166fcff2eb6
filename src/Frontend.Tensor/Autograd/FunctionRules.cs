using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Calls;

namespace Picograd.Autograd;

/// <summary>
/// Rules of functions of the table (<see cref="ScalarFunctions"/>): the library's kernel NAME_grad, or, where the gradient itself is to be
/// differentiated, the derivative's expression in tensor operators.
/// </summary>
internal static class FunctionRules
{
    /// <summary>Of a function of one tensor.</summary>
    public static Rule Of(string name)
    {
        var function = ScalarFunctions.Find(name)!;
        if (function.Derivatives is [null])
            return Derivatives.Flat;
        bool ofResult = function.DerivativeUsesResult(0, DType.Float32);
        var kernel = new Operator($"{name}_grad");
        return new Rule(
            name,
            ofResult ? Saves.Output : Saves.A,
            (n, g) =>
            {
                var saved = ofResult ? n.Output : n.A;
                n.Send(0, GradMode.Enabled ? InTensors(function, [saved], 0, g) : kernel.Run(saved, g));
            }
        );
    }

    /// <summary>Of a function of two tensors, whose derivatives are written with the arguments.</summary>
    public static Rule OfTwo(string name)
    {
        var function = ScalarFunctions.Find(name)!;
        return new Rule(
            name,
            Saves.A | Saves.B,
            (n, g) =>
            {
                for (int i = 0; i < 2; i++)
                {
                    if (n.Needs(i))
                        n.Send(i, InTensors(function, [n.A, n.B], i, g));
                }
            }
        );
    }

    private static Tensor InTensors(ScalarFunction function, ImmutableArray<Tensor> saved, int argument, Tensor g)
    {
        var type = g.DType == DType.Float64 ? DType.Float64 : DType.Float32;
        Expr Leaf(string name) => new Algorithms.Buffer(name, type, [])[[]];
        ImmutableArray<Expr> x = [.. saved.Select((_, i) => Leaf($"x{i}"))];
        var gradient = Leaf("g");
        var known = new Dictionary<Expr, object>(ReferenceEqualityComparer.Instance) { [gradient] = g };
        for (int i = 0; i < x.Length; i++)
            known[x[i]] = saved[i];
        return (Tensor)Value(DerivativeRules.Of(function, x, x[0], argument, gradient)!, known);
    }

    // A tensor, or a double for what is the same everywhere.
    private static object Value(Expr e, Dictionary<Expr, object> known)
    {
        if (known.TryGetValue(e, out object? before))
            return before;
        object Of(Expr part) => Value(part, known);
        return known[e] = e switch
        {
            FloatImm f => f.Value,
            Unary { Kind: UnaryOp.Neg } u => -(Tensor)Of(u.A),
            Unary u when ScalarFunctions.Of(u.Kind) is { } function => Tensor.Apply(
                UnaryFunction.Of(function.Name),
                (Tensor)Of(u.A)
            ),
            Binary b when ScalarFunctions.Of(b.Kind) is { } function => Both(
                BinaryFunction.Of(function.Name),
                Of(b.A),
                Of(b.B)
            ),
            Select s => (Of(s.Then), Of(s.Else)) switch
            {
                (Tensor a, Tensor b) => Tensor.Where((Tensor)Of(s.Cond), a, b),
                (Tensor a, double b) => Tensor.Where((Tensor)Of(s.Cond), a, b),
                (double a, Tensor b) => Tensor.Where((Tensor)Of(s.Cond), a, b),
                var (a, b) => Tensor.Where((Tensor)Of(s.Cond), (double)a, (double)b),
            },
            Apply { Arguments.Length: 1 } a => Tensor.Apply(UnaryFunction.Of(a.Function.Name), (Tensor)Of(a.A)),
            Apply { Arguments.Length: 2 } a => Both(
                BinaryFunction.Of(a.Function.Name),
                Of(a.Arguments[0]),
                Of(a.Arguments[1])
            ),
            _ => throw new InvalidOperationException($"no tensor operator for {e}"),
        };
    }

    private static Tensor Both(BinaryFunction function, object a, object b) =>
        (a, b) switch
        {
            (Tensor x, Tensor y) => Tensor.Apply(function, x, y),
            (Tensor x, double y) => Tensor.Apply(function, x, y),
            (double x, Tensor y) => Tensor.Apply(function, y, x, numberFirst: true),
            _ => throw new InvalidOperationException($"{function.Name} of two numbers"),
        };
}
