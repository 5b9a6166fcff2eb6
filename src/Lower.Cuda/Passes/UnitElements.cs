using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// Single rows and columns of fragments: a loop of one iteration is gone by the time fragments are distributed, and gets
/// its loop back here, so that the lane that holds the element is found as for all others. Of fragments that no instruction
/// uses, the last dimension counts as columns and the one before it (or the only one) as rows.
/// </summary>
internal static class UnitElements
{
    public static LoopNest Run(LoopNest nest)
    {
        var dims = new Dictionary<Buffer, (int Rows, int Columns)>();
        foreach (var call in nest.Body.Nodes().OfType<Call>())
        {
            for (int i = 0; i < call.Buffers.Length; i++)
            {
                if (call.Buffers[i].Scope == Scope.Fragment && call.Dims[i].Length == 2)
                    dims[call.Buffers[i]] = (call.Dims[i][0], call.Dims[i][1]);
            }
        }
        int count = 0;
        return nest with { Body = nest.Body.MapUp(s => s is Store store ? Visit(store) : s) };

        Stmt Visit(Store store)
        {
            var (row, column) = (new Var($"row.{count}"), new Var($"column.{count}"));
            var used = new HashSet<Var>();
            Expr In(Expr e) =>
                e.Map(n =>
                    n is Load l && l.Buffer.Scope == Scope.Fragment ? l.Buffer.At(Indices(l.Buffer, l.Indices)) : null
                );
            ImmutableArray<Expr> Indices(Buffer buffer, ImmutableArray<Expr> indices)
            {
                if (buffer.Scope != Scope.Fragment)
                    return indices;
                var (rows, columns) = dims.TryGetValue(buffer, out var known) ? known : Unknown(buffer);
                foreach (var (dim, unit) in new[] { (rows, row), (columns, column) })
                {
                    if (dim < 0 || HasElement(indices[dim]))
                        continue;
                    used.Add(unit);
                    indices = indices.SetItem(dim, indices[dim] + unit);
                }
                return indices;
            }
            Stmt result = new Store(store.Buffer, Indices(store.Buffer, store.Indices), In(store.Value));
            if (used.Count == 0)
                return store;
            count++;
            foreach (var unit in new[] { column, row }.Where(used.Contains))
                result = new For(unit, 1, LoopKind.Serial, result);
            return result;
        }
    }

    // Dimensions in front that storage placement has cut to one index (the batch's) are no rows.
    private static (int Rows, int Columns) Unknown(Buffer buffer)
    {
        int[] wide = [.. Enumerable.Range(0, buffer.Rank).Where(d => !buffer.Shape[d].IsConst(1))];
        if (buffer.Rank > 2 && wide.Length == 1)
            return (wide[0], -1);
        return (Math.Max(0, buffer.Rank - 2), buffer.Rank > 1 ? buffer.Rank - 1 : -1);
    }

    // Whether a variable moves the index by one.
    private static bool HasElement(Expr index) =>
        LinearForm.Of(index).Terms.Any(t => t is { Atom: Var, Coefficient: 1 });
}
