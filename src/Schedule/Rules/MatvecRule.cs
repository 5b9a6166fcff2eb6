using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// Products of a long operand W and a short one X, C[i, j] = Σₖ X[i, k] · W[j, k] with few i (matrix times vector, one step of
/// a language model): W is read once, as it lies in memory and without a copy, at the speed of memory; a register row for
/// every i. Where W's neighbours are along k, vectors are partial sums of dot products of several j; where they are along
/// j, vectors are results, to which some rows of k at a time are added. Threads share j.
/// </summary>
public sealed class MatvecRule : ScheduleRule
{
    /// <summary>Rows of the short operand; beyond, register tiles of <see cref="MatmulRule"/> are faster.</summary>
    private const long MostRows = 8;

    /// <summary>Where the short operand has the columns of the result, those are not next to each other in vectors.</summary>
    private const long MostColumns = 4;

    public override string Name => "matvec";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is null
        && target.VectorBits > 0
        && Product.Of(algorithm.Stages[0]) is { } p
        && (p.Dots ? Extent(p.K) >= target.Lanes(p.Stage.Output.Type) : Extent(p.J) > 1);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var p = Product.Of(algorithm.Stages[0])!;
        int lanes = target.Lanes(p.Stage.Output.Type);
        var (i, j, k) = (Extent(p.I), Extent(p.J), Extent(p.K));
        int accumulators = target.VectorRegisters >= 32 ? 24 : 12;
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        if (target.Threads > 1)
            knobs.Add(MatvecKnobs.Parallel.Offer((double)i * j * k * Outer(p) >= 1 << 18));
        // From memory W is best read as one stream; from the caches several at once hide the latency of additions.
        bool far = p.W.Buffer.ConstantSize() * p.W.Buffer.Type.Size() > target.L3Bytes / 2;
        if (p.Dots)
        {
            // Short dot products are mostly sums of lanes, which do not wait for one another if there are several.
            bool wide = k < 8 * lanes || (i > 1 && !far);
            long nj = wide ? Math.Clamp(accumulators / i / 2, 1, Math.Min(j, 4)) : 1;
            long u = Math.Clamp(Math.Min((i == 1 ? 4 : 8 / i) / nj, k / lanes), 1, 4);
            knobs.Add(MatvecKnobs.Nj.Offer(LoopRecipes.Within([1, 2, 3, 4, 6, 8], nj, Math.Min(j, 16)), nj));
            knobs.Add(MatvecKnobs.Vectors.Offer(LoopRecipes.Within([1, 2, 4], u, Math.Max(1, k / lanes)), u));
            return knobs.ToImmutable();
        }
        long vectors = (j + lanes - 1) / lanes;
        long nv = Math.Clamp(far ? 8 / i : accumulators / i, 1, Math.Min(vectors, i == 1 || far ? 4 : 6));
        knobs.Add(MatvecKnobs.Nv.Offer(LoopRecipes.Within([1, 2, 3, 4, 6, 8], nv, vectors), nv));
        // Rows of k before results go back to memory, and how many results to keep near for that (1 x 50257 x 768 from
        // memory: 3.5 ms by 8 rows, 5.1 without; 4 x 2304 x 768 from the caches: 0.079 and 0.058 ms).
        if (k > 8)
            knobs.Add(
                MatvecKnobs.Kr.Offer([0, .. new long[] { 4, 8, 16, 32 }.Where(r => r < k)], i == 1 || far ? 8 : 0)
            );
        long chunk =
            i == 1 ? 16384
            : i <= 2 ? 4096
            : 1024;
        knobs.Add(MatvecKnobs.Chunk.Offer([0, 1024, 2048, 4096, 8192, 16384], chunk));
        return knobs.ToImmutable();
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var p = Product.Of(algorithm.Stages[0])!;
        bool parallel = choices[MatvecKnobs.Parallel];
        int lanes = target.Lanes(p.Stage.Output.Type);
        var s = new Schedule(algorithm);
        string loop = p.Dots
            ? Dots(s, p, lanes, Math.Max(1, choices[MatvecKnobs.Nj]), Math.Max(1, choices[MatvecKnobs.Vectors]))
            : Rows(
                s,
                p,
                target,
                lanes,
                Math.Max(1, choices[MatvecKnobs.Nv]),
                choices[MatvecKnobs.Kr],
                choices[MatvecKnobs.Chunk],
                parallel
            );
        if (parallel)
        {
            // Several products: threads share those, if there are enough.
            string outer = OuterLoops(p).FirstOrDefault(l => s.Nest.Loop(l).ConstantExtent >= target.Threads, loop);
            if (s.Nest.Loop(outer).ConstantExtent > 1)
                s.Parallel(outer);
        }
        StagewiseRule.Schedule(s, algorithm.Stages.Skip(1), target, parallel);
        return s.Nest;
    }

    // for jo: for ko: for i, ji (unrolled): for ki (vectors): part[i, ji, ki] += X[i, k] · W[j, k]; then the lanes' sums.
    private static string Dots(Schedule s, Product p, int lanes, long nj, long vectors)
    {
        string block = p.Stage.Name;
        if (!p.IsContiguous(p.X, p.K))
            TransposeShort(s, p);
        var (_, write) = s.CacheWrite(p.Stage.Output.Name, Scope.Register);
        var (jo, ji) = s.Split(p.Loop(p.J), nj, Extent(p.J) % nj == 0 ? Tail.None : Tail.Peel);
        long width = Math.Min(lanes * vectors, Extent(p.K) / lanes * lanes);
        var (ko, ki) = s.Split(p.Loop(p.K), width, Extent(p.K) % width == 0 ? Tail.None : Tail.Peel);
        s.Reorder([.. OuterLoops(p), jo, ko, p.Loop(p.I), ji, ki]);
        string part = s.Rfactor(block, ki);
        s.SetScope(s.Nest.Block(part).Output.Name, Scope.Register);
        s.Vectorize(ki);
        s.Unroll(ji);
        s.Unroll(p.Loop(p.I));
        var parts = new List<string> { part };
        if (width > lanes)
        {
            string all = s.Nest.LoopsAround(s.Nest.Block(block))[^1].Name;
            var (_, lane) = s.Split(all, lanes);
            parts.Add(s.Rfactor(block, lane));
            s.SetScope(s.Nest.Block(parts[1]).Output.Name, Scope.Register);
        }
        foreach (string later in parts.Skip(1).Append(block).Append(write))
            s.ReverseComputeAt(later, jo);
        if (width > lanes)
        {
            var own = s.Nest.LoopsAround(s.Nest.Block(parts[1]));
            s.Reorder(own[^1].Name, own[^2].Name);
            s.Vectorize(own[^2].Name);
            s.Unroll(own[^1].Name);
            s.DecomposeReduction(parts[1], own[^1].Name);
        }
        string init = s.DecomposeReduction(part, ko);
        LoopRecipes.VectorizeInner(s, init, lanes);
        s.DecomposeReduction(block, s.Nest.LoopsAround(s.Nest.Block(block))[^1].Name);
        return jo;
    }

    // for chunk: for ko: for jo: (registers) for ki, i (unrolled): for ji (vectors): += X[i, k] · W[k, j]; then to memory.
    private static string Rows(
        Schedule s,
        Product p,
        TargetInfo target,
        int lanes,
        long vectors,
        long rows,
        long chunk,
        bool parallel
    )
    {
        string block = p.Stage.Name;
        string write = block;
        string part = block;
        string k = p.Loop(p.K);
        string[] blocks = [];
        if (rows > 0 && Extent(p.K) > rows)
        {
            (string ko, k) = s.Split(k, rows, Extent(p.K) % rows == 0 ? Tail.None : Tail.Peel);
            part = s.Rfactor(block, ko);
            s.SetScope(s.Nest.Block(part).Output.Name, Scope.Register);
            blocks = [ko];
        }
        else
        {
            write = s.CacheWrite(p.Stage.Output.Name, Scope.Register).Copy;
        }
        long width = Math.Min(lanes * vectors, Extent(p.J));
        var (tile, lane) = s.Split(p.Loop(p.J), width, Extent(p.J) % width == 0 ? Tail.None : Tail.Peel);
        string first = tile;
        string[] chunks = [];
        long tiles = s.Nest.Loop(tile).ConstantExtent!.Value;
        long share = chunk > 0 ? Math.Max(1, chunk / width) : tiles;
        if (parallel && blocks.Length > 0)
        {
            // As many chunks for each thread.
            long each = (tiles + share - 1) / share;
            each = (each + target.Threads - 1) / target.Threads * target.Threads;
            share = Math.Max(1, (tiles + each - 1) / each);
        }
        if (share < tiles && blocks.Length > 0)
        {
            // What divides here need not do so in other shapes of the class.
            (first, tile) = s.Split(tile, share, Tail.Peel);
            chunks = [first];
        }
        string i = p.Loop(p.I);
        s.Reorder([.. OuterLoops(p), .. chunks, .. blocks, tile, k, i, lane]);
        s.Vectorize(lane);
        s.Unroll(i);
        s.ReverseComputeAt(write, tile);
        VectorizeLong(s, write);
        VectorizeLong(s, s.DecomposeReduction(part, k));
        // Memory is asked for all rows at once (8 x 50257 x 768: 6.7 ms, 12.7 as a loop), as long as that compiles quickly.
        if (blocks.Length > 0 && rows * vectors * Extent(p.I) <= 64)
            s.Unroll(k);
        return first;
    }

    // The last loop of more than one step is that of j: behind it there may be an axis of one element.
    private static void VectorizeLong(Schedule s, string block)
    {
        var loop = s.Nest.OwnLoops(s.Nest.Block(block)).LastOrDefault(l => l.ConstantExtent > 1);
        if (loop is { Kind: LoopKind.Serial })
            s.Vectorize(loop.Name);
    }

    // X[k, i] → [i, k]: a small part of what is read of W.
    private static void TransposeShort(Schedule s, Product p)
    {
        var (cache, _) = s.CacheRead(p.X.Buffer.Name, p.Stage.Name, Scope.Heap);
        var names = Enumerable.Range(0, p.X.Buffer.Rank).Select(d => $"d{d}").ToList();
        string along = names[Contraction.Dimension(p.X, p.K)];
        s.TransformLayout(
            cache,
            $"{string.Join(",", names)}->{string.Join(",", names.Where(d => d != along).Append(along))}"
        );
    }

    private static string[] OuterLoops(Product p) =>
        [.. p.Stage.SpatialAxes.Where(a => a != p.I && a != p.J).Select(p.Loop)];

    private static long Outer(Product p) =>
        p
            .Stage.SpatialAxes.Where(a => a != p.I && a != p.J)
            .Aggregate(1L, (n, a) => n * ((a.Extent as IntImm)?.Value ?? 64));

    private static long Extent(Axis axis) => MatmulRule.Extent(axis);

    /// <summary>The long operand W with its axis J, the short one X with its axis I, and whether W runs through memory along k.</summary>
    private sealed record Product(Stage Stage, Load X, Load W, Axis I, Axis J, Axis K, bool Dots)
    {
        public string Loop(Axis axis) => $"{Stage.Name}.{axis.Name}";

        public bool IsContiguous(Load load, Axis axis) => Contraction.IsContiguous(load, axis);

        public static Product? Of(Stage stage)
        {
            if (Contraction.Of(stage) is not { } c || c.K.Extent is not IntImm { Value: > 0 })
                return null;
            // Of several axes that only A has, all but one may be of one element.
            var m = c.M.MaxBy(a => (a.Extent as IntImm)?.Value ?? long.MaxValue)!;
            if (
                m.Extent is not IntImm { Value: > 0 and var rows }
                || c.N.Extent is not IntImm { Value: > 0 and var columns }
            )
                return null;
            if (c.M.Any(a => a != m && !a.Extent.IsConst(1)))
                return null;
            bool isShortB = columns <= MostColumns && (rows > MostRows || columns < rows);
            if (!isShortB && rows > MostRows)
                return null;
            var (x, w, i, j) = isShortB ? (c.B, c.A, c.N, m) : (c.A, c.B, m, c.N);
            bool dots = Contraction.IsContiguous(w, c.K);
            bool results = Contraction.IsContiguous(w, j) && (!isShortB || columns == 1);
            return dots || results ? new Product(stage, x, w, i, j, c.K, dots) : null;
        }
    }
}

/// <summary>The knobs of <see cref="MatvecRule"/>.</summary>
internal static class MatvecKnobs
{
    public static readonly SwitchKnob Parallel = new("parallel", 0);
    public static readonly NumberKnob Nj = new("nj", 1, lengthens: true);
    public static readonly NumberKnob Vectors = new("vectors", 1, lengthens: true);
    public static readonly NumberKnob Nv = new("nv", 1, lengthens: true);
    public static readonly NumberKnob Kr = new("kr", 2, lengthens: true);
    public static readonly NumberKnob Chunk = new("chunk", 2);
}
