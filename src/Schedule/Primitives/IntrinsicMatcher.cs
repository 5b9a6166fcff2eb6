using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// Finds how a block in a tile of loops is a use of an intrinsic: which loop is which axis, which load is which
/// operand. Says what differs where it is none.
/// </summary>
internal sealed class IntrinsicMatcher(LoopNest nest, Block block, ImmutableArray<For> tile, Intrinsic intrinsic)
{
    private readonly Block _meaning = intrinsic.Meaning;
    private readonly Simplifier _simplifier = new(nest.Ranges(nest.LoopsAround(block)));
    private string? _difference;

    /// <summary>The call, or what differs, in one sentence.</summary>
    public (Call? Call, string? Difference) Match()
    {
        if (WhyNotTheSameForm() is { } form)
            return (null, form);
        var target = new Load(block.Output, block.Indices);
        var start = ImmutableDictionary<int, Load>.Empty.Add(0, target);
        var assignments = Unify(_meaning.Values[0], block.Values[0], start).ToArray();
        if (assignments.Length == 0)
            return (null, $"the value is {block.Values[0]}, that of {intrinsic.Name} is {_meaning.Values[0]}");
        foreach (var order in Orders())
        {
            foreach (var loads in assignments)
            {
                if (Operands(order, loads) is { } call)
                    return (call, null);
            }
        }
        return (null, _difference ?? WhyNoOrder());
    }

    private string? WhyNotTheSameForm()
    {
        if (block.Outputs.Length != 1)
            return $"it writes {block.Outputs.Length} outputs";
        if (block.Reducer?.Name != _meaning.Reducer?.Name)
            return $"it {Combines(block)}, {intrinsic.Name} {Combines(_meaning)}";
        if (block.Init != _meaning.Init)
            return block.Init
                ? $"it also sets its output to the identity, {intrinsic.Name} only accumulates"
                : $"it only accumulates, {intrinsic.Name} also sets its output to the identity";
        if (tile.Length != _meaning.Axes.Length)
            return $"the tile has {Loops(tile.Length)} ({string.Join(", ", tile.Select(l => l.Name))}), {intrinsic.Name} has {_meaning.Axes.Length} axes ({string.Join(", ", _meaning.Axes.Select(a => a.Name))})";
        foreach (var loop in tile)
        {
            if (loop.Kind is not (LoopKind.Serial or LoopKind.Unrolled or LoopKind.Vector))
                return $"loop {loop.Name} of the tile is {loop.Kind.Text()}";
            if (block.Axes.Count(a => a.Binding.Uses(loop.Var)) != 1)
                return $"loop {loop.Name} runs along {block.Axes.Count(a => a.Binding.Uses(loop.Var))} axes of the block, not one";
        }
        return null;
    }

    private static string Loops(int count) => count == 1 ? "1 loop" : $"{count} loops";

    private static string Combines(Block b) => b.Reducer is null ? "only assigns" : $"reduces with {b.Reducer.Name}";

    private string WhyNoOrder() =>
        $"the tile is {string.Join(" x ", tile.Select(Describe))}, {intrinsic.Name} wants {string.Join(" x ", _meaning.Axes.Select(a => $"{a.Name}={a.Extent}{(a.Kind == AxisKind.Reduce ? " (reduce)" : "")}"))}";

    private string Describe(For loop) =>
        $"{loop.Name}={loop.Extent}{(KindOf(loop) == AxisKind.Reduce ? " (reduce)" : "")}";

    private AxisKind KindOf(For loop) => block.Axes.Single(a => a.Binding.Uses(loop.Var)).Kind;

    /// <summary>Assignments of loops to the meaning's axes in which extents and kinds agree.</summary>
    private IEnumerable<ImmutableDictionary<Var, Var>> Orders(
        int next = 0,
        ImmutableDictionary<Var, Var>? chosen = null
    )
    {
        chosen ??= ImmutableDictionary<Var, Var>.Empty;
        if (next == _meaning.Axes.Length)
        {
            yield return chosen;
            yield break;
        }
        var axis = _meaning.Axes[next];
        foreach (var loop in tile)
        {
            if (chosen.ContainsValue(loop.Var) || loop.Extent != axis.Extent || KindOf(loop) != axis.Kind)
                continue;
            foreach (var order in Orders(next + 1, chosen.Add(axis.Var, loop.Var)))
                yield return order;
        }
    }

    /// <summary>Every way in which the block's expression is the meaning's with loads in the place of operands.</summary>
    private IEnumerable<ImmutableDictionary<int, Load>> Unify(
        Expr meant,
        Expr found,
        ImmutableDictionary<int, Load> loads
    )
    {
        switch (meant, found)
        {
            case (Load operand, Load load):
                int i = intrinsic.Operands.IndexOf(operand.Buffer);
                if (!loads.TryGetValue(i, out var known))
                    return [loads.Add(i, load)];
                return known == load ? [loads] : [];
            case (Binary a, Binary b) when a.Kind == b.Kind:
                var ways = UnifyAll([a.A, a.B], [b.A, b.B], loads);
                return Commutes(a.Kind) ? ways.Concat(UnifyAll([a.A, a.B], [b.B, b.A], loads)) : ways;
            case (Unary a, Unary b) when a.Kind == b.Kind:
            case (Apply f, Apply h) when f.Function == h.Function:
            case (Fma, Fma) or (Select, Select):
                return UnifyAll([.. meant.Children()], [.. found.Children()], loads);
            case (Cast, Cast) or (Bitcast, Bitcast) when meant.Type == found.Type:
                return UnifyAll([.. meant.Children()], [.. found.Children()], loads);
            case (IntImm or FloatImm, _) when meant == found:
                return [loads];
            default:
                return [];
        }
    }

