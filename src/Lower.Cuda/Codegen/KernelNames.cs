using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// Names that tell the schedule: what is written, its type, the tile of a block (and the piece of a reduction that it
/// takes at a time), the threads of a block. For instance matmul_f32_128x128x16_t256.
/// </summary>
internal static class KernelNames
{
    private const int MaxLength = 96;

    public static string Of(LoopNest nest, ParsedKernel kernel, bool isOnly)
    {
        var ranges = new Dictionary<Var, Interval>(nest.ParameterRanges);
        foreach (var block in kernel.Blocks)
            ranges[block.Var] = Interval.Point(0);
        ranges[kernel.Threads.Var] = new Interval(0, kernel.ThreadCount - 1);
        var stores = new List<(Store Store, Dictionary<Var, Interval> Ranges)>();
        var loads = new List<Load>();
        For? serial = null;
        Collect(kernel.Body, ranges, stores, loads, ref serial);
        var written = stores.LastOrDefault(s => s.Store.Buffer.Scope is Scope.Global or Scope.Heap).Store?.Buffer;
        string name = nest.Algorithm.Name + (isOnly || written is null ? "" : "_" + written.Name);
        if (written is not null)
        {
            name += "_" + written.Type.Name();
            var tile = new List<long>();
            for (int d = 0; d < written.Rank; d++)
            {
                long most = stores.Where(s => s.Store.Buffer == written).Max(s => Span(s.Store.Indices[d], s.Ranges));
                tile.Add(most);
            }
            if (serial is not null && Step(loads, serial, stores, ranges) is { } step)
                tile.Add(step);
            if (tile.All(t => t is > 0 and < 1L << 31) && tile.Count > 0)
                name += "_" + string.Join("x", tile);
        }
        name = NameTable.Identifier($"{name}_t{kernel.ThreadCount}");
        return name.Length <= MaxLength ? name : name[..MaxLength];
    }

    private static void Collect(
        Stmt stmt,
        Dictionary<Var, Interval> ranges,
        List<(Store, Dictionary<Var, Interval>)> stores,
        List<Load> loads,
        ref For? serial
    )
    {
        switch (stmt)
        {
            case For f:
                var inner = new Dictionary<Var, Interval>(ranges)
                {
                    [f.Var] = new(0, Math.Max(0, Interval.Of(f.Extent, ranges).Max - 1)),
                };
                if (f.Kind == LoopKind.Serial)
                    serial ??= f;
                Collect(f.Body, inner, stores, loads, ref serial);
                break;
            // Threads that do something else, as those that only copy, have no part in the tile.
            case If { Cond: Binary { Kind: BinaryOp.Lt, A: Var v, B: IntImm end } } i
                when ranges.TryGetValue(v, out var range):
                var narrower = new Dictionary<Var, Interval>(ranges)
                {
                    [v] = new(range.Min, Math.Min(range.Max, Math.Max(range.Min, end.Value - 1))),
                };
                Collect(i.Then, narrower, stores, loads, ref serial);
                if (i.Else is { } otherwise)
                    Collect(otherwise, ranges, stores, loads, ref serial);
                break;
            case Store s:
                stores.Add((s, ranges));
                loads.AddRange(s.Value.Loads());
                break;
            case StoreAll all:
                foreach (var s in all.Stores)
                    Collect(s, ranges, stores, loads, ref serial);
                break;
            default:
                foreach (var child in stmt.Children())
                    Collect(child, ranges, stores, loads, ref serial);
                break;
        }
    }

    // How far an index that the outermost serial loop moves goes in one of its iterations.
    private static long? Step(
        List<Load> loads,
        For serial,
        List<(Store Store, Dictionary<Var, Interval> Ranges)> stores,
        Dictionary<Var, Interval> ranges
    )
    {
        var index = loads
            .Where(l => l.Buffer.Scope == Scope.Global)
            .SelectMany(l => l.Indices)
            .FirstOrDefault(i => i.Uses(serial.Var));
        if (
            index is null
            || stores.Any(s => s.Store.Buffer.Scope == Scope.Global && s.Store.Indices.Any(i => i.Uses(serial.Var)))
        )
            return null;
        var all = new Dictionary<Var, Interval>(ranges);
        foreach (var (_, known) in stores)
        foreach (var (v, range) in known)
            all[v] = range;
        all[serial.Var] = Interval.Point(0);
        return Span(index, all);
    }

    private static long Span(Expr index, Dictionary<Var, Interval> ranges)
    {
        var range = new Simplifier(ranges).RangeOf(Simplifier.Simplify(index, ranges));
        return range.IsBounded ? range.Max - range.Min + 1 : 0;
    }
}
