using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms;

/// <summary>
/// An elementary or composed function of the table at its arguments; made by <see cref="Op.Call(ScalarFunction, ReadOnlySpan{Expr})"/>.
/// </summary>
public sealed record Apply : Expr
{
    internal Apply(ScalarFunction function, ImmutableArray<Expr> arguments)
    {
        Function = function;
        Arguments = arguments;
        Meaning = function.Definition?.Invoke(arguments);
    }

    public ScalarFunction Function { get; }

    public ImmutableArray<Expr> Arguments { get; }

    /// <summary>The only argument of a function of one.</summary>
    public Expr A => Arguments[0];

    /// <summary>What a composed function stands for here; null for an elementary one.</summary>
    public Expr? Meaning { get; }

    public override DType Type => Meaning?.Type ?? Arguments[0].Type;

    public bool Equals(Apply? other) =>
        ReferenceEquals(this, other)
        || (
            other is not null
            && ReferenceEquals(Function, other.Function)
            && Arguments.AsSpan().SequenceEqual(other.Arguments.AsSpan())
        );

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(Function.Name);
        foreach (var argument in Arguments)
            hash.Add(argument);
        return hash.ToHashCode();
    }
}

/// <summary>Questions about functions in expressions.</summary>
public static class Applications
{
    /// <summary>The expression with composed functions replaced by what they stand for; parts that are shared stay shared.</summary>
    public static Expr Inlined(this Expr e)
    {
        if (!e.Any(n => n is Apply { Meaning: not null }))
            return e;
        var done = new Dictionary<Expr, Expr>(ReferenceEqualityComparer.Instance);
        return Visit(e);

        Expr Visit(Expr node)
        {
            if (done.TryGetValue(node, out var known))
                return known;
            var result = node is Apply { Meaning: { } meaning } ? Visit(meaning) : node.WithChildren(Visit);
            done[node] = result;
            return result;
        }
    }

    /// <summary>Whether the node takes more than a step of arithmetic: a function of many, or a root or rounding.</summary>
    public static bool IsFunction(this Expr e) =>
        e switch
        {
            Apply { Meaning: { } meaning } => meaning.Any(IsFunction),
            Apply => true,
            Unary u => u.Kind > UnaryOp.Abs,
            _ => false,
        };
}
