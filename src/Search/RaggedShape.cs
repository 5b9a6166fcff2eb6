using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;

namespace Picograd.Search;

/// <summary>Shapes whose extents tiles do not divide, for checking a schedule where dispatch may replay it.</summary>
public static class RaggedShape
{
    /// <summary>
    /// What one run may compute. A replayed schedule can be fifty times slower where its tiles overhang (a product of 2047³
    /// took 4 s on the schedule of 2048³), and the check of one shape should not take longer than all the others.
    /// </summary>
    private const double MostFlops = 5e8;

    /// <summary>What its arguments may take.</summary>
    private const long MostBytes = 128L << 20;

    /// <summary>Points of which a neighbour may be evaluated to find out whether it makes sense.</summary>
    private const double MostPoints = 2e6;

    /// <summary>
    /// The same problem with every extent above 2 one less; where that is large, with its largest extents halved and
    /// odd. Of an operator its keys are changed. Of another algorithm its extents are, and where that makes it read out of
    /// bounds (a window whose places another extent counts), one after the other, as far as it still makes sense. Null where there
    /// is no such neighbour.
    /// </summary>
    public static Problem? Near(Problem problem)
    {
        ArgumentNullException.ThrowIfNull(problem);
        if (problem.Operator is { } spec)
            return Smaller(spec, With, e => Extents(e), s => s)?.Problem;
        return Smaller(problem, With, p => new AlgorithmExtents(p.Algorithm).Values, p => p);
    }

    private static T? Smaller<T>(
        T whole,
        Func<T, Func<long, long>, T?> with,
        Func<T, IEnumerable<long>> extents,
        Func<T, Problem> problemOf
    )
        where T : class
    {
        var near = with(whole, e => e > 2 ? e - 1 : e);
        while (near is not null && problemOf(near) is var p && (p.Flops > MostFlops || p.MinBytes > MostBytes))
        {
            long largest = extents(near).DefaultIfEmpty(0).Max();
            if (largest <= 3 || with(near, e => e == largest ? (e / 2) | 1 : e) is not { } half || half.Equals(near))
                break;
            near = half;
        }
        return whole.Equals(near) ? null : near;
    }

    private static IEnumerable<long> Extents(OperatorSpec spec) =>
        spec
            .Definition.Keys.Where(k => spec.Has(k.Name))
            .SelectMany(k =>
                k.Kind switch
                {
                    KeyKind.Dimension => [spec.Dim(k.Name)],
                    KeyKind.Shape => spec.Shape(k.Name).AsEnumerable(),
                    _ => [],
                }
            );

    private static OperatorSpec? With(OperatorSpec spec, Func<long, long> extent)
    {
        var pairs = new List<(string, string)>();
        foreach (var key in spec.Definition.Keys.Where(k => spec.Has(k.Name)))
        {
            string text = key.Kind switch
            {
                KeyKind.Dimension => FormattableString.Invariant($"{extent(spec.Dim(key.Name))}"),
                KeyKind.Shape => string.Join('x', spec.Shape(key.Name).Select(extent)),
                _ => spec.Choice(key.Name),
            };
            pairs.Add((key.Name, text));
        }
        try
        {
            return OperatorSpec.Of(spec.Name, [.. pairs]);
        }
        catch (OperatorSpecException)
        {
            // Keys that constrain one another (a product of extents, say): there is no such neighbour.
            return null;
        }
    }

    private static Problem? With(Problem problem, Func<long, long> extent)
    {
        var extents = new AlgorithmExtents(problem.Algorithm);
        long[] all = [.. extents.Values.Select(extent)];
        if (Changed(problem, extents, all) is { } whole)
            return whole;
        long[] kept = [.. extents.Values];
        Problem? changed = null;
        for (int i = 0; i < kept.Length; i++)
        {
            if (all[i] == kept[i])
                continue;
            (long before, kept[i]) = (kept[i], all[i]);
            if (Changed(problem, extents, kept) is { } one)
                changed = one;
            else
                kept[i] = before;
        }
        return changed;
    }

    // The problem with other extents, if it still makes sense there.
    private static Problem? Changed(Problem problem, AlgorithmExtents extents, long[] values)
    {
        var algorithm = extents.With(values);
        // Indices stay below what they index.
        long Limit(long limit)
        {
            for (int i = 0; i < values.Length; i++)
            {
                if (extents.Values[i] == limit)
                    limit = Math.Min(limit, values[i]);
            }
            return limit;
        }
        var changed = Problem.Of(
            algorithm,
            [
                .. problem.Domains.Select(d =>
                    d.Kind == DomainKind.Index ? InputDomain.Index(Math.Max(1, Limit(d.Limit))) : d
                ),
            ]
        );
        return MakesSense(changed) ? changed : null;
    }

    // The evaluator refuses what reads or writes out of bounds; a large one is looked at in part.
    private static bool MakesSense(Problem problem)
    {
        try
        {
            SampledEvaluator.Run(problem.Algorithm, problem.MakeInputs(1), MostPoints, 1);
            return true;
        }
        catch (EvaluationException)
        {
            return false;
        }
        catch (ArgumentException)
        {
            // An extent or a divisor came to be 0 or negative.
            return false;
        }
    }
}
