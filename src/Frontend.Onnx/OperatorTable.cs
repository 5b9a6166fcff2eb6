using Picograd.Onnx.Operators;

namespace Picograd.Onnx;

/// <summary>All operators of the default domain that are run, by name.</summary>
internal static class OperatorTable
{
    private static readonly Dictionary<string, Operation> All = Made();

    public static IEnumerable<string> Names => All.Keys.Order(StringComparer.Ordinal);

    public static Operation? Find(string name) => All.GetValueOrDefault(name);

    private static Dictionary<string, Operation> Made()
    {
        var table = new Dictionary<string, Operation>();
        Elements.Add(table);
        Reductions.Add(table);
        Shapes.Add(table);
        Indexing.Add(table);
        Convolutions.Add(table);
        Pools.Add(table);
        Norms.Add(table);
        Losses.Add(table);
        Recurrent.Add(table);
        Resizing.Add(table);
        Sampling.Add(table);
        Quantisation.Add(table);
        Generators.Add(table);
        Control.Add(table);
        return table;
    }

    /// <summary>An operator of one result.</summary>
    public static void One(this Dictionary<string, Operation> table, string name, Func<Call, Tensor> operation) =>
        table.Add(name, call => [operation(call)]);
}
