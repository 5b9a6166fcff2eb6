using System.Globalization;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Baselines;

namespace Picograd.Tune;

/// <summary>Operator instances as baselines know them, with fewer options; which types they take is theirs to say.</summary>
internal static class BaselineCases
{
    /// <summary>The same work as a case for baselines; null where they have nothing like it.</summary>
    public static OperatorCase? Of(OperatorSpec spec, OperatorMemory memory, int threads)
    {
        if (Attributes(spec) is not var (name, attributes))
            return null;
        var type = spec.Has("dtype") ? spec.Type() : DType.Float32;
        var addresses = memory.AddressList;
        return new OperatorCase(
            name,
            attributes.ToDictionary(a => a.Key, a => a.Value),
            [.. addresses.Take(memory.Inputs)],
            [.. addresses.Skip(memory.Inputs)],
            threads
        )
        {
            Type = type,
            Tf32 = spec.Has("tf32") && spec.Flag("tf32"),
        };
    }

    private static (string Name, IEnumerable<(string Key, long Value)> Attributes)? Attributes(OperatorSpec spec)
    {
        switch (spec.Name)
        {
            case "matmul" when spec.Choice("act") == "none" && !spec.Flag("bias") && spec.Choice("bcast") == "none":
                return ("matmul", Numbers(spec, "m", "n", "k", "ta", "tb", "batch"));
            case "softmax" or "log_softmax":
                return (spec.Name, Numbers(spec, "rows", "cols"));
            case "layernorm" when spec.Real("eps") == 1e-5:
                return ("layernorm", Numbers(spec, "rows", "cols", "affine"));
            case "transpose":
                return ("transpose", Numbers(spec, "rows", "cols"));
            case "conv2d" when Array.TrueForAll(OneEach, key => spec.List(key).Length == 1):
                return (
                    "conv2d",
                    Numbers(spec, "n", "c", "h", "w", "oc", "kh", "kw", "stride", "pad", "dil", "groups", "bias")
                );
            case "sum" when spec.Has("axis"):
                return ("sum", Numbers(spec, "rows", "cols", "axis"));
            case "tanh" or "exp":
                return (spec.Name, Numbers(spec, "n"));
            case "add" when spec.Has("n"):
                return ("add", Numbers(spec, "n"));
            case "add" when spec.Choice("a") == spec.Choice("b"):
                return ("add", [("n", spec.Shape("a").Aggregate(1L, (product, extent) => product * extent))]);
            case "cross_entropy":
                return ("cross_entropy", Numbers(spec, "rows", "classes"));
            case "embedding":
                return ("embedding", Numbers(spec, "vocab", "dim", "rows"));
            case "copy"
                when spec.Shape("shape") is [var rows, var cols]
                    && spec.List("strides") is [1, var stride]
                    && stride == rows:
                return ("transpose", [("rows", cols), ("cols", rows)]);
            default:
                return null;
        }
    }

    // What baselines have one number of for both dimensions.
    private static readonly string[] OneEach = ["stride", "pad", "dil"];

    private static IEnumerable<(string Key, long Value)> Numbers(OperatorSpec spec, params string[] keys) =>
        keys.Select(k => (k, long.Parse(spec.Choice(k), CultureInfo.InvariantCulture)));
}
