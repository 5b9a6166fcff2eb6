using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// What online softmax needs to know of the blocks that use a row maximum M: which of them are weights exp(s − N) of the
/// scores s that M is the maximum of, with N = M or 0 where M is −∞, and which axes are the rows and the keys there.
/// Everything is told from expressions. A weight w with maximum m becomes one with maximum m' by a factor exp(m − m'); so
/// does whatever is linear in weights.
/// </summary>
internal sealed class RunningMaximum
{
    private readonly LoopNest _nest;
    private readonly Block _max;
    private readonly Var _key;
    private readonly Dictionary<Buffer, Block> _writers;
    private readonly Dictionary<Buffer, bool> _depends = [];
    private readonly Dictionary<Buffer, (ImmutableArray<int> Rows, int Key)> _weights = [];

    /// <summary>Maps of weights in program order: exponentials, and what is linear in them.</summary>
    public List<Block> Weights { get; } = [];

    /// <summary>Axes of a block that are the rows and the keys of the maximum.</summary>
    public Dictionary<Block, (ImmutableArray<Var> Rows, Var Key)> Axes { get; } =
        new(ReferenceEqualityComparer.Instance as IEqualityComparer<Block>);

    private RunningMaximum(LoopNest nest, Block max)
    {
        _nest = nest;
        _max = max;
        _key = max.ReduceAxes.Single().Var;
        _writers = nest
            .Blocks.Where(b => b.Outputs.Length == 1)
            .GroupBy(b => b.Output)
            .Where(g => g.Count() == 1)
            .ToDictionary(g => g.Key, g => g.Single());
    }

    private enum Degree
    {
        /// <summary>Does not depend on the maximum.</summary>
        Free,

        /// <summary>Scales with exp(−N).</summary>
        Weight,

        /// <summary>The constant 0, which is both.</summary>
        Zero,
    }

    /// <summary>Finds the weights that the sums are made of; throws where one is anything else.</summary>
    public static RunningMaximum Of(LoopNest nest, Block max, IEnumerable<Block> sums)
    {
        var found = new RunningMaximum(nest, max);
        foreach (var sum in sums)
        {
            if (found.Classify(sum) != Degree.Weight)
                throw found.No(
                    sum,
                    $"block {sum.Name} does not add weights exp(s - N) with the maximum {max.Output.Name}"
                );
            var key = found.Axes[sum].Key;
            if (sum.ReduceAxes.All(a => a.Var != key))
                throw found.No(
                    sum,
                    $"block {sum.Name} does not reduce over {key.Name}, along which {max.Output.Name} is a maximum"
                );
        }
        return found;
    }

    /// <summary>The expression with each N replaced by the load of a buffer with its running value.</summary>
    public Expr WithShift(Expr e, Buffer shift) => e.Map(x => ShiftRow(x) is { } row ? shift.At(row) : null);

    /// <summary>Blocks that compute N for others.</summary>
    public IEnumerable<Block> Shifts => _writers.Values.Where(b => b.IsMap() && IsShift(b));

    /// <summary>What a map computes at the place of a load of its buffer; null where no map does, or not at its own axes.</summary>
    public Expr? MapAt(Load load)
    {
        if (
            !_writers.TryGetValue(load.Buffer, out var writer)
            || !writer.IsMap()
            || !writer.ArePlainAxes(writer.Indices)
        )
            return null;
        var places = writer.Indices.Zip(load.Indices).ToDictionary(p => (Var)p.First, p => p.Second);
        return writer.Values[0].Substitute(places);
    }

    // The degree of a block's value, which must be the same in all of it. Notes the block's axes.
    private Degree Classify(Block block)
    {
        if (block.Outputs.Length != 1 || !block.ArePlainAxes(block.Indices))
            throw No(
                block,
                $"block {block.Name} does not write one buffer at its own axes",
                "weights and sums that write out[axes]"
            );
        return DegreeOf(block.Values[0], block);
    }

