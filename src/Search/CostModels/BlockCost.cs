using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Search.CostModels;

/// <summary>Estimated cycles of one block with the loops around it, by cause, on one thread.</summary>
internal sealed record BlockCost(
    double Arithmetic,
    double Moves,
    double Latency,
    double Spills,
    double Overhead,
    double Guards,
    double FromL2,
    double FromL3,
    double FromMemory,
    double ParallelShare,
    double ForkJoin,
    double Statements,
    double VectorShare,
    double Pressure,
    TileShape Tile
)
{
    // Round figures of current x64 and Arm64 cores; the residual learns what they miss on the machine at hand.
    private const double ArithmeticPerCycle = 2;
    private const double LoadsPerCycle = 2;
    private const double StoresPerCycle = 1;
    private const double ArithmeticLatency = 4;
    private const double MemoryLatency = 6;
    private const double LoopCycles = 1.5;
    private const double SpillCycles = 1;
    private const double GatherCyclesPerLane = 1.5;
    private const double L2BytesPerCycle = 64;
    private const double L3BytesPerCycle = 20;
    private const double MemoryBytesPerCycle = 6;

    /// <summary>
    /// A test before each statement of a register tile: the statements no longer share values, and accumulators go to
    /// memory and back. Measured on a 12 by 2 tile: some ten cycles a statement.
    /// </summary>
    private const double GuardCycles = 10;
    private const double ForkJoinCycles = 6_000;

    /// <summary>The part of a cache that is counted on: other data and conflicts take the rest.</summary>
    private const double UsableCache = 0.8;

    /// <summary>Cycles in all: the busiest of the units that work at the same time, and what adds to it.</summary>
    public double Total
    {
        get
        {
            double core = Math.Max(Math.Max(Arithmetic, Moves), Latency) + Spills + Overhead + Guards;
            double memory = FromL2 + FromL3 + FromMemory;
            // Out-of-order execution hides most of the smaller one.
            double serial = Math.Max(core, memory) + 0.2 * Math.Min(core, memory);
            return serial * ParallelShare + ForkJoin;
        }
    }

    /// <param name="block">The block.</param>
    /// <param name="loops">Around it, outermost first.</param>
    /// <param name="nest">Of which it is part.</param>
    /// <param name="target">Widths, registers, caches and threads.</param>
    public static BlockCost Of(Block block, IReadOnlyList<For> loops, LoopNest nest, TargetInfo target)
    {
        var ranges = nest.Ranges(loops);
        long[] extents = [.. loops.Select(l => Math.Max(1, Interval.Of(l.Extent, ranges).Max))];
        int n = loops.Count;
        double points = extents.Aggregate(1.0, (p, e) => p * e) * GuardedShare.Of(block, loops, extents);

        var stores = block
            .Outputs.Select(o => new AccessPattern(o, block.Indices, block, loops, extents, nest.ParameterRanges))
            .ToList();
        var loads = block
            .Loads.Distinct()
            .Select(l => new AccessPattern(l.Buffer, l.Indices, block, loops, extents, nest.ParameterRanges))
            .ToList();

        // The register tile: what is unrolled and vectorised innermost.
        int tile = n;
        while (tile > 0 && loops[tile - 1].Kind is LoopKind.Unrolled or LoopKind.Vector)
            tile--;
        int vector = -1;
        for (int i = tile; i < n; i++)
        {
            if (loops[i].Kind == LoopKind.Vector)
                vector = i;
        }
        int lanes = target.Lanes(block.Output.Type);
        double vectors = vector < 0 ? 1 : Math.Ceiling((double)extents[vector] / lanes);
        double tilePoints = 1;
        for (int i = tile; i < n; i++)
            tilePoints *= extents[i];
        double tileOperations = vector < 0 ? tilePoints : tilePoints / extents[vector] * vectors;
        double tiles = points / tilePoints;

        double arithmetic = tileOperations * Weight(block) / ArithmeticPerCycle;
        bool reduces = block.IsReduction;
        bool hoisted = reduces && tile > 0 && stores.All(s => !s.Depends[tile - 1]);
        double hoistedOver = hoisted ? extents[tile - 1] : 1;

        double moves = 0;
        double live = 0;
        double gathers = 0;
        double loadCount = 0;
        double broadcasts = 0;
        foreach (var load in loads)
        {
            double count = Instructions(load, tile, vector, vectors, extents, out double cycles);
            bool invariant = tile > 0 && !load.Depends[tile - 1];
            if (!load.IsRegister)
            {
                moves += cycles / LoadsPerCycle / (invariant ? extents[tile - 1] : 1);
                if (cycles > count)
                    gathers += cycles / LoadsPerCycle / (invariant ? extents[tile - 1] : 1);
                if (!invariant && vector >= 0 && !load.Depends[vector])
                    broadcasts += count;
                if (!invariant)
                    loadCount += count;
            }
            // What changes in every iteration streams through a few registers; what does not would like to stay.
            live +=
                load.IsRegister || invariant
                    ? count
                    : Math.Min(count, vector >= 0 && load.Depends[vector] ? vectors : 1);
        }
        double accumulators = 0;
        foreach (var store in stores)
        {
            double count = Instructions(store, tile, vector, vectors, extents, out double cycles);
            accumulators += reduces ? count : Math.Min(count, 1);
            if (!store.IsRegister)
                moves += (cycles / StoresPerCycle + (reduces ? cycles / LoadsPerCycle : 0)) / hoistedOver;
        }
        double pressure = accumulators + live + 1;
        double excess = Math.Max(0, pressure - target.VectorRegisters);

        double latency = reduces
            ? tileOperations
                / Math.Max(1, accumulators)
                * (hoisted ? ArithmeticLatency : ArithmeticLatency + MemoryLatency)
            : 0;
        double overhead = LoopCycles * tiles;
        double outer = 1;
        for (int i = 0; i < tile - 1; i++)
            overhead += LoopCycles * (outer *= extents[i]);
        double guards =
            GuardCycles * tileOperations * tiles * GuardedShare.StatementTests(block, loops, extents, tile, vector);

        var all = stores
            .Concat(loads)
            .Where(a => !a.IsRegister)
            .DistinctBy(a => (a.Buffer, a.Footprint(0), a.Footprint(n)))
            .ToList();
        var (share, forks) = Parallelism(loops, extents, target);
        int threads = Math.Max(1, target.Threads);
        return new BlockCost(
            arithmetic * tiles,
            moves * tiles,
            latency * tiles,
            excess * SpillCycles * tiles,
            overhead,
            guards,
            Traffic(all, extents, target.L1Bytes) / L2BytesPerCycle,
            Traffic(all, extents, target.L2Bytes) / L3BytesPerCycle,
            Traffic(all, extents, target.L3Bytes / (share < 1 ? threads : 1)) / MemoryBytesPerCycle,
            share,
            forks * ForkJoinCycles,
            tileOperations * (1 + loads.Count),
            vector < 0 ? 0 : extents[vector] / (vectors * lanes),
            pressure,
            new TileShape(
                tileOperations,
                vectors,
                accumulators,
                tile > 0 ? extents[tile - 1] : 1,
                tile > 1 ? extents[tile - 2] : 1,
                hoisted,
                gathers / Math.Max(1e-9, moves),
                loads.Count == 0 ? 0 : loadCount / Math.Max(1, tileOperations),
                all.Sum(a => a.Footprint(Math.Max(0, tile - 1))),
                all.Sum(a => a.Footprint(Math.Max(0, tile - 2))),
                all.Sum(a => a.Footprint(0)),
                Aliasing(loads, tile - 1, vectors, extents),
                Aliasing(loads, tile - 2, vectors, extents),
                broadcasts / Math.Max(1, loadCount),
                accumulators / hoistedOver / Math.Max(1, tileOperations),
                block.Reducer is null && block.Values.All(v => v is Load),
                points / extents.Aggregate(1.0, (p, e) => p * e),
                loops.Any(l => l.Peel),
                tile
            )
        );
    }

    /// <summary>Instructions that a tile needs for an access, and their cost in units of a plain vector access.</summary>
    private static double Instructions(
        AccessPattern access,
        int tile,
        int vector,
        double vectors,
        long[] extents,
        out double cycles
    )
    {
        double count = 1;
        for (int i = tile; i < extents.Length; i++)
        {
            if (i != vector && access.Depends[i])
                count *= extents[i];
        }
        cycles = count;
        if (vector < 0 || !access.Depends[vector])
            return count;
        cycles = count * (Math.Abs(access.Strides[vector]) == 1 ? vectors : extents[vector] * GatherCyclesPerLane);
        return count * vectors;
    }

    /// <summary>
    /// How unevenly the places of loads along a loop lie in the sets of a first-level cache: 0 where every line has a set of its own,
    /// 6 where all share one (strides of whole pages); the mean of the loads that move with it.
    /// </summary>
    private static double Aliasing(List<AccessPattern> loads, int loop, double vectors, long[] extents)
    {
        const long Page = 4096;
        const long Line = 64;
        if (loop < 0 || extents[loop] * vectors < 16)
            return 0;
        double sum = 0;
        int moving = 0;
        foreach (var load in loads)
        {
            if (load.IsRegister || !load.Depends[loop])
                continue;
            long stride = Math.Abs(load.Strides[loop]) * load.Buffer.Type.Size();
            // The largest power of two that divides it.
            long power = Math.Clamp(stride & -stride, Line, Page);
            sum += Math.Log2(power / Line);
            moving++;
        }
        return moving == 0 ? 0 : sum / moving;
    }

    /// <summary>Bytes that come from beyond a cache, by where the outermost loop lies whose data fit it.</summary>
    private static double Traffic(List<AccessPattern> accesses, long[] extents, long cacheBytes)
    {
        double usable = cacheBytes * UsableCache;
        int fits = extents.Length;
        while (fits > 0 && accesses.Sum(a => a.Footprint(fits - 1)) <= usable)
            fits--;
        // All of it fits: warm, nothing moves.
        if (fits == 0)
            return 0;
        double total = 0;
        foreach (var access in accesses)
        {
            double bytes = access.Footprint(fits);
            // Kept over the loops just outside that do not move it, where the others can stream past it.
            bool kept = 2 * (accesses.Sum(a => a.Footprint(fits)) - bytes) + bytes <= usable;
            int i = fits - 1;
            while (i >= 0 && !access.Depends[i] && kept)
                i--;
            for (; i >= 0; i--)
                bytes *= extents[i];
            total += bytes;
        }
        return total;
    }

    private static (double Share, double Forks) Parallelism(IReadOnlyList<For> loops, long[] extents, TargetInfo target)
    {
        double forks = 1;
        for (int i = 0; i < loops.Count; i++)
        {
            if (loops[i].Kind == LoopKind.Parallel)
            {
                double workers = Math.Max(1, target.Threads);
                if (loops[i].Annotations.TryGetValue("threads", out string? text) && int.TryParse(text, out int limit))
                    workers = Math.Clamp(limit, 1, workers);
                return workers == 1 ? (1, 0) : (Math.Ceiling(extents[i] / workers) / extents[i], forks);
            }
            forks *= extents[i];
        }
        return (1, 0);
    }

    private static double Weight(Block block)
    {
        var values = block.Values.Select(Unguarded).ToList();
        double weight = values.Sum(Weight);
        // A product that is summed is one fused instruction.
        if (block.Reducer is { } reducer)
            weight += reducer.IsSum && values[0] is Binary { Kind: BinaryOp.Mul } ? 0 : reducer.Result.Sum(Weight);
        return Math.Max(1, weight);
    }

    // Conditions on indices hold but at edges, where code of its own (or a mask) deals with them.
    private static Expr Unguarded(Expr value) =>
        value.Map(e => e is Select s && IsIndexCondition(s.Cond) ? Unguarded(s.Then) : null);

    private static bool IsIndexCondition(Expr cond) =>
        cond is Binary { Type: DType.Bool } b
        && (
            b.Kind is BinaryOp.And or BinaryOp.Or
                ? IsIndexCondition(b.A) && IsIndexCondition(b.B)
                : b.A.Type == DTypes.Index && b.A.Loads().Count == 0 && b.B.Loads().Count == 0
        );

    private static double Weight(Expr value) =>
        value
            .Nodes()
            .Sum(node =>
                node switch
                {
                    Apply a => a.Function.Cost,
                    Unary { Kind: UnaryOp.Sqrt } => 8,
                    Binary { Kind: BinaryOp.Div } => 8,
                    Binary b when b.Type.IsFloat() => 1,
                    // Index arithmetic is hoisted; integer arithmetic on data is not, but is as cheap.
                    Unary or Fma or Select or Cast => node.Type == DType.Bool ? 0 : 1.0,
                    _ => 0.0,
                }
            );
}

