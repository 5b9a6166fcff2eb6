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
