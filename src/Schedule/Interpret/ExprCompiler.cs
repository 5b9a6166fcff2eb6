using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Interpret;

/// <summary>Expressions as closures over slots. Floats are evaluated as double and rounded to their type each time.</summary>
internal sealed class ExprCompiler
{
    private readonly Dictionary<Var, int> _vars = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Buffer, int> _buffers = new(ReferenceEqualityComparer.Instance);

    public int VarCount => _vars.Count;

    public int BufferCount => _buffers.Count;

    /// <summary>Most components that one statement writes.</summary>
    public int Arity { get; private set; } = 1;

    public int Slot(Var v)
    {
        if (!_vars.TryGetValue(v, out int slot))
            _vars[v] = slot = _vars.Count;
        return slot;
    }

    public int Slot(Buffer b)
    {
        if (!_buffers.TryGetValue(b, out int slot))
            _buffers[b] = slot = _buffers.Count;
        return slot;
    }

    public void NeedsTemporaries(int arity) => Arity = Math.Max(Arity, arity);

    public IntFn[] Ints(IEnumerable<Expr> list, Site site) => [.. list.Select(e => Int(e, site))];

    /// <summary>An expression of integer or boolean type; true is 1.</summary>
    public IntFn Int(Expr e, Site site)
    {
        switch (e)
        {
            case IntImm i:
                long constant = i.Value;
                return _ => constant;
            case Var v:
                int slot = Slot(v);
                return f => f.Vars[slot];
            case Unary u:
                return IntUnary(u, site);
            case Binary { Kind: BinaryOp.And or BinaryOp.Or } b:
                var (first, second) = (Int(b.A, site), Int(b.B, site));
                return b.Kind == BinaryOp.And
                    ? f => first(f) != 0 && second(f) != 0 ? 1 : 0
                    : f => first(f) != 0 || second(f) != 0 ? 1 : 0;
            case Binary b when b.A.Type.IsFloat():
                return FloatComparison(b, site);
            case Binary b:
                return IntBinary(b, site);
            case Fma m:
                return Int(m.A * m.B + m.C, site);
            case Select s:
                var (cond, then, otherwise) = (Int(s.Cond, site), Int(s.Then, site), Int(s.Else, site));
                return f => cond(f) != 0 ? then(f) : otherwise(f);
            case Cast c when c.A.Type.IsFloat():
                var from = Float(c.A, site);
                var to = c.To;
                return f => Numerics.Truncate(to, from(f));
            case Cast c:
                var narrow = Int(c.A, site);
                var type = c.To;
                return type == DType.Int64 ? narrow : f => Numerics.Wrap(type, narrow(f));
            case Bitcast c:
                return Bits(c, site);
            case Apply { Meaning: { } meaning }:
                return Int(meaning, site);
            case Load l:
                int buffer = Slot(l.Buffer);
                var indices = Ints(l.Indices, site);
                return f => f.Buffers[buffer]!.LoadInt(indices, f, site);
            case ReducerArg a:
                int temp = Temp(a);
                return f => f.TempInts[temp];
            default:
                throw new InvalidOperationException($"the interpreter has no integer meaning for {e}");
        }
    }

    /// <summary>An expression of float type.</summary>
    public FloatFn Float(Expr e, Site site)
    {
        switch (e)
        {
            case FloatImm i:
                double constant = Numerics.Round(i.ImmType, i.Value);
                return _ => constant;
            case Unary u:
                var (operand, op, width) = (Float(u.A, site), u.Kind, u.Type);
                if (op == UnaryOp.Neg)
                    return f => -operand(f);
                return f => Numerics.Compute(width, Numerics.Operation(op, operand(f)));
            case Binary b:
                return FloatBinary(b, site);
            case Apply { Meaning: { } meaning }:
                return Float(meaning, site);
            case Apply a:
                return Call(a, site);
            case Fma m:
                var (x, y, z) = (Float(m.A, site), Float(m.B, site), Float(m.C, site));
                return m.Type == DType.Float64
                    ? f => Math.FusedMultiplyAdd(x(f), y(f), z(f))
                    : f => MathF.FusedMultiplyAdd((float)x(f), (float)y(f), (float)z(f));
            case Select s:
                var (cond, then, otherwise) = (Int(s.Cond, site), Float(s.Then, site), Float(s.Else, site));
                return f => cond(f) != 0 ? then(f) : otherwise(f);
            case Cast c when c.A.Type.IsFloat():
                var from = Float(c.A, site);
                var to = c.To;
                return f => Numerics.Round(to, from(f));
            case Cast c:
                var integer = Int(c.A, site);
                var target = c.To;
                return f => Numerics.FromInteger(target, integer(f));
            case Bitcast c:
                var type = c.To;
                if (c.A.Type.IsFloat())
                {
                    var (same, source) = (Float(c.A, site), c.A.Type);
                    return f => Numerics.FromBits(type, Numerics.BitsOf(source, same(f)));
                }
                var bits = Int(c.A, site);
                return f => Numerics.FromBits(type, bits(f));
            case Load l:
                int buffer = Slot(l.Buffer);
                var indices = Ints(l.Indices, site);
                return f => f.Buffers[buffer]!.LoadFloat(indices, f, site);
            case ReducerArg a:
                int temp = Temp(a);
                return f => f.TempFloats[temp];
            default:
                throw new InvalidOperationException($"the interpreter has no float meaning for {e}");
        }
    }

