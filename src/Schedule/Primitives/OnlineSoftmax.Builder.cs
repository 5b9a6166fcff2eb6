using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

public sealed partial class OnlineSoftmax
{
    private sealed class Builder(
        LoopNest nest,
        Step step,
        Block max,
        For loop,
        ImmutableArray<For> inner,
        Region rows,
        AxisRange keys,
        Expr extent
    )
    {
        private readonly HashSet<string> _taken = [];
        private LoopNest? _left;
        private readonly List<Buffer> _buffers = [];

        public ImmutableArray<string> Results { get; private set; } = [];

        // The nest without the blocks that move.
        private LoopNest Left => _left ?? nest;

        public LoopNest Apply(RunningMaximum use, ImmutableArray<Block> weights, ImmutableArray<Block> sums)
        {
            var moved = weights.Concat(sums).ToList();
            var unused = use
                .Shifts.Where(s =>
                    nest.Intermediates.Contains(s.Output) && nest.ReadersOf(s.Output).All(r => moved.Contains(r))
                )
                .ToList();
            _left = moved.Concat(unused).Aggregate(nest, (n, b) => n with { Body = n.Body.Remove(b) });
            string[] names =
            [
                ResultName(nest, step, 0, $"{max.Name}.old"),
                ResultName(nest, step, 1, $"{max.Name}.shift"),
                ResultName(nest, step, 2, $"{max.Name}.scale"),
                .. sums.Select((s, i) => ResultName(nest, step, 3 + i, $"{s.Name}.rescale")),
            ];
            Results = [.. names];
            var lowest = Op.Const(double.NegativeInfinity, max.Output.Type);
            var zero = Op.Const(0, max.Output.Type);
            var first = Op.Eq(loop.Var, 0);

            var (old, oldLoops) = Row(names[0], row => Op.Select(first, lowest, max.Output.At(row)));
            var (shift, shiftLoops) = Row(
                names[1],
                row => Op.Select(Op.Eq(max.Output.At(row), lowest), zero, max.Output.At(row))
            );
            // −∞ before: there is nothing to scale yet, and exp(−∞) is 0.
            var (scale, scaleLoops) = Row(names[2], row => Op.Exp(old.At(row) - shift.At(row)));

            var after = new List<Stmt> { shiftLoops, scaleLoops };
            foreach (var weight in weights)
                after.Add(Move(weight, use, shift));
            for (int i = 0; i < sums.Length; i++)
            {
                after.Add(Rescale(names[3 + i], sums[i], use.Axes[sums[i]].Rows, scale, first));
                after.Add(Move(sums[i] with { Init = false }, use, shift, sums[i]));
            }
            var begun = Left.Loop(loop.Name);
            return Left.Replace(
                begun,
                begun with
                {
                    Extent = extent,
                    Body = Seq.Of([oldLoops, loop.Body, .. after]),
                }
            ) with
            {
                Intermediates = nest.Intermediates.RemoveRange(unused.Select(b => b.Output)).AddRange(_buffers),
            };
        }

        // A buffer with a value for each row, and the loops that compute it.
        private (Buffer Buffer, Stmt Loops) Row(string name, Func<ImmutableArray<Expr>, Expr> value)
        {
            var buffer = new Buffer(name, max.Output.Type, max.Output.Shape, Scope.Heap);
            _buffers.Add(buffer);
            ImmutableArray<BlockAxis> axes =
            [
                .. max.Indices.Select(i => new BlockAxis(
                    new Var(((Var)i).Name),
                    max.Axis(i).Extent,
                    AxisKind.Spatial,
                    0
                )),
            ];
            ImmutableArray<Expr> row = [.. axes.Select(a => (Expr)a.Var)];
            var block = new Block(name, axes, Op.True, [buffer], row, [value(row)]);
            return (buffer, Loops(block, [.. axes.Select(a => a.Var)], []));
        }

        private Stmt Move(Block block, RunningMaximum use, Buffer shift, Block? original = null)
        {
            var (own, key) = use.Axes[original ?? block];
            var moved = block with { Values = [.. block.Values.Select(v => use.WithShift(v, shift))] };
            return Loops(moved, own, new() { [key] = keys });
        }

        private Stmt Rescale(string name, Block sum, ImmutableArray<Var> own, Buffer scale, Expr first)
        {
            var renamed = sum.SpatialAxes.ToDictionary(a => a.Var, a => new Var(a.Name));
            var values = renamed.ToDictionary(x => x.Key, x => (Expr)x.Value);
            ImmutableArray<Expr> place = [.. sum.Indices.Select(i => i.Substitute(values))];
            var type = sum.Output.Type;
            var factor = Op.Cast(type, scale.At([.. own.Select(r => values[r])]));
            var block = new Block(
                name,
                [
                    .. sum.SpatialAxes.Select(a => a with { Var = renamed[a.Var], Binding = 0 }),
                    new BlockAxis(new Var("step"), loop.Extent, AxisKind.Ordered, loop.Var),
                ],
                Op.True,
                [sum.Output],
                place,
                [Op.Select(first, Op.Const(0, type), sum.Output.At(place) * factor)]
            );
            return Loops(
                block,
                [.. own.Select(r => renamed[r])],
                new() { [block.Axes[^1].Var] = new AxisRange(loop.Var, 1, false) }
            );
        }

        private Stmt Loops(Block block, ImmutableArray<Var> own, Dictionary<Var, AxisRange> ranges)
        {
            for (int d = 0; d < own.Length; d++)
                ranges[own[d]] = AxisRange.Of(rows.Dims[d]);
            var limits = rows.Limits.Select(l => (Axis: own[l.Dim], l.Below)).ToList();
            return BlockLoops
                .Make(
                    Left,
                    block,
                    ranges,
                    inner,
                    (_, wish) => Fresh(wish),
                    bindings => limits.Select(l => Op.Lt(bindings[l.Axis], l.Below))
                )
                .Stmt;
        }

        // The loops of blocks that move may keep their names.
        private string Fresh(string wish)
        {
            string name = wish;
            for (int i = 1; !_taken.Add(name) || Left.FreshName(name) != name; i++)
                name = $"{wish}{i}";
            return name;
        }
    }
}
