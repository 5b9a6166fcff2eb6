using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>[loops =] transform_layout buffer map [pad=zero]</c>: stores an intermediate in another arrangement, for instance
/// packed in panels of 14 rows with <c>m,k->m/14,k,m%14</c> (see <see cref="LayoutMap"/>). Where the buffer is made by a
/// map over its own axes, that block now runs over the physical dimensions, in their order, and fills the padding with
/// zero; the results are its new loops.
/// </summary>
public sealed class TransformLayout : Primitive
{
    public override string Name => "transform_layout";

    public override string Usage => "[loops =] transform_layout buffer m,k->m/14,k,m%14 [pad=zero]";

    public override string Requirements =>
        """
            The buffer is an intermediate without explicit strides, and no intrinsic uses it yet. The map names every
            dimension and gives each element one place. Divisors that do not divide an extent need pad=zero, which
            grows the buffer and fills the padding with zero: only where the producer is a map that still has its
            initial loops. Blocks with several outputs share indices, so none of their outputs can be changed.
            """;

    public override PrimitiveExample Example =>
        new(
            "maps",
            "transform_layout B i,j->i/4,j,i%4",
            """
            buffer B: f32[2, 12, 4] heap
            for B.i0 in 0..2:
              for B.j in 0..12:
                for B.i1 in 0..4:
                  block B(i0 = B.i0, j = B.j, i1 = B.i1):
                    B[i0, j, i1] = A[i0 * 4 + i1, j] * 2.0
            for C.i in 0..8:
              for C.j in 0..12:
                block C(i = C.i, j = C.j):
                  C[i, j] = B[i // 4, j, i % 4] + 1.0
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step, "pad");
        ArgCount(nest, step, 2, 2);
        var buffer = nest.IntermediateNamed(Arg(nest, step, 0));
        var map = Parse(nest, buffer, Arg(nest, step, 1));
        Check(nest, step, buffer, map);
        var packed = buffer.With(shape: map.Shape(buffer.Shape, new Simplifier(nest.ParameterRanges)));
        var producer = nest.WritersOf(buffer) is [var sole] ? sole : null;
        var domain =
            producer is not null && producer.IsMap() && IndexedByAxes(producer, buffer)
                ? nest.DomainLoops(producer)
                : null;

        if (domain is null && Padded(nest, buffer, map) is >= 0 and var ragged)
            throw Refuse(
                nest,
                producer,
                $"{map.Granule(ragged)} does not divide the extent {buffer.Shape[ragged]} of dimension {map.Dims[ragged]} of {buffer.Name}, and no map over its initial loops makes {buffer.Name}, so the padding would stay unwritten",
                "a divisor of the extent; transform_layout before split and compute_at; pad_einsum first for a sum of products"
            );
        var result = nest.MoveElements(buffer, packed, map.Place);
        if (domain is null)
            return (result, []);
        return RunOverPhysical(result, step, nest, producer!, domain.Value, buffer, packed, map);
    }

    private static LayoutMap Parse(LoopNest nest, Buffer buffer, string text)
    {
        LayoutMap map;
        try
        {
            map = LayoutMap.Parse(text);
        }
        catch (FormatException e)
        {
            throw new ScheduleException(nest, null, $"layout map: {e.Message}", "for instance m,k->m/14,k,m%14");
        }
        if (map.Dims.Length != buffer.Rank)
            throw new ScheduleException(
                nest,
                null,
                $"layout map: it names {map.Dims.Length} dimensions, {buffer} has {buffer.Rank}"
            );
        return map;
    }

    private void Check(LoopNest nest, Step step, Buffer buffer, LayoutMap map)
    {
        if (!buffer.Strides.IsDefault)
            throw Refuse(
                nest,
                null,
                $"buffer {buffer.Name} has explicit strides",
                "transform_layout, then storage_align"
            );
        nest.CheckElementsCanMove(buffer, Name);
        string? pad = step.Option("pad");
        if (pad is not (null or "zero"))
            throw Refuse(nest, null, $"unknown padding '{pad}'", "pad=zero, or leave it out");
        if (pad is null && Padded(nest, buffer, map) is >= 0 and var d)
            throw Refuse(
                nest,
                null,
                $"{map.Granule(d)} does not divide the extent {buffer.Shape[d]} of dimension {map.Dims[d]} of {buffer.Name}",
                "a divisor of the extent, or pad=zero"
            );
    }

    /// <summary>The first dimension that has to grow, or -1.</summary>
    private static int Padded(LoopNest nest, Buffer buffer, LayoutMap map) =>
        Enumerable.Range(0, buffer.Rank).FirstOrDefault(d => !Divides(nest, map.Granule(d), buffer.Shape[d]), -1);

    private static bool Divides(LoopNest nest, long factor, Expr extent) =>
        Simplifier.Simplify(Op.Mod(extent, factor), nest.ParameterRanges).IsConst(0);

    private static bool IndexedByAxes(Block block, Buffer buffer) =>
        block.ArePlainAxes(block.Indices)
        && block.Indices.Length == block.Axes.Length
        && block.Indices.Select((v, d) => block.Axis(v).Extent == buffer.Shape[d]).All(same => same);

    private static (LoopNest, ImmutableArray<string>) RunOverPhysical(
        LoopNest result,
        Step step,
        LoopNest before,
        Block producer,
        ImmutableArray<For> domain,
        Buffer buffer,
        Buffer packed,
        LayoutMap map
    )
    {
        var moved = result.Block(producer.Name);
        var root = result.Loop(domain[0].Name);
        // Names are chosen as if the old loops were gone, so that dimensions left whole keep theirs.
        var names = result.Replace(root, new Seq([]));
        bool padded = Padded(before, buffer, map) >= 0;
        var loops = new For[map.Pieces.Length];
        var axes = new BlockAxis[map.Pieces.Length];
        for (int i = 0; i < loops.Length; i++)
        {
            var var = new Var(ResultName(names, step, i, $"{producer.Name}.{map.Pieces[i].Name}"));
            // The tile that overhangs is the last: lowering cuts it off, so that the others copy without tests.
            bool tiles = map.Pieces[i].Divisor > 1;
            loops[i] = new For(var, packed.Shape[i], LoopKind.Serial, new Seq([])) { Peel = tiles && padded };
            axes[i] = new BlockAxis(new Var(map.Pieces[i].Name), packed.Shape[i], AxisKind.Spatial, var);
        }
        ImmutableArray<Expr> place = [.. axes.Select(a => (Expr)a.Var)];
        var logical = map.Inverse(place);
        var inBounds = Op.True;
        for (int d = 0; d < buffer.Rank; d++)
        {
            if (!Divides(before, map.Granule(d), buffer.Shape[d]))
                inBounds = Op.And(inBounds, Op.Lt(logical[d], buffer.Shape[d]));
        }
        var own = producer.Indices.Select((v, d) => ((Var)v, logical[d])).ToDictionary();
        var value = producer.Values[0].Substitute(own);
        var block = moved with
        {
            Axes = [.. axes],
            Indices = place,
            Values = [Op.Select(inBounds, value, Op.Const(0, value.Type))],
        };
        var simplifier = new Simplifier(result.AxisRanges(block));
        Stmt body = block with { Values = [.. block.Values.Select(simplifier.Visit)] };
        foreach (var loop in Enumerable.Reverse(loops))
            body = loop with { Body = body };
        return (result.Replace(root, body), [.. loops.Select(l => l.Name)]);
    }
}
