using System.Collections.Immutable;
using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Turns expressions into nodes of the current region, scalar or vector as the context says.</summary>
internal sealed partial class ValueBuilder(
    Func<Region> region,
    Addressing addressing,
    IReadOnlyDictionary<Var, LocalBuilder> parameters,
    Dictionary<Buffer, PromotedBuffer> promoted,
    Func<LoadsInRange> inRange
)
{
    private readonly Dictionary<Expr, bool> _varying = new(ReferenceEqualityComparer.Instance);
    private VectorContext? _vector;

    public VectorContext? Vector
    {
        get => _vector;
        set
        {
            if (_vector?.Lane != value?.Lane)
                _varying.Clear();
            _vector = value;
        }
    }

    private Region Region => region();

    /// <summary>A node of the expression: a vector where it differs between lanes, else a scalar.</summary>
    public Node Build(Expr e) =>
        !IsVarying(e) ? BuildScalar(e)
        : Region.Built(e, _vector) is { Type.IsVector: true } built ? built
        : Region.Built(e, _vector, BuildVector(e));

    /// <summary>As <see cref="Build"/>, made a vector where the context is one.</summary>
    public Node BuildLanes(Expr e) => Splat(Build(e));

    public Node Scalar(Expr e) => BuildScalar(e);

    private bool IsVarying(Expr e)
    {
        if (_vector is null)
            return false;
        if (e is IntImm or FloatImm)
            return false;
        if (!_varying.TryGetValue(e, out bool varying))
        {
            varying = ReferenceEquals(e, _vector.Lane);
            // An index may use the lane and the address not: along a stride of 0.
            if (e is Load l && !promoted.ContainsKey(l.Buffer))
            {
                foreach (var (atom, _) in addressing.FormOf(l, l.Buffer, l.Indices).Terms)
                    varying |= IsVarying(atom);
            }
            else
            {
                foreach (var child in e.Children())
                    varying |= IsVarying(child);
            }
            _varying[e] = varying;
        }
        return varying;
    }

    private ValueType Lanes(DType type) => type == DType.Bool ? Mask(_vector!.ElementSize) : new(type, _vector!.Lanes);

    private ValueType Mask(int bytes) => ValueType.Mask(_vector!.Lanes, bytes);

    public Node Splat(Node node)
    {
        if (_vector is null || node.Type.IsVector)
            return node;
        return node.Type.Element == DType.Bool
            ? Region.Make(NodeOp.SplatMask, Lanes(DType.Bool), null, node)
            : Region.Make(NodeOp.Splat, Lanes(node.Type.Element), null, node);
    }

    // A mask for lanes of a size.
    public Node Resized(Node mask, int bytes) =>
        mask.Type.MaskBytes == bytes ? mask
        : mask.Op == NodeOp.SplatMask ? Region.Make(NodeOp.SplatMask, Mask(bytes), null, mask.Inputs[0])
        : mask.Op == NodeOp.MaskCast && mask.Inputs[0].Type.MaskBytes == bytes ? mask.Inputs[0]
        : Region.Make(NodeOp.MaskCast, Mask(bytes), null, mask);

    // Masks of one size: the smaller.
    private (Node A, Node B) Alike(Node a, Node b)
    {
        int bytes =
            a.Op == NodeOp.SplatMask ? b.Type.MaskBytes
            : b.Op == NodeOp.SplatMask ? a.Type.MaskBytes
            : Math.Min(a.Type.MaskBytes, b.Type.MaskBytes);
        return (Resized(a, bytes), Resized(b, bytes));
    }

    private Node Combined(BinaryOp kind, Node a, Node b)
    {
        (a, b) = Alike(a, b);
        return Region.Make(NodeOp.Binary, a.Type, kind, a, b);
    }

    public Node Choice(Node mask, Node then, Node otherwise)
    {
        if (then.Type.Element == DType.Bool)
            (then, otherwise) = Alike(then, otherwise);
        return Region.Make(NodeOp.Select, then.Type, null, Resized(mask, then.Type.LaneBytes), then, otherwise);
    }

    // ---- scalars

    private Node BuildScalar(Expr e) =>
        e is IntImm or FloatImm or Var or Load ? MakeScalar(e)
        : Region.Built(e, _vector) is { Type.IsVector: false } built ? built
        : Region.Built(e, _vector, MakeScalar(e));

    private Node MakeScalar(Expr e)
    {
        switch (e)
        {
            case IntImm i:
                return Region.Int(i.Value, i.Type);
            case FloatImm f:
                return Region.Make(
                    NodeOp.FloatConst,
                    ValueType.Scalar(f.Type),
                    BitConverter.DoubleToInt64Bits(f.Value)
                );
            case Var v:
                var local =
                    addressing.LocalOf(v)
                    ?? (parameters.TryGetValue(v, out var parameter) ? parameter : null)
                    ?? throw new InvalidOperationException($"variable {v.Name} has no value here");
                return Region.Make(NodeOp.Variable, ValueType.Scalar(DType.Int64), local);
            case Load l:
                return LoadScalar(l);
            case Unary u:
                return Region.Make(NodeOp.Unary, ValueType.Scalar(u.Type), u.Kind, BuildScalar(u.A));
            case Apply a:
                return Region.Make(
                    NodeOp.Function,
                    ValueType.Scalar(a.Type),
                    a.Function,
                    [.. a.Arguments.Select(BuildScalar)]
                );
            case Binary { Kind: BinaryOp.And or BinaryOp.Or } b:
                var first = BuildScalar(b.A);
                if (AlreadyRead(b.B))
                    return Region.Make(NodeOp.Binary, ValueType.Scalar(b.Type), b.Kind, first, BuildScalar(b.B));
                return b.Kind == BinaryOp.And ? Lazy(first, b.B, Op.False) : Lazy(first, Op.True, b.B);
            case Binary b:
                return Region.Make(NodeOp.Binary, ValueType.Scalar(b.Type), b.Kind, BuildScalar(b.A), BuildScalar(b.B));
            case Fma f:
                return Region.Make(
                    NodeOp.Fma,
                    ValueType.Scalar(f.Type),
                    null,
                    BuildScalar(f.A),
                    BuildScalar(f.B),
                    BuildScalar(f.C)
                );
            case Select s:
                var cond = BuildScalar(s.Cond);
                return AlreadyRead(s.Then) && AlreadyRead(s.Else)
                    ? Region.Make(
                        NodeOp.Select,
                        ValueType.Scalar(s.Type),
                        null,
                        cond,
                        BuildScalar(s.Then),
                        BuildScalar(s.Else)
                    )
                    : Lazy(cond, s.Then, s.Else);
            case Cast c:
                return Region.Make(NodeOp.Cast, ValueType.Scalar(c.To), null, BuildScalar(c.A));
            case Bitcast c:
                return Region.Make(NodeOp.Bitcast, ValueType.Scalar(c.To), null, BuildScalar(c.A));
            default:
                throw new LoweringException("unsupported", $"{e.GetType().Name} on the CPU");
        }
    }

    private Node Lazy(Node cond, Expr then, Expr otherwise)
    {
        var a = Region.Private(BuildScalar, then);
        var b = Region.Private(BuildScalar, otherwise);
        return Region.Make(NodeOp.LazySelect, a.Type, null, cond, a, b);
    }

    /// <summary>
    /// Whether everything that an expression loads has been loaded anyway, so that its value may be computed where it is
    /// not wanted. A load at a place that was itself loaded counts as not known, and a division may fault without it.
    /// </summary>
    private bool AlreadyRead(Expr e)
    {
        if (VectorAnalysis.MayFault(e))
            return false;
        foreach (var load in e.Loads())
        {
            if (!promoted.ContainsKey(load.Buffer) && (load.Indices.Any(i => i.Loads().Any()) || !IsRead(load)))
                return false;
        }
        return true;
    }

    private bool IsRead(Load l)
    {
        var address = Address(l, l.Buffer, l.Indices);
        int epoch = Region.EpochOf(l.Buffer);
        if (!IsVarying(l))
            return Region.Contains(NodeOp.Load, ValueType.Scalar(l.Type), l.Type, epoch, address);
        return addressing.FormOf(l, l.Buffer, l.Indices).CoefficientOf(_vector!.Lane) == 1
            && (
                MemoryMask(l.Type) is { } mask
                    ? Region.Contains(NodeOp.MaskedLoad, Lanes(l.Type), null, epoch, address, mask)
                    : Region.Contains(NodeOp.Load, Lanes(l.Type), null, epoch, address)
            );
    }

    private Node LoadScalar(Load l)
    {
        if (promoted.TryGetValue(l.Buffer, out var registers))
        {
            var (element, lane) = registers.Element(l.Indices, null);
            var read = Region.Make(NodeOp.RegisterRead, element.Type, element, element.Epoch);
            return element.Type.IsVector
                ? Region.Make(NodeOp.ExtractLane, ValueType.Scalar(element.Type.Element), lane, read)
                : read;
        }
        if (_vector is { Mask: not null } masked && !AlreadyRead(l) && Guard(masked) is { } guard)
        {
            // No lane may be on, and the element out of bounds.
            _vector = masked with
            {
                Mask = null,
                Guard = null,
                UnknownGuard = false,
            };
            var lazy = Lazy(guard, l, Op.Const(0, l.Type));
            _vector = masked;
            return lazy;
        }
        var address = Address(l, l.Buffer, l.Indices);
        return Region.Make(NodeOp.Load, ValueType.Scalar(l.Type), l.Type, Region.EpochOf(l.Buffer), address);
    }

    // Whether any lane is on: as the conditions around say or, where they depend on data, by a look at the mask. Null for
    // surely.
    private Node? Guard(VectorContext vector) =>
        vector.UnknownGuard
            ? Region.Make(NodeOp.AnyLane, ValueType.Scalar(DType.Bool), null, MemoryMask(DType.Bool)!)
            : vector.Guard;

    // f < 0 for the conditions of the branches around.
    private readonly List<LinearForm> _holds = [];

    /// <summary>From here on a condition holds, until <see cref="Leave"/> of the number that this gives.</summary>
    public int Enter(Expr cond)
    {
        int before = _holds.Count;
        foreach (var part in cond.Conjuncts())
        {
            if (Negative(part) is { } form)
                _holds.Add(form);
        }
        return before;
    }

    public void Leave(int before) => _holds.RemoveRange(before, _holds.Count - before);

    private bool Holds(Expr cond) =>
        cond.IsTrue()
        || (Negative(cond) is { } form && _holds.Any(h => form - h is { IsConstant: true, Constant: <= 0 }));

    // a < b as a − b < 0; null for what is no comparison of indices, or reads memory.
    public static LinearForm? Negative(Expr cond) =>
        cond is Binary { Kind: BinaryOp.Lt or BinaryOp.Le } compare
        && compare.A.Type == DTypes.Index
        && !compare.Loads().Any()
        && LinearForm.Of(compare.A) - LinearForm.Of(compare.B) is var form
            ? form.WithConstant(form.Constant - (compare.Kind == BinaryOp.Le ? 1 : 0))
            : null;

    /// <summary>
    /// Whether a condition says which lanes exist, the first ones, and the first of them surely: what a symbolic extent leaves of
    /// a vector.
    /// </summary>
    public bool IsExistence(Expr cond) =>
        _vector is { Mask: null, Exist: null } vector
        && vector.Count == vector.Lanes
        && cond is Binary
        && Negative(cond) is { } form
        && form.CoefficientOf(vector.Lane) == 1
        && vector.AnyLane(cond) is { } any
        && Holds(any);

    /// <summary>The context below a condition, which has been built as <paramref name="mask"/>.</summary>
    public VectorContext Under(Expr cond, Node mask)
    {
        var vector = _vector!;
        var any = vector.AnyLane(cond);
        var below = vector with
        {
            Mask = Known(mask) == true ? vector.Mask : And(vector.Mask, mask),
            UnknownGuard = vector.UnknownGuard || any is null,
        };
        if (any is null || any.Conjuncts().All(Holds))
            return below;
        var guard = BuildScalar(any);
        if (vector.Guard is { } outer)
            guard = Region.Make(NodeOp.Binary, ValueType.Scalar(DType.Bool), BinaryOp.And, outer, guard);
        return below with { Guard = guard };
    }

    /// <summary>Address of an access; in a vector context that of lane 0.</summary>
    public Node Address(object access, Buffer buffer, ImmutableArray<Expr> indices)
    {
        var form = addressing.FormOf(access, buffer, indices);
        int size = buffer.Type.Size();
        var (pointer, others) = addressing.Resolve(buffer, form, _vector?.Lane);
        Node? dynamic = null;
        foreach (var (atom, coefficient) in others.Terms)
        {
            var term = BuildScalar(atom);
            if (term.Type.Element != DType.Int64)
                term = Region.Make(NodeOp.Cast, ValueType.Scalar(DType.Int64), null, term);
            if (coefficient * size != 1)
                term = Region.Make(
                    NodeOp.Binary,
                    ValueType.Scalar(DType.Int64),
                    BinaryOp.Mul,
                    term,
                    Region.Int(coefficient * size)
                );
            dynamic = dynamic is null
                ? term
                : Region.Make(NodeOp.Binary, ValueType.Scalar(DType.Int64), BinaryOp.Add, dynamic, term);
        }
        var reference = new PointerRef(pointer, others.Constant * size);
        return Region.Make(NodeOp.Address, ValueType.Scalar(DType.Int64), reference, dynamic is null ? [] : [dynamic]);
    }
}

/// <summary>A register buffer in locals, by constant index.</summary>
internal sealed class PromotedBuffer(
    Buffer buffer,
    int lanes,
    int maskBytes,
    IReadOnlySet<long> noBlend,
    Func<ValueType, LocalBuilder> newLocal
)
{
    private readonly Dictionary<long, RegisterElement> _elements = [];

    /// <summary>The local that holds an index, and the lane within it.</summary>
    public (RegisterElement Element, int Lane) Element(ImmutableArray<Expr> indices, Var? lane)
    {
        var (key, at) =
            RegisterPromotion.Place(buffer, indices, lane, lanes)
            ?? throw new InvalidOperationException($"{buffer.Name} was promoted with an index that is not constant");
        if (!_elements.TryGetValue(key, out var element))
        {
            var type = new ValueType(buffer.Type, lanes, maskBytes);
            _elements[key] = element = new RegisterElement(newLocal(type), type, !noBlend.Contains(key));
        }
        return (element, at);
    }
}
