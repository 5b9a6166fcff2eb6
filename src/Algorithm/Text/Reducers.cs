namespace Picograd.Algorithms.Text;

/// <summary>The reducers that a text need not define.</summary>
internal static class Reducers
{
    public static IReadOnlyList<string> Known { get; } =
    ["sum", "prod", "max", "min", "any", "all", "last", "argmax", "argmin"];

    /// <summary>The reducer of a name over values of a type; null where there is none.</summary>
    public static Reducer? Find(string name, DType type) =>
        name switch
        {
            "any" or "all" when type != DType.Bool => null,
            "sum" or "prod" when type == DType.Bool => null,
            "sum" => Reducer.Sum(type),
            "prod" => Reducer.Prod(type),
            "max" => Reducer.Max(type),
            "min" => Reducer.Min(type),
            "any" => Reducer.Any(),
            "all" => Reducer.All(),
            "last" => Reducer.Last(type),
            "argmax" => Reducer.ArgMax(type),
            "argmin" => Reducer.ArgMin(type),
            _ => null,
        };

    public static bool AreSame(Reducer a, Reducer b) =>
        a.Identity.AsSpan().SequenceEqual(b.Identity.AsSpan()) && a.Result.AsSpan().SequenceEqual(b.Result.AsSpan());
}