/// <summary>The register tile of a block and what is around it, for the learned part of the cost model.</summary>
/// <param name="Operations">Vector operations of the tile.</param>
/// <param name="Vectors">Side by side along its vector loop.</param>
/// <param name="Accumulators">Registers of its sums.</param>
/// <param name="Trips">Of the loop around the tile.</param>
/// <param name="OuterTrips">Of the loop around that.</param>
/// <param name="Hoisted">Whether sums stay in registers over the loop around it.</param>
/// <param name="Gathers">Share of its loads that are lane by lane.</param>
/// <param name="LoadsPerOperation">Loads that are not kept, an operation.</param>
/// <param name="Bytes">Touched by one run of the loop around the tile.</param>
/// <param name="OuterBytes">Touched by one run of the loop around that.</param>
/// <param name="AllBytes">Touched in all.</param>
/// <param name="Aliasing">How unevenly its loads lie in the sets of a cache along the loop around the tile, 0 to 6.</param>
/// <param name="OuterAliasing">The same along the loop around that.</param>
/// <param name="Broadcasts">Share of its loads that are one value for a whole vector.</param>
/// <param name="StoresPerOperation">Results that go to memory, an operation.</param>
/// <param name="IsCopy">Whether it only moves data.</param>
/// <param name="Inside">Share of the loops' points at which there is something to do.</param>
/// <param name="Peeled">Whether tails have code of their own.</param>
/// <param name="Depth">Loops around the tile.</param>
internal sealed record TileShape(
    double Operations,
    double Vectors,
    double Accumulators,
    double Trips,
    double OuterTrips,
    bool Hoisted,
    double Gathers,
    double LoadsPerOperation,
    double Bytes,
    double OuterBytes,
    double AllBytes,
    double Aliasing,
    double OuterAliasing,
    double Broadcasts,
    double StoresPerOperation,
    bool IsCopy,
    double Inside,
    bool Peeled,
    int Depth
);
