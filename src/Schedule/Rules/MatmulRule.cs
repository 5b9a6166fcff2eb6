using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Patterns;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Recipes;

namespace Picograd.Schedules.Rules;

/// <summary>
/// Matrix products by register tiles: mr rows × nv vectors of the result stay in registers over a stretch of k
/// (kc, 0 for all of it). Operands may be packed into tiles first; k blocks add their results in memory. Element-wise
/// stages after the product (bias, activation) run on the tile while it is in cache.
/// </summary>
public sealed class MatmulRule : ScheduleRule
{
    public override string Name => "matmul";

    public override bool Applies(Algorithm algorithm, TargetInfo target) =>
        target.Gpu is null
        && target.VectorBits > 0
        && Contraction.Of(algorithm.Stages[0], converted: true) is { } c
        && c.N.Extent is IntImm
        && c.K.Extent is IntImm { Value: > 0 }
        && c.M[^1].Extent is IntImm
        && !IsFew(c)
        && algorithm.Stages.Skip(1).All(s => s.Kind == StageKind.Map && Contraction.SameAxes(s, c.Stage));

    // Few rows of halves pay for no packing: 4 by 512², B as [n, k], take 39 µs along the lanes and 79 packed.
    private static bool IsFew(Contraction c) =>
        c.B.Type.IsStorage() && Extent(c.M[^1]) < (Contraction.IsContiguous(c.B, c.N) ? 2 : 8);

