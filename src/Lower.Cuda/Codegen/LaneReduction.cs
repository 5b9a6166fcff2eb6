using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Combines values of the lanes of a warp by shuffles: a butterfly, nearest lanes first. Every lane combines the same
/// operands in the same order (the lower lane's on the left), so all get the same bits.
/// </summary>
internal static class LaneReduction
{
    // Combining these is commutative to the bit, so the order of operands needs no test.
    private static readonly HashSet<string> s_symmetric = ["sum", "prod", "max", "min", "any", "all"];

    public static void Write(StmtWriter statements, LaneReduce reduce)
    {
        var kernel = statements.Kernel;
        string mask = kernel.Names.Fresh("mask");
        long end = (long)reduce.Width * reduce.Stride;
        if (reduce.Width == 1)
            return;
        statements.Line("#pragma unroll");
        statements.Line($"for (int {mask} = {reduce.Stride}; {mask} < {end}; {mask} <<= 1) {{");
        statements.Nested(null, () => Step(statements, reduce, mask));
        statements.Line("}");
    }

    private static void Step(StmtWriter statements, LaneReduce reduce, string mask)
    {
        var kernel = statements.Kernel;
        var mine = new List<Expr>();
        var other = new List<Expr>();
        foreach (var output in reduce.Outputs)
        {
            Expr own = new Load(output, reduce.Indices);
            string name = kernel.Names.Fresh(output.Name + "_other");
            string type = CText.Value(own.Type);
            string shuffled = $"__shfl_xor_sync(0xffffffffu, {Shuffled(statements, own)}, {mask})";
            statements.Line($"const {type} {name} = {Back(own.Type, shuffled)};");
            mine.Add(own);
            other.Add(new Named(name, own.Type));
        }
        var (lhs, rhs) = (mine, other);
        if (!s_symmetric.Contains(reduce.Reducer.Name))
        {
            string upper = kernel.Names.Fresh("upper");
            statements.Line($"const bool {upper} = ({kernel.Thread} & {mask}) != 0;");
            var isUpper = new Named(upper, DType.Bool);
            lhs = [.. mine.Zip(other, (m, o) => (Expr)statements.Temporary(Op.Select(isUpper, o, m), "lower_lane"))];
            rhs = [.. mine.Zip(other, (m, o) => (Expr)statements.Temporary(Op.Select(isUpper, m, o), "upper_lane"))];
        }
        var combined = reduce.Reducer.Combine([.. lhs], [.. rhs]);
        var stores = reduce.Outputs.Zip(combined, (o, v) => new Store(o, reduce.Indices, v));
        var all = new StoreAll([.. stores]);
        statements.Write(all.Stores.Length == 1 ? all.Stores[0] : all);
    }

    // Shuffles exist for 4- and 8-byte types.
    private static string Shuffled(StmtWriter statements, Expr value) =>
        value.Type == DType.Bool || value.Type.Info().IsNarrow
            ? $"(int)({statements.Values.Write(value)})"
            : statements.Values.Write(value);

    private static string Back(DType type, string text) =>
        type switch
        {
            DType.Bool => $"{text} != 0",
            _ when type.Info().IsNarrow => $"({CText.Value(type)}){text}",
            _ => text,
        };
}