    /// <summary>Position of a combiner's operand among the temporaries: accumulated values, then new ones.</summary>
    private static int Temp(ReducerArg a) => 2 * a.Index + (a.IsNew ? 1 : 0);

    private FloatFn Call(Apply call, Site site)
    {
        var (function, type) = (call.Function, call.Type);
        var x = Float(call.A, site);
        if (type == DType.Float32 && function.Kernel is not null)
        {
            // The very code that processors run.
            if (function.Arity == 1)
            {
                var kernel = function.KernelFor<Func<float, float>>();
                return f => kernel((float)x(f));
            }
            var kernel2 = function.KernelFor<Func<float, float, float>>();
            var second = Float(call.Arguments[1], site);
            return f => kernel2((float)x(f), (float)second(f));
        }
        switch (function.Reference)
        {
            case Func<double, double> reference:
                return f => Numerics.Compute(type, reference(x(f)));
            case Func<double, double, double> reference:
                var y = Float(call.Arguments[1], site);
                return f => Numerics.Compute(type, reference(x(f), y(f)));
            default:
                throw new InvalidOperationException($"the interpreter has no float meaning for {call}");
        }
    }

    private IntFn IntUnary(Unary u, Site site)
    {
        var a = Int(u.A, site);
        var type = u.Type;
        return u.Kind switch
        {
            UnaryOp.Not => f => a(f) == 0 ? 1 : 0,
            UnaryOp.Neg => f => Numerics.Wrap(type, -a(f)),
            UnaryOp.Abs => f =>
            {
                long value = a(f);
                return Numerics.Wrap(type, value < 0 ? -value : value);
            },
            _ => throw new InvalidOperationException($"the interpreter has no integer meaning for {u}"),
        };
    }

    private IntFn FloatComparison(Binary b, Site site)
    {
        var (x, y) = (Float(b.A, site), Float(b.B, site));
        return b.Kind switch
        {
            BinaryOp.Eq => f => x(f) == y(f) ? 1 : 0,
            BinaryOp.Ne => f => x(f) != y(f) ? 1 : 0,
            BinaryOp.Lt => f => x(f) < y(f) ? 1 : 0,
            BinaryOp.Le => f => x(f) <= y(f) ? 1 : 0,
            _ => throw new InvalidOperationException($"the interpreter has no boolean meaning for {b}"),
        };
    }

    private IntFn IntBinary(Binary b, Site site)
    {
        var (x, y) = (Int(b.A, site), Int(b.B, site));
        var (type, kind) = (b.Type, b.Kind);
        switch (kind)
        {
            case BinaryOp.Eq:
                return f => x(f) == y(f) ? 1 : 0;
            case BinaryOp.Ne:
                return f => x(f) != y(f) ? 1 : 0;
            case BinaryOp.Lt:
                return f => x(f) < y(f) ? 1 : 0;
            case BinaryOp.Le:
                return f => x(f) <= y(f) ? 1 : 0;
            case BinaryOp.Min:
                return f => Math.Min(x(f), y(f));
            case BinaryOp.Max:
                return f => Math.Max(x(f), y(f));
            case BinaryOp.BitAnd:
                return f => x(f) & y(f);
            case BinaryOp.BitOr:
                return f => x(f) | y(f);
            case BinaryOp.BitXor:
                return f => x(f) ^ y(f);
            case BinaryOp.Shl or BinaryOp.Shr:
                return f => Numerics.Shift(kind, type, x(f), y(f));
            default:
                break;
        }
        IntFn wide = kind switch
        {
            BinaryOp.Add => f => x(f) + y(f),
            BinaryOp.Sub => f => x(f) - y(f),
            BinaryOp.Mul => f => x(f) * y(f),
            BinaryOp.FloorDiv => f => Op.FloorDiv(x(f), y(f)),
            BinaryOp.Mod => f =>
            {
                long divisor = y(f);
                long rest = x(f) % divisor;
                return rest < 0 ? rest + divisor : rest;
            },
            _ => throw new InvalidOperationException($"the interpreter has no integer meaning for {b}"),
        };
        return type == DType.Int64 ? wide : f => Numerics.Wrap(type, wide(f));
    }

    private FloatFn FloatBinary(Binary b, Site site)
    {
        var (x, y) = (Float(b.A, site), Float(b.B, site));
        bool wide = b.Type == DType.Float64;
        return b.Kind switch
        {
            BinaryOp.Add => wide ? f => x(f) + y(f) : f => (float)(x(f) + y(f)),
            BinaryOp.Sub => wide ? f => x(f) - y(f) : f => (float)(x(f) - y(f)),
            BinaryOp.Mul => wide ? f => x(f) * y(f) : f => (float)(x(f) * y(f)),
            BinaryOp.Div => wide ? f => x(f) / y(f) : f => (float)(x(f) / y(f)),
            BinaryOp.Min => f => Math.Min(x(f), y(f)),
            BinaryOp.Max => f => Math.Max(x(f), y(f)),
            _ => throw new InvalidOperationException($"the interpreter has no float meaning for {b}"),
        };
    }

    private IntFn Bits(Bitcast c, Site site)
    {
        var (to, from) = (c.To, c.A.Type);
        if (from.IsFloat())
        {
            var value = Float(c.A, site);
            return f => Numerics.Wrap(to, Numerics.BitsOf(from, value(f)));
        }
        var bits = Int(c.A, site);
        return f => Numerics.Wrap(to, bits(f));
    }
}
