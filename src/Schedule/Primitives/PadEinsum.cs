using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// <c>[copies…, crop] = pad_einsum block p0,p1,…</c>: rounds the extent of each axis of a sum of products up to a
/// multiple of its factor, so that no tile is ragged. Operands get zero-padded copies; where a spatial axis has a factor
/// above 1 the block writes a padded buffer, which a crop copies to the output. A factor above 1 makes its copies
/// even where it divides the extent, so that the same trace fits every shape.
/// </summary>
public sealed class PadEinsum : Primitive
{
    public override string Name => "pad_einsum";

    public override string Usage => "[copies, crop] = pad_einsum block p0,p1,…";

    public override string Requirements =>
        """
            The block still has its initial loops. It sums a product of loads (or of casts of them to another float type, or
            of their bits under a mask), each at axes of the block, each once, and writes at its spatial axes. Every operand has every reduce axis that is padded: zero times infinity would not
            be zero. One factor an axis, at least one above 1.
            """;

    public override PrimitiveExample Example =>
        new(
            "matmul",
            "A.pad, B.pad, C.crop = pad_einsum C 4,8,1",
            """
            buffer A.pad: f32[8, 10] heap
            buffer B.pad: f32[10, 8] heap
            buffer C.pad: f32[8, 8] heap
            for A.pad.m in 0..8:
              for A.pad.k in 0..10:
                block A.pad(m = A.pad.m, k = A.pad.k):
                  A.pad[m, k] = select(m < 6, A[m, k], 0.0)
            for B.pad.k in 0..10:
              for B.pad.n in 0..8:
                block B.pad(k = B.pad.k, n = B.pad.n):
                  B.pad[k, n] = B[k, n]
            for C.m in 0..8:
              for C.n in 0..8:
                for C.k in 0..10:
                  block C(m = C.m, n = C.n, k:reduce = C.k):
                    C.pad[m, n] sum= A.pad[m, k] * B.pad[k, n]
            for C.crop.m in 0..6:
              for C.crop.n in 0..8:
                block C.crop(m = C.crop.m, n = C.crop.n):
                  C[m, n] = C.pad[m, n]
            """
        );

    protected override (LoopNest Nest, ImmutableArray<string> Results) Rewrite(LoopNest nest, Step step)
    {
        KnownOptions(nest, step);
        ArgCount(nest, step, 2, 2);
        var block = nest.Block(Arg(nest, step, 0));
        var factors = Factors(nest, block, Arg(nest, step, 1));
        var loads = CheckBlock(nest, block, factors);
        var loops =
            nest.DomainLoops(block)
            ?? throw Refuse(
                nest,
                block,
                $"block {block.Name} does not run over its initial loops",
                "pad_einsum first, then split, reorder, compute_at and the loop kinds"
            );
        var simplifier = new Simplifier(nest.ParameterRanges);
        var padded = block
            .Axes.Zip(factors)
            .ToDictionary(x => x.First.Var, x => simplifier.Visit(Op.CeilDiv(x.First.Extent, x.Second) * x.Second));
        bool Grows(Expr axis) => factors[block.Axes.IndexOf(block.Axis(axis))] > 1;

        var state = new State(nest, step);
        var before = new List<Stmt>();
        Expr value = block.Values[0];
        foreach (var load in loads.Distinct().Where(l => l.Indices.Any(Grows)))
        {
            string name = state.NewName($"{load.Buffer.Name}.pad");
            var copy = new Buffer(name, load.Type, [.. load.Indices.Select(i => padded[(Var)i])], Scope.Heap);
            before.Add(Copy(state, name, load, copy, block));
            state.Made.Add(copy);
            value = value.Map(e => e is Load l && l == load ? copy.At(load.Indices) : null);
        }
        var output = block.Output;
        var after = new List<Stmt>();
        if (block.Indices.Any(Grows))
        {
            string crop = state.NewName($"{block.Name}.crop");
            output = new Buffer(
                state.NewBufferName($"{output.Name}.pad"),
                output.Type,
                [.. block.Indices.Select(i => padded[(Var)i])],
                Scope.Heap
            );
            state.Made.Add(output);
            after.Add(Copy(state, crop, output.At(block.Indices), block.Output, block));
        }
        Stmt body = block with
        {
            Axes = [.. block.Axes.Select(a => a with { Extent = padded[a.Var] })],
            Outputs = [output],
            Values = [value],
        };
        foreach (var loop in loops.Reverse())
            body = loop with { Body = body, Extent = padded[block.Axes.First(a => a.Binding == loop.Var).Var] };
        var result = nest.Replace(loops[0], Seq.Of([.. before, body, .. after])) with
        {
            Intermediates = [.. nest.Intermediates, .. state.Made],
        };
        return (result.WithoutStaleStoreAt(), [.. state.Names]);
    }

