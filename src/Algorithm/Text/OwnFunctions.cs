using System.Collections.Immutable;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Text;

/// <summary>
/// Functions of a program's own, which no table has, in texts: another program reads what they stand for. A composed one is
/// its definition, an elementary one its expansion for the dtype.
/// </summary>
internal static class OwnFunctions
{
    /// <summary>The algorithm without them, but for those that have no expansion.</summary>
    public static Algorithm Written(Algorithm algorithm)
    {
        bool Has(Stage s) => Parts(s).Any(e => e.Any(n => n is Apply a && Meaning(a) is not null));
        if (!algorithm.Stages.Any(Has))
            return algorithm;
        var reducers = new Dictionary<Reducer, Reducer>(ReferenceEqualityComparer.Instance);
        Reducer Of(Reducer r)
        {
            if (!reducers.TryGetValue(r, out var written))
                reducers[r] = written = r.Result.Any(e => e.Any(n => n is Apply))
                    ? Reducer.Of(r.Name, r.Identity, [.. r.Result.Select(Written)])
                    : r;
            return written;
        }
        return new(
            algorithm.Name,
            algorithm.Parameters,
            algorithm.Inputs,
            algorithm.Outputs,
            [
                .. algorithm.Stages.Select(s =>
                    Has(s)
                        ? s with
                        {
                            Indices = [.. s.Indices.Select(Written)],
                            Values = [.. s.Values.Select(Written)],
                            Reducer = s.Reducer is null ? null : Of(s.Reducer),
                        }
                        : s
                ),
            ]
        );
    }

    /// <summary>A function that is in no table and has nothing to be written for it; null where there is none.</summary>
    public static ScalarFunction? Unwritten(Algorithm algorithm)
    {
        ScalarFunction? found = null;
        foreach (var part in algorithm.Stages.SelectMany(Parts))
            part.Any(n =>
            {
                if (n is Apply a && IsOwn(a.Function) && Meaning(a) is null)
                    found = a.Function;
                return found is not null;
            });
        return found;
    }

    private static bool IsOwn(ScalarFunction function) => ScalarFunctions.Find(function.Name) != function;

    // Of parts that are shared one, so that these stay shared.
    private static Expr Written(Expr e)
    {
        var done = new Dictionary<Expr, Expr>(ReferenceEqualityComparer.Instance);
        return Visit(e);

        Expr Visit(Expr node)
        {
            if (!done.TryGetValue(node, out var result))
                done[node] = result =
                    node is Apply a && Meaning(a) is { } meaning ? Visit(meaning) : node.WithChildren(Visit);
            return result;
        }
    }

    private static Expr? Meaning(Apply a) => IsOwn(a.Function) ? a.Meaning ?? a.Function.Expand(a.Arguments) : null;

    private static IEnumerable<Expr> Parts(Stage s) => s.Indices.Concat(s.Values).Concat(s.Reducer?.Result ?? []);
}
