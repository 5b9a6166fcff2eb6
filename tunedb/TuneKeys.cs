using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules;

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
        var algorithm = problem.Algorithm;
        // An extent of 0 has no logarithm: nearness leaves such shapes alone.
        var shapes = new AlgorithmExtents(algorithm).Values.Select((value, i) => Extent($"e{i}", Math.Max(value, 1)));
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

    private static string Extent(string name, long value) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}={value}");
}