    private IEnumerable<ImmutableDictionary<int, Load>> UnifyAll(
        Expr[] meant,
        Expr[] found,
        ImmutableDictionary<int, Load> loads
    ) =>
        meant
            .Zip(found)
            .Aggregate(
                (IEnumerable<ImmutableDictionary<int, Load>>)[loads],
                (ways, pair) => ways.SelectMany(w => Unify(pair.First, pair.Second, w))
            );

    private static bool Commutes(BinaryOp op) =>
        op is BinaryOp.Add or BinaryOp.Mul or BinaryOp.Min or BinaryOp.Max or BinaryOp.And or BinaryOp.Or;

    private Call? Operands(ImmutableDictionary<Var, Var> order, ImmutableDictionary<int, Load> loads)
    {
        var buffers = ImmutableArray.CreateBuilder<Buffer>();
        var origins = ImmutableArray.CreateBuilder<ImmutableArray<Expr>>();
        var dims = ImmutableArray.CreateBuilder<ImmutableArray<int>>();
        for (int i = 0; i < intrinsic.Operands.Length; i++)
        {
            var load = loads[i];
            var wanted = intrinsic.Operands[i];
            var tileIndex = i == 0 ? _meaning.Indices : IndexOfOperand(wanted);
            if (
                WhyNotOperand(wanted, load.Buffer) is { } why
                || !Locate(wanted, load, tileIndex, order, out var at, out why)
            )
            {
                _difference ??= why;
                return null;
            }
            buffers.Add(load.Buffer);
            origins.Add(at.Origin);
            dims.Add(at.Dims);
        }
        return new Call(intrinsic, buffers.ToImmutable(), origins.ToImmutable(), dims.ToImmutable());
    }

    private ImmutableArray<Expr> IndexOfOperand(Buffer operand) =>
        _meaning.Values[0].Loads().First(l => l.Buffer == operand).Indices;

    private string? WhyNotOperand(Buffer wanted, Buffer found)
    {
        bool memory = found.Scope is Scope.Global or Scope.Heap or Scope.Stack;
        if (wanted.Scope == Scope.Global ? !memory : wanted.Scope != found.Scope)
            return $"operand {wanted.Name} is {found.Name} in {Text(found.Scope)}, {intrinsic.Name} wants it in {(wanted.Scope == Scope.Global ? "memory (global, heap or stack)" : Text(wanted.Scope))}";
        if (wanted.Type != found.Type)
            return $"operand {wanted.Name} is {found.Name} of {found.Type.Name()}, {intrinsic.Name} wants {wanted.Type.Name()}";
        return null;
    }

    private static string Text(Scope scope) => scope.ToString().ToLowerInvariant();

    // Each tile axis of the operand must run along one dimension of the buffer with coefficient 1; no other may.
    private bool Locate(
        Buffer wanted,
        Load load,
        ImmutableArray<Expr> tileIndex,
        ImmutableDictionary<Var, Var> order,
        out (ImmutableArray<Expr> Origin, ImmutableArray<int> Dims) at,
        out string? why
    )
    {
        at = default;
        var vars = tile.Select(l => l.Var).ToHashSet();
        var zero = vars.ToDictionary(v => v, _ => (Expr)0);
        var origin = new List<Expr>();
        var dimOf = new Dictionary<Var, int>();
        for (int d = 0; d < load.Indices.Length; d++)
        {
            var index = _simplifier.Visit(load.Indices[d].Substitute(block.Bindings));
            foreach (var (atom, coefficient) in LinearForm.Of(index).Terms)
            {
                if (atom is Var v && vars.Contains(v))
                {
                    why =
                        coefficient != 1
                            ? $"index {index} of {load.Buffer.Name} walks {coefficient} elements with {v.Name}, not 1"
                        : !dimOf.TryAdd(v, d) ? $"{v.Name} walks along two dimensions of {load.Buffer.Name}"
                        : dimOf.Count(x => x.Value == d) > 1
                            ? $"index {index} of {load.Buffer.Name} runs along two loops of the tile"
                        : null;
                    if (why is not null)
                        return false;
                }
                else if (atom.FreeVars().FirstOrDefault(vars.Contains) is { } inside)
                {
                    why = $"index {index} of {load.Buffer.Name} is not affine in {inside.Name}";
                    return false;
                }
            }
            origin.Add(_simplifier.Visit(index.Substitute(zero)));
        }
        var dims = new List<int>();
        foreach (var (axis, t) in tileIndex.Select((v, t) => ((Var)v, t)))
        {
            if (!dimOf.Remove(order[axis], out int d))
            {
                why =
                    $"operand {wanted.Name}, {load.Buffer.Name}, does not depend on {order[axis].Name}, the {axis.Name} of {intrinsic.Name}";
                return false;
            }
            if (!wanted.Strides.IsDefault && wanted.Strides[t] == 1 && !IsDense(load.Buffer, d))
            {
                why =
                    $"elements of {load.Buffer.Name} along {order[axis].Name} are not neighbours, as {intrinsic.Name} wants them";
                return false;
            }
            dims.Add(d);
        }
        if (dimOf.Count > 0)
        {
            why =
                $"operand {wanted.Name}, {load.Buffer.Name}, depends on {dimOf.Keys.First().Name}, that of {intrinsic.Name} does not";
            return false;
        }
        at = ([.. origin], [.. dims]);
        why = null;
        return true;
    }

    private static bool IsDense(Buffer buffer, int dim) =>
        buffer.Strides.IsDefault ? buffer.Shape.Skip(dim + 1).All(e => e.IsConst(1)) : buffer.Strides[dim] == 1;
}
