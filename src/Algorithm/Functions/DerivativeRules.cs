using System.Collections.Immutable;

namespace Picograd.Algorithms.Functions;

/// <summary>
/// The slopes of every node of an expression: what an operand gets of the gradient of the node. Rules are PyTorch's at ties, at kinks
/// and at NaN; they come from the table of functions.
/// </summary>
public static class DerivativeRules
{
    /// <summary>What operand <paramref name="operand"/> gets; null where that is 0 wherever it is.</summary>
    /// <param name="node">Operation, select, conversion or call, over floats; indices of loads are not differentiated.</param>
    /// <param name="result">The value of the node: the node itself, or the load of where it was stored.</param>
    /// <param name="operand">In the order of <see cref="ExprRewriter.Children"/>.</param>
    /// <param name="g">Gradient of the node, of its type.</param>
    /// <exception cref="ArgumentException">The node has no such operand, or is of a kind that has no gradient rule (bit casts).</exception>
    public static Expr? Of(Expr node, Expr result, int operand, Expr g)
    {
        switch (node)
        {
            case Unary u when ScalarFunctions.Of(u.Kind) is { } function:
                return Of(function, [u.A], result, operand, g);
            case Binary b when ScalarFunctions.Of(b.Kind) is { } function:
                return Of(function, [b.A, b.B], result, operand, g);
            case Apply call:
                return Of(call.Function, call.Arguments, result, operand, g);
            case Fma f:
                return operand switch
                {
                    0 => g * f.B,
                    1 => g * f.A,
                    2 => g,
                    _ => throw NoOperand(node, operand),
                };
            case Select s:
                var zero = Op.Const(0, g.Type);
                return operand switch
                {
                    0 => null,
                    1 => Op.Select(s.Cond, g, zero),
                    2 => Op.Select(s.Cond, zero, g),
                    _ => throw NoOperand(node, operand),
                };
            case Cast c:
                return c.To.IsFloat() && c.A.Type.IsFloat() ? Op.Cast(c.A.Type, g) : null;
            default:
                throw new ArgumentException($"no gradient rule for {node.GetType().Name}: {node}", nameof(node));
        }
    }

    /// <summary>The same with the function and its arguments apart.</summary>
    public static Expr? Of(ScalarFunction function, ImmutableArray<Expr> arguments, Expr result, int operand, Expr g)
    {
        if (operand < 0 || operand >= function.Arity)
            throw new ArgumentException(
                $"{function.Name} has {function.Arity} arguments, there is none at {operand}",
                nameof(operand)
            );
        if (!function.Derivatives.IsDefault)
            return function.Derivatives[operand]?.Invoke(arguments, result, g);
        if (function.Definition is null)
            throw new ArgumentException($"{function.Name} has no derivative", nameof(function));
        return ThroughDefinition(function, arguments, operand, g);
    }

    // Over leaves in the place of the arguments, which are bound afterwards: an argument that is itself part of another one is not
    // confused with it.
    private static Expr? ThroughDefinition(ScalarFunction function, ImmutableArray<Expr> arguments, int operand, Expr g)
    {
        ImmutableArray<Expr> leaves = [.. arguments.Select((a, i) => (Expr)new Buffer($"x{i}", a.Type, [])[[]])];
        var gradient = Backward(function.Definition!(leaves), leaves[operand], g);
        return gradient?.Map(node => leaves.IndexOf(node) is var at and >= 0 ? arguments[at] : null);
    }

    /// <summary>The gradient of an expression with respect to a leaf of it; null where it is 0 everywhere.</summary>
    /// <param name="e">Of a float type.</param>
    /// <param name="leaf">A part of it, found by equality.</param>
    /// <param name="g">Gradient of the expression.</param>
    public static Expr? Backward(Expr e, Expr leaf, Expr g)
    {
        // Parents before parts: each part once, when all that uses it has sent its share.
        var order = new List<Expr>();
        var seen = new HashSet<Expr>();
        Collect(e);
        var shares = new Dictionary<Expr, Expr> { [e] = g };
        for (int i = order.Count - 1; i >= 0; i--)
        {
            var node = order[i];
            if (node.Equals(leaf))
                return shares.GetValueOrDefault(leaf);
            if (!shares.TryGetValue(node, out var share) || node is Load || !node.Children().Any())
                continue;
            int operand = 0;
            foreach (var child in node.Children())
            {
                if (child.Type.IsFloat() && Of(node, node, operand, share) is { } sent)
                    shares[child] = shares.TryGetValue(child, out var before) ? before + sent : sent;
                operand++;
            }
        }
        return null;

        void Collect(Expr node)
        {
            if (!seen.Add(node))
                return;
            if (!node.Equals(leaf) && node is not Load)
            {
                foreach (var child in node.Children())
                    Collect(child);
            }
            order.Add(node);
        }
    }

    private static ArgumentException NoOperand(Expr node, int operand) =>
        new($"{node.GetType().Name} has no operand {operand}: {node}", nameof(operand));
}
