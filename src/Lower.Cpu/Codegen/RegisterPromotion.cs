using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Decides whether a register buffer can live in locals: all indices constant, but for a vector lane in the last
/// dimension that starts at a multiple of the lanes. Elements are then locals of one vector each (or of one scalar, where
/// no access is a vector).
/// </summary>
internal sealed class RegisterPromotion
{
    // A read or write; a lane where it is a vector's, a mask where it is a write under conditions that are known.
    private sealed record Touch(ImmutableArray<Expr> Indices, Var? Lane, string? Mask);

    private readonly Buffer _buffer;
    private int _lanes = 1;
    private int? _varied;
    private bool _possible = true;
    private readonly List<Touch> _accesses = [];
    private readonly List<Touch> _writes = [];
    private static readonly Var AnyLane = new("lane");

    // Conditions on the lane around the statement being visited; null where one depends on more than the lane.
    private string? _mask = "";

    private RegisterPromotion(Buffer buffer) => _buffer = buffer;

    /// <summary>
    /// Lanes of an element's local, or 0 where the buffer must be memory; and the elements that are always written
    /// under the same constant lanes. The other lanes of those are never written, so a write need not keep them.
    /// </summary>
    public static (int Lanes, IReadOnlySet<long> NoBlend) Analyze(Buffer buffer, Stmt body, int bits)
    {
        if (buffer.Type.IsStorage() || !buffer.Shape.All(extent => extent is IntImm))
            return (0, new HashSet<long>());
        var promotion = new RegisterPromotion(buffer);
        promotion.Visit(body, null, bits);
        return promotion._possible && promotion.Consistent()
            ? (promotion._lanes, promotion.SameMasks())
            : (0, new HashSet<long>());
    }

    private HashSet<long> SameMasks()
    {
        // By element; null once writes differ.
        var masks = new Dictionary<long, string?>();
        foreach (var (indices, lane, mask) in _writes)
        {
            long element = Place(_buffer, indices, lane, _lanes)!.Value.Element;
            string? own = lane is null ? null : mask;
            masks[element] = masks.TryGetValue(element, out string? before) && before != own ? null : own;
        }
        var same = new HashSet<long>();
        foreach (var (element, mask) in masks)
        {
            if (mask is not null)
                same.Add(element);
        }
        return same;
    }

    private void VisitUnder(Expr cond, Stmt stmt, For vector, int bits)
    {
        string? saved = _mask;
        var plain = cond.Substitute(vector.Var, AnyLane);
        _mask =
            saved is not null && plain.FreeVars().All(v => v == AnyLane) && !plain.Loads().Any()
                ? $"{saved}&{Simplifier.Simplify(plain, new Dictionary<Var, Interval>())}"
                : null;
        Visit(stmt, vector, bits);
        _mask = saved;
    }

    private void Visit(Stmt stmt, For? vector, int bits)
    {
        switch (stmt)
        {
            case For { Kind: LoopKind.Vector } f:
                // Lanes beyond a short extent are off as if by a condition.
                string? outside = _mask;
                _mask = outside is null ? null : $"{outside}&<{f.Extent}";
                Visit(f.Body, f, bits);
                _mask = outside;
                return;
            // Another method: locals cannot be shared with it.
            case For { Kind: LoopKind.Parallel } p when Touches(p.Body):
                _possible = false;
                return;
            case For f:
                Scan(f.Extent, vector, bits);
                break;
            case If i when vector is not null && i.Cond.Uses(vector.Var):
                Scan(i.Cond, vector, bits);
                VisitUnder(i.Cond, i.Then, vector, bits);
                if (i.Else is not null)
                    VisitUnder(Op.Not(i.Cond), i.Else, vector, bits);
                return;
            case If i:
                Scan(i.Cond, vector, bits);
                break;
            case Store s:
                Visit(s, vector, bits);
                return;
            case StoreAll a:
                foreach (var store in a.Stores)
                    Visit(store, vector, bits);
                return;
            case Call c when c.Buffers.Contains(_buffer):
                _possible = false;
                return;
            default:
                break;
        }
        foreach (var child in stmt.Children())
            Visit(child, vector, bits);
    }

    private bool Touches(Stmt stmt) =>
        stmt.Nodes().Any(n => BufferAccess.Own(n).Any(a => a.Buffer == _buffer && a.Kind != AccessKind.Hint));

    private void Visit(Store s, For? vector, int bits)
    {
        if (s.Buffer == _buffer)
        {
            Access(s.Indices, vector, bits);
            bool lanes = vector is not null && s.Indices.Any(i => i.Uses(vector.Var));
            _writes.Add(new(s.Indices, lanes ? vector!.Var : null, _mask));
        }
        foreach (var index in s.Indices)
            Scan(index, vector, bits);
        Scan(s.Value, vector, bits);
    }

    private void Scan(Expr e, For? vector, int bits)
    {
        foreach (var load in e.Loads())
        {
            if (load.Buffer == _buffer)
                Access(load.Indices, vector, bits);
        }
    }

    private void Access(ImmutableArray<Expr> indices, For? vector, int bits)
    {
        bool varying = vector is not null && indices.Any(i => i.Uses(vector.Var));
        if (varying)
        {
            // Of all loops that touch it the same: legalize-vectors sees to that.
            int lanes = bits / 8 / Math.Max(1, vector!.LaneBytes);
            _possible &= _varied is null || _varied == lanes;
            _varied = _lanes = lanes;
        }
        _accesses.Add(new(indices, varying ? vector!.Var : null, null));
    }

    private bool Consistent()
    {
        foreach (var (indices, lane, _) in _accesses)
        {
            if (Place(_buffer, indices, lane, _lanes) is null)
                return false;
        }
        return true;
    }

    /// <summary>Key of the element's local and the lane within it, or null where the index is not of the form above.</summary>
    public static (long Element, int Lane)? Place(Buffer buffer, ImmutableArray<Expr> indices, Var? lane, int lanes)
    {
        // Dimensions of one element at the end (a block of k that a partial sum belongs to) do not count.
        int rank = indices.Length;
        while (rank > 1 && buffer.Shape[rank - 1].IsConst(1))
            rank--;
        long element = 0;
        for (int d = 0; d < rank; d++)
        {
            bool last = d == rank - 1;
            if (Split(indices[d], lane) is not var (constant, onLane) || constant < 0)
                return null;
            if (onLane && (!last || constant % lanes != 0))
                return null;
            if (lane is not null && last && !onLane)
                return null;
            if (last)
                return (element + constant / lanes, (int)(constant % lanes));
            // Row-major over the elements of the dimensions that follow.
            element = (element + constant) * ((IntImm)buffer.Shape[d + 1]).Value;
        }
        return (0, 0);
    }

    // constant or lane + constant; most indices are one of these as they stand.
    private static (long Constant, bool OnLane)? Split(Expr index, Var? lane)
    {
        switch (index)
        {
            case IntImm i:
                return (i.Value, false);
            case Var v when ReferenceEquals(v, lane):
                return (0, true);
            case Binary { Kind: BinaryOp.Add, A: Var v, B: IntImm i } when ReferenceEquals(v, lane):
                return (i.Value, true);
            default:
                var form = LinearForm.Of(index);
                if (form.IsConstant)
                    return (form.Constant, false);
                return form.Terms is [var only] && ReferenceEquals(only.Atom, lane) && only.Coefficient == 1
                    ? (form.Constant, true)
                    : null;
        }
    }
}
