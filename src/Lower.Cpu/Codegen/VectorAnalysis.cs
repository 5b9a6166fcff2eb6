using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Lower.Cpu.Passes;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Whether the body of a vector loop can be written with vector instructions: every value that varies over the lanes
/// has one element size, and addresses advance by a constant.
/// </summary>
internal sealed class VectorAnalysis
{
    // Stands for a stride by symbolic extents: neither 0 nor 1.
    private const long SymbolicStride = long.MaxValue;

    // Bytes of a lane where there is nothing but bools.
    private const int BoolSize = 4;

    private readonly Var _lane;
    private readonly IReadOnlySet<Var> _extents;
    private int _size;
    private bool _bools;

    private VectorAnalysis(Var lane, IReadOnlySet<Var> extents) => (_lane, _extents) = (lane, extents);

    /// <summary>Bytes an element (4 or 8), or 0 where lanes must run one by one.</summary>
    /// <param name="loop">A vector loop.</param>
    /// <param name="extents">The algorithm's symbolic extents, by which loads may be apart.</param>
    public static int ElementSize(For loop, IReadOnlySet<Var> extents)
    {
        var analysis = new VectorAnalysis(loop.Var, extents);
        return !analysis.Accepts(loop.Body, false) ? 0
            : analysis._size > 0 ? analysis._size
            : analysis._bools ? BoolSize
            : 0;
    }

    /// <summary>Bytes an element of a loop that <see cref="LegalizeVectors"/> left a vector loop; 0 where it stores nothing.</summary>
    public static int SizeOfLegal(For loop) =>
        loop.Body.Nodes().OfType<Store>().ToList() is not { Count: > 0 } stores ? 0
        : stores.Find(s => s.Buffer.Type != DType.Bool) is { } store ? CpuType.Of(store.Buffer.Type).LaneSize
        : stores.Select(s => SizeOf(s.Value, loop.Var)).FirstOrDefault(size => size > 0, BoolSize);

    // Bools take the size of what they are made of.
    private static int SizeOf(Expr e, Var lane)
    {
        if (e is Load l)
            return l.Type != DType.Bool && l.Uses(lane) ? CpuType.Of(l.Type).LaneSize : 0;
        if (!e.Uses(lane) || e is Binary { A.Type: DTypes.Index } && !e.Loads().Any())
            return 0;
        return e.Children().Select(child => SizeOf(child, lane)).FirstOrDefault(size => size > 0);
    }

    private bool Accepts(Stmt stmt, bool masked) =>
        stmt switch
        {
            For { Kind: LoopKind.Serial or LoopKind.Unrolled } f => !f.Extent.Uses(_lane) && Accepts(f.Body, masked),
            Seq q => q.Items.All(i => Accepts(i, masked)),
            If i => Accepts(i.Cond, masked)
                && Accepts(i.Then, masked || i.Cond.Uses(_lane))
                && (i.Else is null || Accepts(i.Else, masked || i.Cond.Uses(_lane))),
            Store s => AcceptsStore(s, masked),
            Prefetch p => !p.Indices.Any(x => x.Uses(_lane)),
            _ => false,
        };

    private bool AcceptsStore(Store s, bool masked)
    {
        var stride = Stride(s.Buffer, s.Indices);
        if (s.Buffer.Type == DType.Bool)
            return stride == 1 && Bools(s.Buffer) && s.Value.Type == DType.Bool && Accepts(s.Value, masked);
        return stride is not null and not 0 and not SymbolicStride
            && (stride == 1 || !masked)
            && !s.Indices.Any(i => i.Loads().Any(l => l.Indices.Any(x => x.Uses(_lane))))
            && Size(s.Buffer.Type)
            && s.Value.Type == s.Buffer.Type
            && Accepts(s.Value, masked);
    }

    // Elements per lane, null where that is not a constant.
    private long? Stride(Buffer buffer, IReadOnlyCollection<Expr> indices)
    {
        // The usual case by itself, since it is asked for every access of unrolled code: one index moves, by the lane.
        Expr? moving = null;
        int at = 0;
        int d = 0;
        foreach (var index in indices)
        {
            if (index.Uses(_lane))
            {
                at = moving is null ? d : -1;
                moving = index;
            }
            d++;
        }
        if (moving is null)
            return 0;
        if (at == indices.Count - 1 && ReferenceEquals(moving, _lane) && buffer.Pitches.IsDefault)
            return buffer.Strides.IsDefault ? 1 : buffer.Strides[at];
        var form = LinearForm.Of(buffer.Offset([.. indices]));
        if (!form.Terms.Any(t => !ReferenceEquals(t.Atom, _lane) && t.Atom.Uses(_lane)))
            return form.CoefficientOf(_lane);
        return form.StepOf(_lane, _extents.Contains) is null ? null : SymbolicStride;
    }

    private bool Size(DType type)
    {
        var cpu = CpuType.Of(type);
        if (cpu.Lane is null)
            return false;
        if (_size == 0)
            _size = cpu.LaneSize;
        return _size == cpu.LaneSize;
    }

    // In memory; their lanes are those of what they are made of or decide.
    private bool Bools(Buffer buffer)
    {
        _bools = true;
        return buffer.Scope != Scope.Register;
    }

    // Steps of lanes are computed in 32 bits; those of 16 lanes stay below the 2^30 at which the other side is clamped.
    private const long MaxStep = 1L << 26;

