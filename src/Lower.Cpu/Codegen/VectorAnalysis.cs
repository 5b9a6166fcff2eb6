using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Lower.Cpu.Passes;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Whether the body of a vector loop can be written with vector instructions, and of how many lanes: as many as a vector holds
/// of the widest values below. Narrower ones fill a part of a vector. Addresses advance by a constant.
/// </summary>
internal sealed class VectorAnalysis
{
    // Stands for a stride by symbolic extents: neither 0 nor 1.
    private const long SymbolicStride = long.MaxValue;

    // Bytes of numbers of lanes, where more is asked of them than whether they are below a number.
    private const int IndexSize = 4;

    private readonly Var _lane;
    private readonly IReadOnlySet<Var> _extents;
    private int _size;
    private bool _halves;
    private Expr? _refused;

    // What was found of an expression: those of random numbers share parts of parts, as trees they are a hundred times as many.
    private readonly Dictionary<Expr, bool> _uses = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(Expr Value, bool Masked), bool> _held = new(SameValue.Instance);

    private VectorAnalysis(Var lane, IReadOnlySet<Var> extents) => (_lane, _extents) = (lane, extents);

    /// <summary>Bytes of a lane of the widest values (1, 2, 4 or 8), or 0 where lanes must run one by one.</summary>
    /// <param name="loop">A vector loop.</param>
    /// <param name="extents">The algorithm's symbolic extents, by which loads may be apart.</param>
    /// <param name="bits">Of a vector.</param>
    public static int ElementSize(For loop, IReadOnlySet<Var> extents, int bits)
    {
        var analysis = new VectorAnalysis(loop.Var, extents);
        bool accepted = analysis.Accepts(loop.Body, false);
        // Halves are read and written by whole vectors of floats.
        return accepted && !(analysis._halves && bits / analysis._size < 32) ? analysis._size : 0;
    }

    /// <summary>What vectors cannot hold of a loop for which <see cref="ElementSize"/> is 0; null where that is no value.</summary>
    public static Expr? Refused(For loop, IReadOnlySet<Var> extents)
    {
        var analysis = new VectorAnalysis(loop.Var, extents);
        analysis.Accepts(loop.Body, false);
        return analysis._refused;
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
            StoreAll all => all.Stores.All(s => AcceptsStore(s, masked)),
            Prefetch p => !p.Indices.Any(x => x.Uses(_lane)),
            _ => false,
        };

    private bool AcceptsStore(Store s, bool masked)
    {
        var stride = Stride(s.Buffer, s.Indices);
        return stride is not null and not 0 and not SymbolicStride
            && (stride == 1 || (!masked && s.Buffer.Type.Size() > 1))
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
        if (cpu.Lane is null && type != DType.Bool)
            return false;
        _size = Math.Max(_size, cpu.LaneSize);
        _halves |= cpu.Half is not null;
        return true;
    }

    private bool Sizes(DType[] types)
    {
        foreach (var type in types)
        {
            if (!Size(type))
                return false;
        }
        return true;
    }

    // Numbers of lanes as vectors of integers.
    private bool Indices()
    {
        _size = Math.Max(_size, IndexSize);
        return true;
    }

    // Steps of lanes are computed in 32 bits; those of 16 lanes stay below the 2^30 at which the other side is clamped.
    private const long MaxStep = 1L << 26;

    /// <summary>Whether an integer is a number of the lane's, times a constant, and what all lanes have in common.</summary>
    public static bool IsAffine(Expr e, Var lane) =>
        e.Type == DTypes.Index
        && MayBeAffine(e, lane)
        && LinearForm.Of(e) is var form
        && !form.Terms.Any(t => !ReferenceEquals(t.Atom, lane) && t.Atom.Uses(lane))
        && Math.Abs(form.CoefficientOf(lane)) <= MaxStep;

    // Sums and multiples of the lane by their looks: a linear form of bits and remainders compares long expressions in vain.
    private static bool MayBeAffine(Expr e, Var lane) =>
        e switch
        {
            Var or IntImm => true,
            Unary { Kind: UnaryOp.Neg } u => MayBeAffine(u.A, lane),
            Binary { Kind: BinaryOp.Add or BinaryOp.Sub or BinaryOp.Mul } b => MayBeAffine(b.A, lane)
                && MayBeAffine(b.B, lane),
            _ => !e.Uses(lane),
        };

