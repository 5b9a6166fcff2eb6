using System.Collections;
using System.Globalization;

namespace Picograd;

/// <summary>
/// Reads trees of state: dictionaries by name, lists, numbers, strings and tensors, as <c>StateDict()</c> of optimizers and schedulers
/// gives them and files keep them.
/// </summary>
internal static class StateTree
{
    public static IReadOnlyDictionary<string, object?> Dictionary(object? value, string key, string what) =>
        value as IReadOnlyDictionary<string, object?>
        ?? throw new ArgumentException($"{what}: '{key}' is {Kind(value)}, but must be a dictionary.");

    public static IReadOnlyList<object?> List(IReadOnlyDictionary<string, object?> tree, string key, string what) =>
        tree.GetValueOrDefault(key) switch
        {
            IReadOnlyList<object?> list => list,
            string => throw new ArgumentException($"{what}: '{key}' is a string, but must be a list."),
            IEnumerable several => [.. several.Cast<object?>()],
            var other => throw new ArgumentException($"{what}: '{key}' is {Kind(other)}, but must be a list."),
        };

    public static double Number(object? value, string key, string what) =>
        value switch
        {
            bool on => on ? 1 : 0,
            Tensor { NumElements: 1 } tensor => tensor.Item(),
            double or float or Half or int or long or byte or short or uint or ulong => Convert.ToDouble(
                value is Half half ? (double)half : value,
                CultureInfo.InvariantCulture
            ),
            _ => throw new ArgumentException($"{what}: '{key}' is {Kind(value)}, but must be a number."),
        };

    public static double Number(IReadOnlyDictionary<string, object?> tree, string key, string what) =>
        Number(tree.GetValueOrDefault(key), key, what);

    public static double[] Numbers(IReadOnlyDictionary<string, object?> tree, string key, string what) =>
        [.. List(tree, key, what).Select(v => Number(v, key, what))];

    public static string Kind(object? value) =>
        value switch
        {
            null => "missing",
            Tensor => "a tensor",
            string => "a string",
            bool => "a bool",
            IEnumerable => "a list or dictionary",
            _ => $"a {value.GetType().Name}",
        };
}
