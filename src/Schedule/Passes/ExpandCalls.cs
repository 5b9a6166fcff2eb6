using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Passes;

/// <summary>
/// Uses of intrinsics that a back end has no template for become the plain nests of their meanings. Runs before blocks
/// are lowered.
/// </summary>
public static class ExpandCalls
{
    /// <summary>Expands every call.</summary>
    public static LoopNest Run(LoopNest nest) => Run(nest, _ => false);

    /// <summary>Expands the calls of all intrinsics for which there is no template.</summary>
    public static LoopNest Run(LoopNest nest, Predicate<Intrinsic> hasTemplate)
    {
        var names = nest.Loops.Select(l => l.Name).Concat(nest.Blocks.Select(b => b.Name)).ToHashSet();
        int count = 0;
        return nest with
        {
            Body = nest.Body.Map(s =>
            {
                if (s is not Call call || hasTemplate(call.Intrinsic))
                    return null;
                string prefix;
                do prefix = $"{call.Intrinsic.Name}.{count++}";
                while (names.Any(n => n == prefix || n.StartsWith(prefix + ".", StringComparison.Ordinal)));
                return Intrinsic.Expand(call, prefix);
            }),
        };
    }
}
