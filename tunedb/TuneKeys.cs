using System.Globalization;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;

namespace Picograd.TuneDb;

/// <summary>The key of an operator instance on a target: search stores under it, dispatch looks up by it.</summary>
public static class TuneKeys
{
    /// <summary>
    /// Version of the lowering: raised when generated code changes so much that old times or traces no longer hold.
    /// </summary>
    public const string CompilerVersion = "1";

    /// <summary>The policy that dispatch serves: operands as the last kernel left them in the cache.</summary>
    public const string WarmPolicy = "warm";

    /// <summary>The key of an instance under a measurement policy.</summary>
    public static TuneKey Of(OperatorSpec spec, TargetInfo target, string policy = WarmPolicy)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(target);
        var shapes = new List<string>();
        foreach (var key in spec.Definition.Keys)
        {
            if (!spec.Has(key.Name))
            {
                continue;
            }

            if (key.Kind == KeyKind.Dimension)
            {
                shapes.Add(Extent(key.Name, spec.Dim(key.Name)));
            }
            else if (key.Kind == KeyKind.Shape)
            {
                shapes.AddRange(spec.Shape(key.Name).Select((extent, d) => Extent($"{key.Name}{d}", extent)));
            }
        }

        var algorithm = spec.Build();
        var arguments = algorithm.Arguments;
        return new TuneKey(
            AlgorithmHash.Family(algorithm),
            string.Join(',', shapes),
            string.Join(',', arguments.Select(a => a.Type.Name())),
            string.Join(',', arguments.Select(a => a.Strides.IsDefault ? "dense" : string.Join('/', a.Strides))),
            target.Fingerprint,
            CompilerVersion,
            policy
        );
    }

    private static string Extent(string name, long value) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}={value}");
}