    public override ImmutableArray<Knob> Knobs(Algorithm algorithm, TargetInfo target)
    {
        var c = Contraction.Of(algorithm.Stages[0], converted: true)!;
        long m = Extent(c.M[^1]);
        long n = Extent(c.N);
        long k = Extent(c.K);
        int lanes = target.Lanes(c.Stage.Output.Type);
        bool wide = target.VectorRegisters >= 32;
        bool strided = !Contraction.IsContiguous(c.B, c.N);
        bool big = (double)m * n * k > 64.0 * 64 * 64 * 4;
        long vectors = (n + lanes - 1) / lanes;
        long nv = Math.Min(vectors, wide ? (vectors % 3 == 0 && m <= 64 ? 3 : 2) : 2);
        long mr = BestRows(
            m,
            nv,
            wide ? 28 : 12,
            wide
                ? (
                    nv == 1 ? 16
                    : m >= 512 ? 12
                    : 14
                )
                : 6
        );
        var knobs = ImmutableArray.CreateBuilder<Knob>();
        // Level 0: structure. A strided B cannot feed vectors unless it is packed.
        knobs.Add(
            MatmulKnobs.PackB.Offer(strided || (big && m >= 128) || (c.B.Type.IsStorage() && m > mr), free: !strided)
        );
        // Halves are converted as they are packed: 256³ takes 89 µs in bf16 and 164 in f16, without that 150 and 378; 8 rows of
        // 512² 33 instead of 18 (AVX-512, 2 cores).
        knobs.Add(MatmulKnobs.PackA.Offer(c.A.Type.IsStorage() && m >= 16 && n > nv * lanes));
        knobs.Add(MatmulKnobs.MOuter.Offer(false));
        if (target.Threads > 1)
            knobs.Add(MatmulKnobs.Parallel.Offer((double)m * n * k >= 1 << 21));
        // Level 1: the register tile.
        knobs.Add(
            MatmulKnobs.Mr.Offer(
                LoopRecipes.Within(
                    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 20, 24],
                    mr,
                    Math.Min(m, 24)
                ),
                mr
            )
        );
        knobs.Add(MatmulKnobs.Nv.Offer(LoopRecipes.Within([1, 2, 3, 4, 5, 6], nv, Math.Min(vectors, 6)), nv));
        // Level 2: stretches of k and panels.
        if (k > 128)
            knobs.Add(
                MatmulKnobs.Kc.Offer(
                    [0, .. new long[] { 64, 128, 192, 256, 384, 512 }.Where(x => x < k)],
                    k >= 1024 ? 256 : 0
                )
            );
        if (m >= 96 && k * m > 64 * 1024)
            knobs.Add(
                MatmulKnobs.Mc.Offer([0, 2, 4, 8, 16, 32], m >= 512 && k >= 1024 && target.Threads == 1 ? 16 : 0)
            );
        knobs.Add(MatmulKnobs.PackIn.Offer(k >= 1024));
        // What follows the product straight from its registers; functions of many steps are better not copied out.
        if (algorithm.Stages.Length > 1)
        {
            bool cheap = !algorithm.Stages.Skip(1).Any(s => s.Values[0].Nodes().Any(n => n.IsFunction()));
            knobs.Add(MatmulKnobs.Inline.Offer(cheap));
        }
        // Level 3: fine.
        knobs.Add(MatmulKnobs.Ku.Offer([1, 2, 4, 8], 1));
        return knobs.ToImmutable();
    }

    protected override LoopNest Build(Algorithm algorithm, TargetInfo target, Choices choices)
    {
        var c = Contraction.Of(algorithm.Stages[0], converted: true)!;
        int lanes = target.Lanes(c.Stage.Output.Type);
        long mr = Math.Max(1, choices[MatmulKnobs.Mr]);
        long nr = Math.Max(1, choices[MatmulKnobs.Nv]) * lanes;
        long kc = choices[MatmulKnobs.Kc] >= Extent(c.K) ? 0 : choices[MatmulKnobs.Kc];
        var s = new Schedule(algorithm);
        string stage = c.Stage.Name;
        string Loop(Axis axis) => $"{stage}.{axis.Name}";

        // Copies of the operands first, so that the product's block reads them.
        string? packB = choices[MatmulKnobs.PackB] ? Pack(s, c.B, c.N, c.K, nr, stage) : null;
        string? packA = choices[MatmulKnobs.PackA] ? Pack(s, c.A, c.M[^1], c.K, mr, stage) : null;

        // Partial results in registers: over all of k, or one block of k at a time.
        string product = stage;
        string write;
        string? ko = null;
        string k = Loop(c.K);
        if (kc > 0)
        {
            (ko, k) = s.Split(k, kc, Extent(c.K) % kc == 0 ? Tail.None : Tail.Peel);
            product = s.Rfactor(stage, ko);
            s.SetScope(s.Nest.Block(product).Output.Name, Scope.Register);
            write = stage;
        }
        else
        {
            (_, write) = s.CacheWrite(c.Stage.Output.Name, Scope.Register);
        }
        var (mo, mi) = LoopRecipes.SplitTile(s, Loop(c.M[^1]), mr, Extent(c.M[^1]));
        var (no, ni) = LoopRecipes.SplitTile(s, Loop(c.N), nr, Extent(c.N));
        string? moo = null;
        if (
            choices[MatmulKnobs.Mc] > 0
            && Extent(s.Nest.Loop(mo)) > choices[MatmulKnobs.Mc]
            && !choices[MatmulKnobs.MOuter]
        )
            (moo, mo) = LoopRecipes.SplitTile(s, mo, choices[MatmulKnobs.Mc], Extent(s.Nest.Loop(mo)));
        string[] outer = [.. c.Stage.SpatialAxes.Where(a => a.Var != c.N.Var && a.Var != c.M[^1].Var).Select(Loop)];
        string[] tiles = choices[MatmulKnobs.MOuter] ? [mo, no] : [no, mo];
        string[] order = [.. outer, .. Some(ko), .. Some(moo), .. tiles, k, mi, ni];
        s.Reorder(order);
        string tile = tiles[1];
        s.Vectorize(ni);
        s.Unroll(mi);

        // What follows the product runs on the tile: the write, then bias and activation.
        List<string> onTile = ko is null ? [.. algorithm.Stages.Skip(1).Select(a => a.Name)] : [];
        if (onTile.Count > 0 && choices[MatmulKnobs.Inline])
            s.ComputeInline(write);
        else
            onTile.Insert(0, write);
        foreach (string after in onTile)
        {
            s.ReverseComputeAt(after, tile);
            LoopRecipes.VectorizeInner(s, after, lanes);
        }
        if (ko is not null)
            StagewiseRule.Schedule(s, algorithm.Stages.Skip(1), target, parallel: choices[MatmulKnobs.Parallel]);

        // Packing happens once, or for each block of k; either way before the loops that use it.
        if (ko is not null && choices[MatmulKnobs.PackIn])
        {
            foreach (string copy in Some(packB).Concat(Some(packA)))
                s.ComputeAt(copy, ko);
        }
        // Threads share what is outermost of the product; a copy made inside of that is their own.
        string? shared = choices[MatmulKnobs.Parallel]
            ? outer.FirstOrDefault(l => Extent(s.Nest.Loop(l)) >= target.Threads) ?? moo ?? tiles[0]
            : null;
        foreach (string copy in Some(packB).Concat(Some(packA)))
        {
            var loops = LoopNames(s, copy);
            // A copy of one element has nothing to share.
            string? first =
                shared is null || loops.Contains(shared)
                    ? null
                    : loops.FirstOrDefault(l => s.Nest.Loop(l).ConstantExtent > 1 && l != ko);
            bool transposed =
                copy == packB ? !Contraction.IsContiguous(c.B, c.N) : !Contraction.IsContiguous(c.A, c.M[^1]);
            if (transposed && Extent(c.K) >= lanes)
            {
                // As many steps of k as lanes: strided loads that read a block, which is transposed in registers.
                var (high, low) = LoopRecipes.SplitTile(s, loops[^2], lanes, Extent(s.Nest.Loop(loops[^2])));
                s.Unroll(low);
                if (first == loops[^2])
                    first = s.Nest.Loop(high).ConstantExtent > 1 ? high : null;
            }
            if (first is not null)
                s.Parallel(first);
            LoopRecipes.VectorizeInner(s, copy, lanes);
        }
        string init = s.DecomposeReduction(product, k);
        LoopRecipes.VectorizeInner(s, init, lanes);
        if (choices[MatmulKnobs.Ku] > 1 && Extent(s.Nest.Loop(k)) >= choices[MatmulKnobs.Ku])
        {
            var (_, unrolled) = s.Split(
                k,
                choices[MatmulKnobs.Ku],
                Extent(s.Nest.Loop(k)) % choices[MatmulKnobs.Ku] == 0 ? Tail.None : Tail.Peel
            );
            s.Unroll(unrolled);
        }
        if (shared is not null)
            s.Parallel(shared);
        return s.Nest;
    }

    // X[…] → tiles of `width` along `axis`, k in between: [outer…, axis / width, k, axis % width].
    private static string Pack(Schedule s, Load operand, Axis axis, Axis k, long width, string reader)
    {
        DType? type = operand.Type.IsStorage() ? operand.Type.Compute() : null;
        var (cache, copy) = s.CacheRead(operand.Buffer.Name, reader, Scope.Heap, type: type);
        int rank = operand.Buffer.Rank;
        int tiled = Contraction.Dimension(operand, axis);
        int along = Contraction.Dimension(operand, k);
        var names = new string[rank];
        for (int d = 0; d < rank; d++)
            names[d] = $"d{d}";
        var others = names.Where((_, d) => d != tiled && d != along);
        var physical = others.Concat([$"{names[tiled]}/{width}", names[along], $"{names[tiled]}%{width}"]);
        bool pad = Extent(axis) % width != 0;
        s.TransformLayout(cache, $"{string.Join(",", names)}->{string.Join(",", physical)}", pad);
        return copy;
    }

    private static string[] LoopNames(Schedule s, string block) =>
        [.. s.Nest.LoopsAround(s.Nest.Block(block)).Select(l => l.Name)];

    private static IEnumerable<string> Some(string? name) => name is null ? [] : [name];

    internal static long Extent(Axis axis) => ((IntImm)axis.Extent).Value;

    private static long Extent(For loop) => loop.ConstantExtent ?? long.MaxValue;

    // Rows of the tile: the fewest cycles over all of m. A step of k over a tile costs half a cycle for each
    // multiply-add, at least the latency of one (4), and about one for loads and the loop.
    private static long BestRows(long m, long nv, int accumulators, int most)
    {
        long limit = Math.Max(1, Math.Min(Math.Min(m, most), accumulators / nv));
        long best = limit;
        double least = double.MaxValue;
        for (long rows = limit; rows >= 1; rows--)
        {
            double cost = m / rows * Step(rows) + (m % rows == 0 ? 0 : Step(m % rows));
            if (cost < least - 1e-9)
                (best, least) = (rows, cost);
        }
        return best;

        double Step(long rows) => Math.Max(rows * nv / 2.0, 4) + 1;
    }
}

/// <summary>The knobs of <see cref="MatmulRule"/>.</summary>
internal static class MatmulKnobs
{
    public static readonly SwitchKnob PackB = new("pack_b", 0);
    public static readonly SwitchKnob PackA = new("pack_a", 0);
    public static readonly SwitchKnob MOuter = new("m_outer", 0);
    public static readonly SwitchKnob Parallel = new("parallel", 0);
    public static readonly NumberKnob Mr = new("mr", 1, lengthens: true);
    public static readonly NumberKnob Nv = new("nv", 1, lengthens: true);
    public static readonly NumberKnob Kc = new("kc", 2);
    public static readonly NumberKnob Mc = new("mc", 2);
    public static readonly SwitchKnob PackIn = new("pack_in", 2);
    public static readonly SwitchKnob Inline = new("inline", 2);
    public static readonly NumberKnob Ku = new("ku", 3, lengthens: true);
}
