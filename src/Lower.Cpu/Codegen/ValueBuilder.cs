using System.Collections.Immutable;
using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>Turns expressions into nodes of the current region, scalar or vector as the context says.</summary>
internal sealed class ValueBuilder(
    Func<Region> region,
    Addressing addressing,
    IReadOnlyDictionary<Var, LocalBuilder> parameters,
    Dictionary<Buffer, PromotedBuffer> promoted
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

    private ValueType Lanes(DType type) => new(type, _vector!.Lanes);

    public Node Splat(Node node)
    {
        if (_vector is null || node.Type.IsVector)
            return node;
        return node.Type.Element == DType.Bool
            ? Region.Make(NodeOp.SplatMask, Lanes(DType.Bool), null, node)
            : Region.Make(NodeOp.Splat, Lanes(node.Type.Element), null, node);
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
                MemoryMask() is { } mask
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
            ? Region.Make(NodeOp.AnyLane, ValueType.Scalar(DType.Bool), null, MemoryMask()!)
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
    private static LinearForm? Negative(Expr cond) =>
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

    // ---- vectors

    private Node BuildVector(Expr e)
    {
        var vector = _vector!;
        switch (e)
        {
            case Load l:
                return LoadVector(l);
            case Unary { Kind: UnaryOp.Not, Type: DType.Bool } u:
                return Not(BuildLanes(u.A));
            case Unary u:
                return Region.Make(NodeOp.Unary, Lanes(u.Type), u.Kind, BuildLanes(u.A));
            case Apply a:
                return Region.Make(NodeOp.Function, Lanes(a.Type), a.Function, [.. a.Arguments.Select(BuildLanes)]);
            case Binary b when b.Type == DType.Bool && b.A.Type == DTypes.Index:
                return CompareIndices(b);
            case Binary { Kind: BinaryOp.Shl or BinaryOp.Shr } b:
                var amount = Region.Int(((IntImm)b.B).Value, DType.Int32);
                return Region.Make(NodeOp.Binary, Lanes(b.Type), b.Kind, BuildLanes(b.A), amount);
            case Binary { Kind: BinaryOp.And or BinaryOp.Or } b:
                var first = BuildLanes(b.A);
                // What the first decides in all lanes: false && …, true || …
                if (Known(first) == (b.Kind == BinaryOp.Or))
                    return first;
                var second =
                    b.Kind == BinaryOp.And ? UnderMask(b.A, first, b.B) : UnderMask(Op.Not(b.A), null, b.B, first);
                if (Known(first) is not null || Known(second) == (b.Kind == BinaryOp.Or))
                    return second;
                return Known(second) is not null
                    ? first
                    : Region.Make(NodeOp.Binary, Lanes(b.Type), b.Kind, first, second);
            case Binary b:
                return Region.Make(NodeOp.Binary, Lanes(b.Type), b.Kind, BuildLanes(b.A), BuildLanes(b.B));
            case Fma f:
                return Region.Make(NodeOp.Fma, Lanes(f.Type), null, BuildLanes(f.A), BuildLanes(f.B), BuildLanes(f.C));
            case Select s when ScalarFunctions.FarAngle(s) is var (function, x):
                return Region.Make(NodeOp.FarAngle, Lanes(s.Type), function, BuildLanes(s.Then), BuildLanes(x));
            case Select s:
                var mask = BuildLanes(s.Cond);
                if (Known(mask) is { } chosen)
                    return BuildLanes(chosen ? s.Then : s.Else);
                var then = UnderMask(s.Cond, mask, s.Then);
                var otherwise = UnderMask(Op.Not(s.Cond), null, s.Else, mask);
                return Region.Make(NodeOp.Select, Lanes(s.Type), null, mask, then, otherwise);
            case Cast c when c.A.Type == DTypes.Index && c.To != DType.Float64:
                var lanes = IndexLanes(c.A);
                return c.To == vector.IndexType ? lanes : Region.Make(NodeOp.Cast, Lanes(c.To), null, lanes);
            case Cast { A.Type: DType.Bool } c:
                return Region.Make(
                    NodeOp.Select,
                    Lanes(c.To),
                    null,
                    BuildLanes(c.A),
                    BuildLanes(Op.Const(1, c.To)),
                    BuildLanes(Op.Const(0, c.To))
                );
            case Cast { To: DType.Bool } c:
                return Build(Op.Ne(c.A, Op.Const(0, c.A.Type)));
            case Cast c:
                return Region.Make(NodeOp.Cast, Lanes(c.To), null, BuildLanes(c.A));
            case Bitcast c:
                return Region.Make(NodeOp.Bitcast, Lanes(c.To), null, BuildLanes(c.A));
            default:
                throw new LoweringException("unsupported", $"vector {e.GetType().Name} on the CPU");
        }
    }

    // Loads of an operand that is not chosen must not touch memory.
    private Node UnderMask(Expr cond, Node? mask, Expr e, Node? inverse = null)
    {
        if (AlreadyRead(e))
            return BuildLanes(e);
        var saved = _vector!;
        mask ??= Not(inverse!);
        _vector = Under(cond, mask);
        var node = Splat(Build(e));
        _vector = saved;
        return node;
    }

    public Node And(Node? a, Node b) =>
        a is null || Known(a) == true || Known(b) == false ? b
        : Known(a) == false || Known(b) == true ? a
        : Region.Make(NodeOp.Binary, Lanes(DType.Bool), BinaryOp.And, a, b);

    public Node Not(Node mask) =>
        Known(mask) is { } value ? Mask(!value) : Region.Make(NodeOp.Unary, Lanes(DType.Bool), UnaryOp.Not, mask);

    private Node Mask(bool all) => Splat(Region.Int(all ? 1 : 0, DType.Bool));

    // What is the same in all lanes is not left to the JIT, which takes all lanes && none for all (.NET 10 with AVX-512).
    private static bool? Known(Node mask) =>
        mask is { Op: NodeOp.SplatMask, Inputs: [{ Op: NodeOp.IntConst, Data: long value }] } ? value != 0 : null;

    /// <summary>Lanes on for memory accesses: those that exist and are not masked; null for all.</summary>
    public Node? MemoryMask()
    {
        var vector = _vector!;
        if (vector.Exist is { } exist)
            return vector.Mask is null ? exist : And(vector.Mask, exist);
        if (vector.Count == vector.Lanes)
            return vector.Mask;
        var iota = Region.Make(NodeOp.Iota, Lanes(vector.IndexType), null);
        var count = Splat(Region.Int(vector.Count, vector.IndexType));
        var tail = Region.Make(NodeOp.Binary, Lanes(DType.Bool), BinaryOp.Lt, iota, count);
        return vector.Mask is null ? tail : And(vector.Mask, tail);
    }

    private Node LoadVector(Load l)
    {
        var vector = _vector!;
        if (promoted.TryGetValue(l.Buffer, out var registers))
        {
            var (element, _) = registers.Element(l.Indices, vector.Lane);
            return Region.Make(NodeOp.RegisterRead, element.Type, element, element.Epoch);
        }
        var form = addressing.FormOf(l, l.Buffer, l.Indices);
        long stride = form.CoefficientOf(vector.Lane);
        var address = Address(l, l.Buffer, l.Indices);
        int epoch = Region.EpochOf(l.Buffer);
        if (stride == 1 && addressing.StrideOf(form, vector.Lane, 1) is null)
        {
            return MemoryMask() is { } mask
                ? Region.Make(NodeOp.MaskedLoad, Lanes(l.Type), null, epoch, address, mask)
                : Region.Make(NodeOp.Load, Lanes(l.Type), null, epoch, address);
        }
        var symbolic = addressing.StrideOf(form, vector.Lane, l.Type.Size());
        if (stride == 0 && symbolic is null)
            throw new LoweringException("unsupported", $"{l} mixes a lane into an index that does not advance");
        if (vector.Exist is not null)
            throw new LoweringException("masked-stride", "a strided load of as many lanes as are known at run time");
        int count = vector.Mask is null ? vector.Count : Math.Min(vector.Count, LeadingLanes(vector.Mask));
        var data = new StridedAccess(stride * l.Type.Size(), count, epoch, symbolic);
        return Region.Make(NodeOp.StridedLoad, Lanes(l.Type), data, epoch, address);
    }

    // Lanes that a mask of the form lane < constant leaves on.
    private static int LeadingLanes(Node mask) =>
        Known(mask) == false ? 0
        : mask is { Op: NodeOp.Binary, Data: BinaryOp.Lt, Inputs: [{ Op: NodeOp.Iota }, { Op: NodeOp.Splat } bound] }
        && bound.Inputs[0] is { Op: NodeOp.IntConst, Data: long count }
            ? (int)Math.Clamp(count, 0, int.MaxValue)
        : throw new LoweringException("masked-stride", "a strided load under a mask that is not a leading stretch");

    // rest + c·lane as a vector of 32- (or 64-) bit integers.
    private Node IndexLanes(Expr e)
    {
        var vector = _vector!;
        var form = LinearForm.Of(e);
        var (_, rest) = form.Partition(a => ReferenceEquals(a, vector.Lane));
        var start = BuildScalar(rest.ToExpr());
        if (vector.IndexType != DType.Int64)
            start = Region.Make(NodeOp.Cast, ValueType.Scalar(vector.IndexType), null, start);
        var steps = Steps(form.CoefficientOf(vector.Lane));
        return Region.Make(NodeOp.Binary, Lanes(vector.IndexType), BinaryOp.Add, steps, Splat(start));
    }

    private Node Steps(long coefficient)
    {
        var type = _vector!.IndexType;
        var iota = Region.Make(NodeOp.Iota, Lanes(type), null);
        return coefficient == 1
            ? iota
            : Region.Make(NodeOp.Binary, Lanes(type), BinaryOp.Mul, iota, Splat(Region.Int(coefficient, type)));
    }

    private static bool Holds(BinaryOp comparison, long a, long b) =>
        comparison switch
        {
            BinaryOp.Lt => a < b,
            BinaryOp.Le => a <= b,
            BinaryOp.Eq => a == b,
            BinaryOp.Ne => a != b,
            _ => throw new LoweringException("unsupported", $"vector {comparison} of indices"),
        };

    // a op b  ⇔  c·lane op −rest; the scalar side is clamped so that it fits a lane without changing the comparison.
    private Node CompareIndices(Binary b)
    {
        var vector = _vector!;
        var form = LinearForm.Of(b.A) - LinearForm.Of(b.B);
        var (_, rest) = form.Partition(a => ReferenceEquals(a, vector.Lane));
        var bound = BuildScalar((LinearForm.Of(0) - rest).ToExpr());
        if (bound is { Op: NodeOp.IntConst, Data: long constant })
        {
            long step = form.CoefficientOf(vector.Lane);
            var values = Enumerable
                .Range(0, vector.Count)
                .Select(lane => Holds(b.Kind, lane * step, constant))
                .ToList();
            if (values.TrueForAll(v => v == values[0]))
                return Mask(values[0]);
        }
        if (vector.IndexType == DType.Int32)
        {
            if (bound.Op == NodeOp.IntConst)
                bound = Region.Int(Math.Clamp((long)bound.Data!, -(1L << 30), 1L << 30), DType.Int32);
            else
            {
                var long64 = ValueType.Scalar(DType.Int64);
                bound = Region.Make(NodeOp.Binary, long64, BinaryOp.Min, bound, Region.Int(1L << 30));
                bound = Region.Make(NodeOp.Binary, long64, BinaryOp.Max, bound, Region.Int(-(1L << 30)));
                bound = Region.Make(NodeOp.Cast, ValueType.Scalar(DType.Int32), null, bound);
            }
        }
        return Region.Make(
            NodeOp.Binary,
            Lanes(DType.Bool),
            b.Kind,
            Steps(form.CoefficientOf(vector.Lane)),
            Splat(bound)
        );
    }
}

/// <summary>A register buffer in locals, by constant index.</summary>
internal sealed class PromotedBuffer(
    Buffer buffer,
    int lanes,
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
            var type = new ValueType(buffer.Type, lanes);
            _elements[key] = element = new RegisterElement(newLocal(type), type, !noBlend.Contains(key));
        }
        return (element, at);
    }
}
