using System.Globalization;
using System.Text;
using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.TuneDb.Text;

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
        var structure = new StringBuilder(spec.Name);
        var shapes = new List<string>();
        foreach (var key in spec.Definition.Keys)
        {
            if (!spec.Has(key.Name))
            {
                continue;
            }

            switch (key.Kind)
            {
                case KeyKind.Dimension:
                    shapes.Add(Extent(key.Name, spec.Dim(key.Name)));
                    // One product and a batch of them are different algorithms, not near shapes.
                    structure.Append(CultureInfo.InvariantCulture, $";{key.Name}{(spec.Dim(key.Name) == 1 ? "=1" : "")}");
                    break;
                case KeyKind.Shape:
                    var shape = spec.Shape(key.Name);
                    structure.Append(';').Append(key.Name);
                    for (var d = 0; d < shape.Length; d++)
                    {
                        shapes.Add(Extent($"{key.Name}{d}", shape[d]));
                        structure.Append(shape[d] == 1 ? '1' : 'n');
                    }

                    break;
                case KeyKind.Flag:
                    structure.Append(';').Append(key.Name).Append(spec.Flag(key.Name) ? "=1" : "=0");
                    break;
                case KeyKind.List:
                    structure.Append(';').Append(key.Name).Append('=').AppendJoin(',', spec.List(key.Name));
                    break;
                default:
                    structure.Append(';').Append(key.Name).Append('=').Append(spec.Choice(key.Name));
                    break;
            }
        }

        var arguments = spec.Build().Arguments;
        return new TuneKey(
            Digest.Short(structure.ToString()),
            string.Join(',', shapes),
            string.Join(',', arguments.Select(a => Algorithms.DTypes.Name(a.Type))),
            string.Join(',', arguments.Select(a => a.Strides.IsDefault ? "dense" : string.Join('/', a.Strides))),
            target.Fingerprint,
            CompilerVersion,
            policy
        );
    }

    private static string Extent(string name, long value) =>
        string.Create(CultureInfo.InvariantCulture, $"{name}={value}");
}
