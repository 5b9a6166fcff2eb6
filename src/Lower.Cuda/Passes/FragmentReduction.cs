using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Loops, nothing but loops inside one another, around <c>m[…] = m[…] ⊕ e</c>, where m is a fragment whose element they do not
/// choose: a reduction along one direction of another fragment, into a value a row (or a column).
/// </summary>
/// <param name="Loop">The outermost of them.</param>
/// <param name="Target">m[…].</param>
/// <param name="Reducer">⊕ with its identity.</param>
/// <param name="Term">e.</param>
/// <param name="Direction">Along which the loops go over elements.</param>
internal sealed record FragmentReduction(For Loop, Load Target, Reducer Reducer, Expr Term, FragmentDirection Direction)
{
    /// <summary>Null where the loop is none.</summary>
    public static FragmentReduction? Of(For loop, Func<Var, FragmentDirection?> directionOf)
    {
        FragmentDirection? direction = null;
        var variables = new List<Var>();
        Stmt body = loop;
        while (true)
        {
            if (body is For f && f.Kind is LoopKind.Serial or LoopKind.Unrolled or LoopKind.Vector)
            {
                if (directionOf(((For)body).Var) is { } along)
                {
                    if (direction is not null)
                        return null;
                    direction = along;
                }
                variables.Add(((For)body).Var);
                body = ((For)body).Body;
            }
            else if (body is If { Else: null } i)
            {
                body = i.Then;
            }
            else
            {
                break;
            }
        }
        if (direction is null || body is not Store { Buffer.Scope: Scope.Fragment } store)
            return null;
        var target = store.Buffer.At(store.Indices);
        if (store.Indices.Any(e => variables.Any(e.Uses)))
            return null;
        if (store.Value is not Binary { A: var a, B: var b } combine || (a == target) == (b == target))
            return null;
        Reducer? reducer = combine.Kind switch
        {
            BinaryOp.Add => Reducer.Sum(store.Buffer.Type),
            BinaryOp.Max => Reducer.Max(store.Buffer.Type),
            BinaryOp.Min => Reducer.Min(store.Buffer.Type),
            BinaryOp.Mul => Reducer.Prod(store.Buffer.Type),
            _ => null,
        };
        return reducer is null ? null : new(loop, target, reducer, a == target ? b : a, direction);
    }

    /// <summary>The loops with the sum of their own terms only, in element 0 of a buffer.</summary>
    public Stmt Into(Buffer part) =>
        Loop.MapUp(s => s is Store ? new Store(part, [0], Reducer.Combine([part[0]], [Term])[0]) : s);
}