    private Degree DegreeOf(Expr e, Block block)
    {
        if (!Depends(e))
            return e.IsConst(0) ? Degree.Zero : Degree.Free;
        switch (e)
        {
            case Load load when _writers.TryGetValue(load.Buffer, out var writer) && writer.IsMap() && !IsShift(writer):
                return OfMap(load, writer, block);
            case Cast { To: var to } cast when to.IsFloat() && cast.A.Type.IsFloat():
                return DegreeOf(cast.A, block);
            case Unary { Kind: UnaryOp.Neg } negative:
                return DegreeOf(negative.A, block);
            case Apply { Arguments: [Binary { Kind: BinaryOp.Sub, A: var score, B: var shift }] } exp
                when exp.Function == ScalarFunctions.Exp && ShiftRow(shift) is { } row && !Depends(score):
                Note(block, Plain(block, row, shift), KeyOf(block, score, row));
                return Degree.Weight;
            case Binary { Kind: BinaryOp.Mul } product:
                return Product(product, DegreeOf(product.A, block), DegreeOf(product.B, block), block);
            case Binary { Kind: BinaryOp.Div } quotient when !Depends(quotient.B):
                return DegreeOf(quotient.A, block);
            case Binary { Kind: BinaryOp.Add or BinaryOp.Sub } sum:
                return Same(sum, DegreeOf(sum.A, block), DegreeOf(sum.B, block), block);
            case Select select when !Depends(select.Cond):
                return Same(select, DegreeOf(select.Then, block), DegreeOf(select.Else, block), block);
            case Apply { Arguments: [Binary { Kind: BinaryOp.Sub, B: Load own }] } exp
                when exp.Function == ScalarFunctions.Exp && IsMaximum(own):
                throw No(
                    block,
                    $"block {block.Name} subtracts {own} itself, which gives NaN while all scores so far are -Infinity",
                    $"exp(s - N) with N = select({_max.Output.Name} == -Infinity, 0, {_max.Output.Name})"
                );
            default:
                throw No(block, $"{e} of block {block.Name} does not scale with exp(-{_max.Output.Name})");
        }
    }

    private Degree OfMap(Load load, Block writer, Block reader)
    {
        if (!_weights.ContainsKey(load.Buffer))
        {
            if (Classify(writer) != Degree.Weight)
                throw No(writer, $"block {writer.Name} depends on {_max.Output.Name}, but not as a weight exp(s - N)");
            var (rows, key) = Axes[writer];
            if (!writer.Indices.Contains(key))
                throw No(writer, $"block {writer.Name} does not keep one weight for each {key.Name}");
            _weights[load.Buffer] = ([.. rows.Select(r => writer.Indices.IndexOf(r))], writer.Indices.IndexOf(key));
            Weights.Add(writer);
        }
        var at = _weights[load.Buffer];
        var keyIndex = load.Indices[at.Key];
        if (keyIndex is not Var own || reader.Axes.All(a => a.Var != own))
            throw No(reader, $"block {reader.Name} reads {load}, not at one of its own axes");
        Note(reader, Plain(reader, [.. at.Rows.Select(d => load.Indices[d])], load), own);
        return Degree.Weight;
    }

    private Degree Product(Expr e, Degree a, Degree b, Block block) =>
        (a, b) switch
        {
            (Degree.Zero, _) or (_, Degree.Zero) => Degree.Zero,
            (Degree.Weight, Degree.Weight) => throw No(block, $"{e} of block {block.Name} is a product of two weights"),
            (Degree.Weight, _) or (_, Degree.Weight) => Degree.Weight,
            _ => Degree.Free,
        };

    private Degree Same(Expr e, Degree a, Degree b, Block block) =>
        a == b || b == Degree.Zero ? a
        : a == Degree.Zero ? b
        : throw No(block, $"{e} of block {block.Name} mixes a weight with what is none");

