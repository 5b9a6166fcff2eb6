using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// A grid has 2³¹ − 1 blocks along x, but only 65,535 along y and z. Where a kernel has more there, all its blocks go along x,
/// and each works out its place: y = b // X mod Y, z = b // (X·Y). Kernels with clusters are left as they are.
/// </summary>
public static class FoldGrid
{
    /// <summary>Most blocks along y, and along z (CUDA C++ Programming Guide, compute capabilities).</summary>
    public const long MostAcross = 65_535;

    public static LoopNest Run(LoopNest nest) => Run(nest, MostAcross);

    /// <summary>The same with another limit.</summary>
    /// <param name="nest">All but in kernel form.</param>
    /// <param name="most">Most blocks along y, and along z.</param>
    public static LoopNest Run(LoopNest nest, long most)
    {
        var ranges = nest.ParameterRanges;
        return nest with { Body = nest.Body.Map(s => s is For f && IsGrid(f.Kind) ? Kernel(f, ranges, most) : null) };
    }

    private static bool IsGrid(LoopKind kind) => kind is LoopKind.BlockX or LoopKind.BlockY or LoopKind.BlockZ;

    private static Stmt Kernel(For outermost, IReadOnlyDictionary<Var, Interval> ranges, long most)
    {
        var blocks = new List<For>();
        var shared = new List<Allocate>();
        Stmt body = outermost;
        while (true)
        {
            if (body is For f && IsGrid(f.Kind))
            {
                blocks.Add(f);
                body = f.Body;
            }
            else if (body is Allocate a)
            {
                shared.Add(a);
                body = a.Body;
            }
            else
            {
                break;
            }
        }
        bool fits = blocks.All(b => b.Kind == LoopKind.BlockX || Interval.Of(b.Extent, ranges).Max <= most);
        // Extents that depend on another loop of the grid are refused later, and so is a kind that comes twice.
        bool plain =
            body is not For { Kind: LoopKind.Cluster }
            && blocks.Select(b => b.Kind).Distinct().Count() == blocks.Count
            && !blocks.Any(b => blocks.Any(o => b.Extent.Uses(o.Var)));
        if (fits || !plain)
            return outermost;
        // Neighbours along x stay neighbours.
        var fastest = blocks.OrderBy(b => b.Kind).ToList();
        var all = new Var(blocks[^1].Name);
        var places = new Dictionary<Var, Expr>();
        Expr rest = all;
        Expr total = 1;
        foreach (var block in fastest)
        {
            places[block.Var] = ReferenceEquals(block, fastest[^1]) ? rest : Op.Mod(rest, block.Extent);
            rest = Op.FloorDiv(rest, block.Extent);
            total *= block.Extent;
        }
        body = body.Substitute(places);
        foreach (var allocate in Enumerable.Reverse(shared))
            body = allocate with { Body = body };
        return new For(all, Simplifier.Simplify(total, ranges), LoopKind.BlockX, body)
        {
            Annotations = blocks
                .SelectMany(b => b.Annotations)
                .DistinctBy(a => a.Key)
                .ToImmutableSortedDictionary(a => a.Key, a => a.Value),
        };
    }
}