    private bool IsLaneAffine(Expr e) => IsAffine(e, _lane);

    // lane < number, for which bytes do.
    private bool IsBelow(Binary compare) =>
        compare.Kind == BinaryOp.Lt && (LinearForm.Of(compare.A) - LinearForm.Of(compare.B)).CoefficientOf(_lane) == 1;

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
        bool accepted;
        if (e is not (Binary or Fma or Select))
            accepted = Holds(e, masked);
        else if (!_held.TryGetValue((e, masked), out accepted))
            _held[(e, masked)] = accepted = Holds(e, masked);
        if (!accepted)
            _refused ??= e;
        return accepted;
    }

    // Only what has more below it than one operation is kept: the rest is asked again sooner than looked up.
    private bool UsesLane(Expr e) =>
        e switch
        {
            Var => ReferenceEquals(e, _lane),
            IntImm or FloatImm => false,
            Unary u => UsesLane(u.A),
            Cast c => UsesLane(c.A),
            Bitcast c => UsesLane(c.A),
            Binary { A: Var or IntImm or FloatImm, B: Var or IntImm or FloatImm } b => UsesLane(b.A) || UsesLane(b.B),
            Load l => l.Uses(_lane),
            _ when _uses.TryGetValue(e, out bool known) => known,
            Binary b => _uses[e] = UsesLane(b.A) || UsesLane(b.B),
            Fma f => _uses[e] = UsesLane(f.A) || UsesLane(f.B) || UsesLane(f.C),
            Select s => _uses[e] = UsesLane(s.Cond) || UsesLane(s.Then) || UsesLane(s.Else),
            _ => _uses[e] = e.Children().Any(UsesLane),
        };

    private bool Holds(Expr e, bool masked)
    {
        if (!UsesLane(e))
            return !masked || !MayFault(e);
        switch (e)
        {
            case Load l:
                return Size(l.Type)
                    && Stride(l.Buffer, l.Indices) is { } stride
                    && (stride == 1 || (masked ? StridedVectors.MayMask(l.Type, stride) : l.Type.Size() > 1))
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
            case Var or Binary when IsLaneAffine(e):
                return Size(DTypes.Index);
            case Apply a:
                return a.Function.Kernel is not null
                    && a.Type == DType.Float32
                    && Size(a.Type)
                    && a.Arguments.All(x => Accepts(x, masked));
            case Binary b when b.Type == DType.Bool && b.A.Type == DTypes.Index && IsLaneAffine(b.A - b.B):
                return IsBelow(b) || Indices();
            case Binary { Kind: BinaryOp.And or BinaryOp.Or } b when b.Type == DType.Bool:
                return Accepts(b.A, masked) && Accepts(b.B, masked || b.B.Loads().Any());
            case Binary b:
                if (b.Kind is BinaryOp.Shl or BinaryOp.Shr && (b.B is not IntImm || b.Type.Size() == 1))
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
            case Cast { To: DType.Float32 or DType.Int32 or DType.UInt32 } c when IsLaneAffine(c.A):
                return Size(c.To) && (c.To != DType.Float32 || IsSmall(c.A));
            case Cast { A.Type: DType.Bool } c:
                return !c.To.IsStorage() && Size(c.To) && Accepts(c.A, masked);
            case Cast { To: DType.Bool } c:
                return Size(c.A.Type) && Accepts(c.A, masked);
            case Cast c:
                return LaneCasts.Route(c.A.Type, c.To) is { } route && Sizes(route) && Accepts(c.A, masked);
            case Bitcast c:
                return Size(c.To) && Size(c.A.Type) && Accepts(c.A, masked);
            default:
                return false;
        }
    }

    private sealed class SameValue : IEqualityComparer<(Expr Value, bool Masked)>
    {
        public static SameValue Instance { get; } = new();

        public bool Equals((Expr Value, bool Masked) x, (Expr Value, bool Masked) y) =>
            ReferenceEquals(x.Value, y.Value) && x.Masked == y.Masked;

        public int GetHashCode((Expr Value, bool Masked) key) =>
            RuntimeHelpers.GetHashCode(key.Value) * 2 + (key.Masked ? 1 : 0);
    }
}