    // The key of the block, given that the score is the value of the maximum at the block's row: a score above the
    // maximum so far could overflow.
    private Var KeyOf(Block block, Expr score, ImmutableArray<Expr> row)
    {
        var ranges = _nest.AxisRanges(block);
        var wanted = Simplifier.Simplify(score, ranges);
        foreach (var axis in block.Axes.Where(a => !row.Contains(a.Var)))
        {
            var places = _max.Indices.Zip(row).ToDictionary(p => (Var)p.First, p => p.Second);
            places[_key] = axis.Var;
            if (
                axis.Extent == _max.ReduceAxes.Single().Extent
                && Simplifier.Simplify(_max.Values[0].Substitute(places), ranges) == wanted
            )
                return axis.Var;
        }
        throw No(
            block,
            $"{score} of block {block.Name} is not the score {_max.Values[0]} that {_max.Output.Name} is the maximum of",
            "weights of the same scores, at the same rows"
        );
    }

    private ImmutableArray<Var> Plain(Block block, ImmutableArray<Expr> row, Expr at) =>
        block.ArePlainAxes(row) && row.All(i => block.Axis(i).Kind == AxisKind.Spatial)
            ? [.. row.Cast<Var>()]
            : throw No(block, $"block {block.Name} reads {at}, not at rows that are its own axes, each once");

    private void Note(Block block, ImmutableArray<Var> rows, Var key)
    {
        if (!Axes.TryGetValue(block, out var other))
            Axes[block] = (rows, key);
        else if (!other.Rows.SequenceEqual(rows) || other.Key != key)
            throw No(block, $"block {block.Name} uses weights of several rows or keys at once");
    }

    // N at a row: M there, or 0 where that is −∞; from a buffer or on the spot. Null: something else.
    private ImmutableArray<Expr>? ShiftRow(Expr e)
    {
        if (e is Load load && _writers.TryGetValue(load.Buffer, out var writer) && writer.IsMap() && IsShift(writer))
            return load.Indices;
        return e is Select { Cond: Binary test, Then: var then, Else: var otherwise }
            ? (test, then, otherwise) switch
            {
                ({ Kind: BinaryOp.Eq, A: Load m, B: var low }, var zero, var other)
                    when IsMaximum(m) && IsLowest(low) && zero.IsConst(0) && other == m => m.Indices,
                ({ Kind: BinaryOp.Ne, A: Load m, B: var low }, var other, var zero)
                    when IsMaximum(m) && IsLowest(low) && zero.IsConst(0) && other == m => m.Indices,
                ({ Kind: BinaryOp.Lt, A: var low, B: Load m }, var other, var zero)
                    when IsMaximum(m) && IsLowest(low) && zero.IsConst(0) && other == m => m.Indices,
                _ => null,
            }
            : null;
    }

    private bool IsShift(Block block) =>
        block.Values[0] is Select
        && block.Outputs.Length == 1
        && ShiftRow(block.Values[0]) is { } row
        && row.SequenceEqual(block.Indices)
        && block.ArePlainAxes(row);

    private bool IsMaximum(Load load) => load.Buffer == _max.Output;

    private static bool IsLowest(Expr e) => e is FloatImm { Value: double.NegativeInfinity };

    // Whether the maximum is read, directly or by way of other blocks.
    private bool Depends(Expr e) => e.Loads().Any(l => IsMaximum(l) || Depends(l.Buffer));

    private bool Depends(Buffer buffer)
    {
        if (_depends.TryGetValue(buffer, out bool known) || !_writers.TryGetValue(buffer, out var writer))
            return known;
        _depends[buffer] = false; // until it is known: a scan reads itself
        return _depends[buffer] = !ReferenceEquals(writer, _max) && writer.Values.Any(Depends);
    }

    private ScheduleException No(Block block, string reason, string? legal = null) => new(_nest, block, reason, legal);
}
