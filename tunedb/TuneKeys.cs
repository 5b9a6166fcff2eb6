using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.TuneDb;

/// <summary>The key of a problem on a target: search stores under it, dispatch looks up by it.</summary>
public static class TuneKeys
{
    /// <summary>The policy that dispatch serves: operands as the last kernel left them in the cache.</summary>
    public const string WarmPolicy = "warm";

    /// <summary>
    /// The key of a problem under a measurement policy. Names do not count: an operator instance and its algorithm from a text have
    /// the same.
    /// </summary>
    public static TuneKey Of(Problem problem, TargetInfo target, string policy = WarmPolicy)
    {
        ArgumentNullException.ThrowIfNull(problem);
        ArgumentNullException.ThrowIfNull(target);
        // A range is of the family of its members, so that they find it.
        var algorithm = problem.AtPoint.Algorithm;
        var values = new AlgorithmExtents(algorithm).Values;
        var bounds = problem.IsRange ? BoundsOf(problem) : new long?[values.Count];
        // An extent of 0 has no logarithm: nearness leaves such shapes alone.
        var shapes = values.Select(
            (value, i) => Extent(bounds[i] is null ? $"e{i}" : $"e{i}<", Math.Max(bounds[i] ?? value, 1))
        );
        var arguments = algorithm.Arguments;
        return new TuneKey(
            AlgorithmHash.Family(algorithm),
            string.Join(',', shapes),
            string.Join(',', arguments.Select(a => a.Type.Name())),
            string.Join(',', arguments.Select(a => a.Strides.IsDefault ? "dense" : string.Join('/', a.Strides))),
            target.Fingerprint,
            CompilerVersion.Of(target),
            policy
        );
    }

    // Extents that differ between the ends of a range are known by their bounds only.
    private static long?[] BoundsOf(Problem problem)
    {
        var parameters = problem.Algorithm.Parameters;
        long[] Values(Func<Parameter, long> of) =>
            [.. new AlgorithmExtents(problem.At([.. parameters.Select(of)]).Algorithm).Values];
        var (least, most) = (Values(p => p.Min), Values(p => p.Max));
        return [.. least.Zip(most, (low, high) => low == high ? (long?)null : high)];
    }

    private static string Extent(string name, long value) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}={value}");
}
