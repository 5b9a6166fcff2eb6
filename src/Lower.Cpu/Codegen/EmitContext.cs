using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// The vector loop that statements are in: Lanes of which the first Count exist, and the lanes switched off by
/// conditions (Mask, null where all are on). Guard is false where no lane is on (null: some lane always is): loads of
/// one element for all lanes happen only where it holds.
/// </summary>
internal sealed record VectorContext(Var Lane, int Lanes, int Count, int ElementSize, Node? Mask)
{
    public Node? Guard { get; init; }

    /// <summary>
    /// Lanes that exist, where that is known at run time only: at least the first, and as with <see cref="Count"/> what the others
    /// compute is never stored. Null for all of Count.
    /// </summary>
    public Node? Exist { get; init; }

    /// <summary>No scalar says whether a lane is on; loads for all lanes look at the mask.</summary>
    public bool UnknownGuard { get; init; }

    /// <summary>
    /// A condition that holds if some lane satisfies <paramref name="cond"/>, over scalars only; null where there is no
    /// such simple condition.
    /// </summary>
    public Expr? AnyLane(Expr cond)
    {
        // Of several conditions each may hold for some lane without one for which all do.
        if (cond.Conjuncts().Count(part => part.Uses(Lane)) > (Mask is null ? 1 : 0))
            return null;
        var any = Op.True;
        foreach (var part in cond.Conjuncts())
        {
            if (!part.Uses(Lane))
            {
                any = Op.And(any, part);
                continue;
            }
            if (part is not Binary { Kind: BinaryOp.Lt or BinaryOp.Le } compare || compare.A.Type != DTypes.Index)
                return null;
            var form = LinearForm.Of(compare.A) - LinearForm.Of(compare.B);
            if (form.Terms.Any(t => !ReferenceEquals(t.Atom, Lane) && t.Atom.Uses(Lane)))
                return null;
            // The lane at which the left side is smallest.
            long best = form.CoefficientOf(Lane) >= 0 ? 0 : Count - 1;
            var (_, rest) = form.Partition(a => ReferenceEquals(a, Lane));
            var left = rest.WithConstant(rest.Constant + form.CoefficientOf(Lane) * best);
            Expr holds = compare.Kind == BinaryOp.Lt ? Op.Lt(left.ToExpr(), 0) : Op.Le(left.ToExpr(), 0);
            any = Op.And(any, holds);
        }
        return any;
    }

    /// <summary>Of lane numbers. In one and two bytes only whether they are below a number is asked.</summary>
    public DType IndexType =>
        ElementSize switch
        {
            1 => DType.UInt8,
            2 => DType.Int16,
            4 => DType.Int32,
            _ => DType.Int64,
        };
}