    /// <summary>A root nest that copies source, at axes of the block, to the same place of target, zero where source ends.</summary>
    private static Stmt Copy(State state, string name, Load source, Buffer target, Block block)
    {
        var axes = new List<BlockAxis>();
        var inBounds = Op.True;
        var own = new Dictionary<Var, Expr>();
        for (int d = 0; d < target.Rank; d++)
        {
            var like = (Var)source.Indices[d];
            var axis = new BlockAxis(
                new Var(like.Name),
                target.Shape[d],
                AxisKind.Spatial,
                new Var(state.NewLoopName($"{name}.{like.Name}"))
            );
            axes.Add(axis);
            own[like] = axis.Var;
            // A crop reads within the padded source everywhere; a padding copy reads past the source's end.
            var extent = source.Buffer.Shape[d];
            if (block.Output != target && extent != target.Shape[d])
                inBounds = Op.And(inBounds, Op.Lt(axis.Var, extent));
        }
        ImmutableArray<Expr> place = [.. axes.Select(a => (Expr)a.Var)];
        var value = Op.Select(inBounds, source.Substitute(own), Op.Const(0, source.Type));
        Stmt body = new Block(name, [.. axes], Op.True, [target], place, [value]);
        foreach (var axis in Enumerable.Reverse(axes))
            body = new For((Var)axis.Binding, axis.Extent, LoopKind.Serial, body);
        return body;
    }

    private ImmutableArray<long> Factors(LoopNest nest, Block block, string text)
    {
        var words = text.Split(',');
        if (words.Length != block.Axes.Length)
            throw Refuse(
                nest,
                block,
                $"{words.Length} factors given for the {block.Axes.Length} axes of block {block.Name}",
                $"one each for {string.Join(", ", block.Axes.Select(a => a.Name))}"
            );
        var factors = ImmutableArray.CreateBuilder<long>();
        foreach (string word in words)
        {
            if (!int.TryParse(word, NumberStyles.None, CultureInfo.InvariantCulture, out int factor) || factor < 1)
                throw Refuse(nest, block, $"factor '{word}' is not a positive whole number", Usage);
            factors.Add(factor);
        }
        if (factors.All(f => f == 1))
            throw Refuse(nest, block, $"all factors are 1, so there is nothing to pad", "at least one factor above 1");
        return factors.ToImmutable();
    }

    private Load[] CheckBlock(LoopNest nest, Block block, ImmutableArray<long> factors)
    {
        if (block.Reducer is not { IsSum: true } || block.Outputs.Length != 1)
            throw Refuse(
                nest,
                block,
                $"block {block.Name} is not a sum ({block.Reducer?.Name ?? "a map"})",
                "sums of products of loads, whose padding of zero adds nothing"
            );
        if (!block.ArePlainAxes(block.Indices) || block.Indices.Length != block.SpatialAxes.Count())
            throw Refuse(
                nest,
                block,
                $"block {block.Name} writes {block.Output.Name}[{string.Join(", ", block.Indices)}], which is not its spatial axes, each once"
            );
        if (nest.WritersOf(block.Output).Length != 1)
            throw Refuse(
                nest,
                block,
                $"{block.Output.Name} is written by other blocks too",
                "pad_einsum before decompose_reduction and rfactor"
            );
        var loads = Factors(block.Values[0]).ToArray();
        if (loads.FirstOrDefault(f => f is not Load) is { } other)
            throw Refuse(nest, block, $"{other} in block {block.Name} is not a load", "a product of loads");
        foreach (var load in loads.Cast<Load>())
        {
            if (!block.ArePlainAxes(load.Indices))
                throw Refuse(
                    nest,
                    block,
                    $"{load} in block {block.Name} is not at axes of the block, each once",
                    "plain indices; cache_read first where they are not"
                );
            var missing = block
                .Axes.Zip(factors)
                .FirstOrDefault(x =>
                    x.Second > 1 && x.First.Kind == AxisKind.Reduce && !load.Indices.Contains(x.First.Var)
                );
            if (missing.First is { } axis)
                throw Refuse(
                    nest,
                    block,
                    $"{load} does not depend on the padded reduce axis {axis.Name}, and infinity times the padding's zero is not zero",
                    $"factor 1 for {axis.Name}"
                );
        }
        return [.. loads.Cast<Load>()];
    }

    private static IEnumerable<Expr> Factors(Expr e) =>
        e is Binary { Kind: BinaryOp.Mul } m ? Factors(m.A).Concat(Factors(m.B)) : [Source(e)];

    // What keeps zero as it is may lie between the load and the product.
    private static Expr Source(Expr e) =>
        e switch
        {
            Cast { A: var a } when e.Type.IsFloat() && a.Type.IsFloat() => Source(a),
            Bitcast { A: Binary { Kind: BinaryOp.BitAnd, A: Bitcast { A: var a }, B: IntImm } } when e.Type == a.Type =>
                Source(a),
            _ => e,
        };

    /// <summary>Hands out names: those of the step for blocks, fresh ones for the rest, none twice.</summary>
    private sealed class State(LoopNest nest, Step step)
    {
        private readonly HashSet<string> _taken = [];

        public List<Buffer> Made { get; } = [];

        public List<string> Names { get; } = [];

        public string NewName(string wish)
        {
            string name = ResultName(nest, step, Names.Count, Free(wish));
            Names.Add(name);
            _taken.Add(name);
            return name;
        }

        public string NewBufferName(string wish) => NewLoopName(wish);

        public string NewLoopName(string wish)
        {
            string name = Free(wish);
            _taken.Add(name);
            return name;
        }

        private string Free(string wish)
        {
            string name = nest.FreshName(wish);
            for (int i = 1; _taken.Contains(name); i++)
                name = nest.FreshName($"{wish}{i}");
            return name;
        }
    }
}
