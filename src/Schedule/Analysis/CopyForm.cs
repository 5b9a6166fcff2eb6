using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Analysis;

/// <summary>
/// A store that only moves an element, as asynchronous copies do: to[place] = from[source], or select(valid, from[source], 0).
/// </summary>
internal sealed record CopyForm(Buffer To, ImmutableArray<Expr> Place, Load Source, Expr? Valid)
{
    /// <summary>The form of a store, or why it has none, in a few words.</summary>
    public static (CopyForm? Form, string? Why) Of(Buffer to, ImmutableArray<Expr> place, Expr value)
    {
        Expr? valid = null;
        if (
            value is Select { Else: IntImm { Value: 0 } or FloatImm { Value: 0 } } select
            && IsPositiveZero(select.Else)
        )
            (value, valid) = (select.Then, select.Cond);
        if (value is not Load source)
            return (null, $"it computes {value}, and asynchronous copies only move elements (or set them to zero)");
        if (source.Buffer.Type != to.Type)
            return (null, $"it converts {source.Buffer.Type.Name()} to {to.Type.Name()}");
        if (source.Buffer.Scope is not (Scope.Global or Scope.Heap))
            return (
                null,
                $"it reads {source.Buffer.Name} in {source.Buffer.Scope.Text()} memory, not in device memory"
            );
        if (to.Scope != Scope.Shared)
            return (null, $"it writes {to.Name} in {to.Scope.Text()} memory, not in shared memory");
        return (new CopyForm(to, place, source, valid), null);
    }

    /// <summary>Why neighbours along a vector loop cannot be copied as one piece; null where they can.</summary>
    public static string? WhyNotRun(Buffer buffer, ImmutableArray<Expr> index, For? vector, Simplifier simplifier)
    {
        var offset = LinearForm.Of(simplifier.Visit(buffer.Offset(index)));
        long lanes = vector?.ConstantExtent ?? 1;
        if (vector is null || lanes == 1)
            return null;
        if (offset.CoefficientOf(vector.Var) != 1)
            return $"{vector.Name} does not run along neighbours of {buffer.Name}";
        if (offset.Terms.Any(t => t.Atom != vector.Var && t.Atom.Uses(vector.Var)))
            return $"the index of {buffer.Name} is not linear in {vector.Name}";
        if (buffer.Swizzle is { } swizzle && lanes * buffer.Type.Size() > 1L << swizzle.Base)
            return $"a vector of {lanes} elements is longer than the {1L << swizzle.Base} bytes that the swizzle of {buffer.Name} leaves side by side";
        var rest = (offset - LinearForm.Of(vector.Var)).ToExpr();
        return Divisibility.Divides(lanes, rest)
            ? null
            : $"a vector of {lanes} elements of {buffer.Name} may start at {rest}, which is not always a multiple of {lanes}";
    }

    private static bool IsPositiveZero(Expr e) => e is not FloatImm f || !double.IsNegative(f.Value);
}