    private bool IsLaneAffine(Expr e) => e.Type == DTypes.Index && IsLaneAffine(LinearForm.Of(e));

    private bool IsLaneAffine(LinearForm form) =>
        !form.Terms.Any(t => !ReferenceEquals(t.Atom, _lane) && t.Atom.Uses(_lane))
        && Math.Abs(form.CoefficientOf(_lane)) <= MaxStep;

    // Whether an index surely fits 32 bits, which it goes through on the way to a float: no data, no large constant.
    private static bool IsSmall(Expr e) =>
        !e.Loads().Any()
        && LinearForm.Of(e) is var form
        && Math.Abs(form.Constant) <= 1L << 30
        && form.Terms.All(t => Math.Abs(t.Coefficient) <= MaxStep);

    /// <summary>Whether computing a value where it is not wanted may fault: division by a number from memory.</summary>
    public static bool MayFault(Expr e) =>
        e.Nodes().Any(n => n is Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod } b && b.B.Loads().Any());

    // lane < constant: strided loads under it read fewer lanes.
    private bool IsLeading(Expr cond) =>
        cond is Binary { Kind: BinaryOp.Lt } b
        && (LinearForm.Of(b.A) - LinearForm.Of(b.B)) is { Terms: [var only] }
        && ReferenceEquals(only.Atom, _lane)
        && only.Coefficient == 1;

    private bool Accepts(Expr e, bool masked)
    {
        if (!e.Uses(_lane))
            return !masked || !MayFault(e);
        switch (e)
        {
            case Load { Type: DType.Bool } l:
                return Stride(l.Buffer, l.Indices) == 1
                    && Bools(l.Buffer)
                    && !l.Indices.Any(i => i.Loads().Any(inner => inner.Uses(_lane)));
            case Load l:
                return Size(l.Type)
                    && Stride(l.Buffer, l.Indices) is { } stride
                    && (stride == 1 || !masked)
                    && !l.Indices.Any(i => i.Loads().Any(inner => inner.Uses(_lane)));
            case Unary u:
                return u.Kind
                        is UnaryOp.Neg
                            or UnaryOp.Not
                            or UnaryOp.Abs
                            or UnaryOp.Sqrt
                            or UnaryOp.Floor
                            or UnaryOp.Ceil
                            or UnaryOp.Round
                    && (u.Type == DType.Bool || Size(u.Type))
                    && Accepts(u.A, masked);
            case Apply a:
                return a.Function.Kernel is not null
                    && a.Type == DType.Float32
                    && Size(a.Type)
                    && a.Arguments.All(x => Accepts(x, masked));
            case Binary b when b.Type == DType.Bool && b.A.Type == DTypes.Index:
                return IsLaneAffine(b.A - b.B);
            case Binary { Kind: BinaryOp.And or BinaryOp.Or } b when b.Type == DType.Bool:
                return Accepts(b.A, masked) && Accepts(b.B, masked || b.B.Loads().Any());
            case Binary b:
                if (b.Kind is BinaryOp.Shl or BinaryOp.Shr && b.B is not IntImm)
                    return false;
                if (b.Kind is BinaryOp.FloorDiv or BinaryOp.Mod)
                    return false;
                if (b.A.Type == DType.Bool && b.Kind is not (BinaryOp.Eq or BinaryOp.Ne or BinaryOp.BitXor))
                    return false;
                return (b.A.Type == DType.Bool || Size(b.A.Type)) && Accepts(b.A, masked) && Accepts(b.B, masked);
            case Fma f:
                return Size(f.Type) && Accepts(f.A, masked) && Accepts(f.B, masked) && Accepts(f.C, masked);
            case Select s when ScalarFunctions.FarAngle(s) is { } angle:
                return Size(s.Type) && Accepts(s.Then, masked) && Accepts(angle.X, masked);
            case Select s:
                bool inner = masked || s.Cond.Uses(_lane) || s.Then.Loads().Any() || s.Else.Loads().Any();
                bool leading = !masked && IsLeading(s.Cond);
                return (s.Type == DType.Bool || Size(s.Type))
                    && Accepts(s.Cond, masked)
                    && Accepts(s.Then, inner && !leading)
                    && Accepts(s.Else, inner);
            case Cast c when c.A.Type == DTypes.Index && c.To is DType.Float32 or DType.Int32 or DType.UInt32:
                return Size(c.To) && IsLaneAffine(c.A) && (c.To != DType.Float32 || IsSmall(c.A));
            case Cast { A.Type: DType.Bool } c:
                return !c.To.IsStorage() && Size(c.To) && Accepts(c.A, masked);
            case Cast { To: DType.Bool } c when c.A.Type != DTypes.Index:
                return Size(c.A.Type) && Accepts(c.A, masked);
            case Cast c:
                // The lanes of a half type are those of the type it is computed in.
                return (
                        c.A.Type.IsStorage() && c.To == c.A.Type.Compute()
                        || c.To.IsStorage() && c.A.Type == c.To.Compute()
                        || (c.A.Type, c.To)
                            is
                                (DType.Int32 or DType.UInt32, DType.Float32)
                                or
                                (DType.Float32, DType.Int32)
                                or
                                (DType.Int32, DType.UInt32)
                                or
                                (DType.UInt32, DType.Int32)
                    )
                    && Size(c.To)
                    && Accepts(c.A, masked);
            case Bitcast c:
                return Size(c.To) && Size(c.A.Type) && Accepts(c.A, masked);
            default:
                return false;
        }
    }
}
