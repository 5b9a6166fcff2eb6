using System.Collections.Immutable;
using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

// What has a value a lane: vectors, their masks, and indices as vectors.
internal sealed partial class ValueBuilder
{
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
            case Binary b when b.Type == DType.Bool && VectorAnalysis.IsAffine(b.A - b.B, vector.Lane):
                return CompareIndices(b);
            case Var or Binary when VectorAnalysis.IsAffine(e, vector.Lane):
                return IndexLanes(e);
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
                return Known(second) is not null ? first : Combined(b.Kind, first, second);
            case Binary { A.Type: DType.Bool } b:
                return Combined(b.Kind, BuildLanes(b.A), BuildLanes(b.B));
            case Binary { Type: DType.Bool } b:
                var (left, right) = (BuildLanes(b.A), BuildLanes(b.B));
                return Region.Make(NodeOp.Binary, Mask(left.Type.LaneBytes), b.Kind, left, right);
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
                return Choice(mask, then, otherwise);
            case Cast { To: DType.Float32 or DType.Int32 or DType.UInt32 } c
                when VectorAnalysis.IsAffine(c.A, vector.Lane):
                return Converted(Converted(IndexLanes(c.A), DType.Int32), c.To);
            case Cast { A.Type: DType.Bool } c:
                return Choice(BuildLanes(c.A), BuildLanes(Op.Const(1, c.To)), BuildLanes(Op.Const(0, c.To)));
            case Cast { To: DType.Bool } c:
                return Build(Op.Ne(c.A, Op.Const(0, c.A.Type)));
            case Cast c:
                return Converted(BuildLanes(c.A), c.To);
            case Bitcast c:
                return Region.Make(NodeOp.Bitcast, Lanes(c.To), null, BuildLanes(c.A));
            default:
                throw new LoweringException("unsupported", $"vector {e.GetType().Name} on the CPU");
        }
    }

    private Node Converted(Node value, DType to)
    {
        if (value.Type.Element == to)
            return value;
        var route =
            LaneCasts.Route(value.Type.Element, to)
            ?? throw new LoweringException(
                "unsupported",
                $"vector conversion from {value.Type.Element.Name()} to {to.Name()}"
            );
        foreach (var type in route)
            value = Region.Make(NodeOp.Cast, Lanes(type), null, value);
        return value;
    }

    // Loads of an operand that is not chosen must not touch memory that is not theirs.
    private Node UnderMask(Expr cond, Node? mask, Expr e, Node? inverse = null)
    {
        if (AlreadyRead(e) || (cond.Loads().Any() && MayBeRead(e)))
            return BuildLanes(e);
        var saved = _vector!;
        mask ??= Not(inverse!);
        _vector = Under(cond, mask);
        var node = Splat(Build(e));
        _vector = saved;
        return node;
    }

    // Chosen by data, and there whatever these are.
    private bool MayBeRead(Expr e)
    {
        if (VectorAnalysis.MayFault(e))
            return false;
        foreach (var load in e.Loads())
        {
            if (!promoted.ContainsKey(load.Buffer) && !inRange().Contains(load))
                return false;
        }
        return true;
    }

    public Node And(Node? a, Node b) =>
        a is null || Known(a) == true || Known(b) == false ? b
        : Known(a) == false || Known(b) == true ? a
        : Combined(BinaryOp.And, a, b);

    public Node Not(Node mask) =>
        Known(mask) is { } value ? Mask(!value) : Region.Make(NodeOp.Unary, mask.Type, UnaryOp.Not, mask);

    private Node Mask(bool all) => Splat(Region.Int(all ? 1 : 0, DType.Bool));

    // What is the same in all lanes is not left to the JIT, which takes all lanes && none for all (.NET 10 with AVX-512).
    private static bool? Known(Node mask) =>
        mask is { Op: NodeOp.SplatMask, Inputs: [{ Op: NodeOp.IntConst, Data: long value }] } ? value != 0 : null;

    /// <summary>
    /// Lanes on for accesses of memory of a type, of its size: those that exist and are not masked; null for all. Where a
    /// vector of the type has more lanes than there are, those are off.
    /// </summary>
    public Node? MemoryMask(DType type)
    {
        if (MemoryMask() is not { } mask)
            return null;
        int full = _vector!.ElementSize;
        int bytes = type == DType.Bool ? full : CpuType.Of(type).LaneSize;
        return ValueType.Mask(_vector.Lanes, bytes).IsPartial && Known(mask) is null
            ? Region.Make(NodeOp.MaskCast, Mask(bytes), null, Resized(mask, full))
            : Resized(mask, bytes);
    }

    private Node? MemoryMask()
    {
        var vector = _vector!;
        if (vector.Exist is { } exist)
            return vector.Mask is null ? exist : And(vector.Mask, exist);
        if (vector.Count == vector.Lanes)
            return vector.Mask;
        var iota = Region.Make(NodeOp.Iota, Lanes(vector.IndexType), null);
        var count = Splat(Region.Int(vector.Count, vector.IndexType));
        var tail = Region.Make(NodeOp.Binary, Mask(vector.ElementSize), BinaryOp.Lt, iota, count);
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
            return MemoryMask(l.Type) is { } mask
                ? Region.Make(NodeOp.MaskedLoad, Lanes(l.Type), null, epoch, address, mask)
                : Region.Make(NodeOp.Load, Lanes(l.Type), null, epoch, address);
        }
        var symbolic = addressing.StrideOf(form, vector.Lane, l.Type.Size());
        if (stride == 0 && symbolic is null)
            throw new LoweringException("unsupported", $"{l} mixes a lane into an index that does not advance");
        if (
            (vector.Exist is not null || (vector.Mask is { } some && Leading(some) is null))
            && symbolic is null
            && StridedVectors.MayMask(l.Type, stride)
        )
        {
            var apart = new StridedAccess(stride, vector.Count, epoch);
            return Region.Make(NodeOp.MaskedLoad, Lanes(l.Type), apart, epoch, address, MemoryMask(l.Type)!);
        }
        if (vector.Exist is not null)
            throw new LoweringException("masked-stride", "a strided load of as many lanes as are known at run time");
        int count = vector.Mask is null ? vector.Count : Math.Min(vector.Count, LeadingLanes(vector.Mask));
        var data = new StridedAccess(stride * l.Type.Size(), count, epoch, symbolic);
        return Region.Make(NodeOp.StridedLoad, Lanes(l.Type), data, epoch, address);
    }

    // Lanes that a mask of the form lane < constant leaves on; null for other masks.
    private static int? Leading(Node mask) =>
        Known(mask) == false ? 0
        : mask is { Op: NodeOp.Binary, Data: BinaryOp.Lt, Inputs: [{ Op: NodeOp.Iota }, { Op: NodeOp.Splat } bound] }
        && bound.Inputs[0] is { Op: NodeOp.IntConst, Data: long count }
            ? (int)Math.Clamp(count, 0, int.MaxValue)
        : null;

    private static int LeadingLanes(Node mask) =>
        Leading(mask)
        ?? throw new LoweringException("masked-stride", "a strided load under a mask that is not a leading stretch");

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

    private Node Clamped(Node bound, long low, long high, DType type)
    {
        if (bound is { Op: NodeOp.IntConst, Data: long constant })
            return Region.Int(Math.Clamp(constant, low, high), type);
        var long64 = ValueType.Scalar(DType.Int64);
        bound = Region.Make(NodeOp.Binary, long64, BinaryOp.Min, bound, Region.Int(high));
        bound = Region.Make(NodeOp.Binary, long64, BinaryOp.Max, bound, Region.Int(low));
        return Region.Make(NodeOp.Cast, ValueType.Scalar(type), null, bound);
    }

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
            bound = Clamped(bound, -(1L << 30), 1L << 30, DType.Int32);
        }
        else if (vector.IndexType.Info().IsNarrow)
        {
            if (b.Kind != BinaryOp.Lt || form.CoefficientOf(vector.Lane) != 1)
                throw new LoweringException("unsupported", $"{b} in lanes of {vector.ElementSize} bytes");
            bound = Clamped(bound, 0, byte.MaxValue, vector.IndexType);
        }
        return Region.Make(
            NodeOp.Binary,
            Mask(vector.ElementSize),
            b.Kind,
            Steps(form.CoefficientOf(vector.Lane)),
            Splat(bound)
        );
    }
}
