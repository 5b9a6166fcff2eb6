using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>An access of all threads to memory that they share, with the conditions under which they make it.</summary>
internal sealed class Touch(
    Buffer buffer,
    ImmutableArray<Expr> indices,
    ImmutableArray<long> tile,
    ImmutableArray<Expr> guards,
    bool isWrite
) : IEquatable<Touch>
{
    private int? _hash;

    public Buffer Buffer { get; } = buffer;

    public ImmutableArray<Expr> Indices { get; } = indices;

    /// <summary>Elements from the index on along each dimension; more than one where a whole warp accesses a tile.</summary>
    public ImmutableArray<long> Tile { get; } = tile;

    public ImmutableArray<Expr> Guards { get; } = guards;

    public bool IsWrite { get; } = isWrite;

    public Touch Substitute(Var var, Expr value)
    {
        if (!Uses(var))
            return this;
        Expr In(Expr e) => e.Substitute(var, value);
        return new(Buffer, [.. Indices.Select(In)], Tile, [.. Guards.Select(In)], IsWrite);
    }

    /// <summary>The same access under one more condition.</summary>
    public Touch If(Expr guard) => new(Buffer, Indices, Tile, Guards.Add(guard), IsWrite);

    public bool Uses(Var var)
    {
        foreach (var index in Indices)
        {
            if (index.Uses(var))
                return true;
        }
        foreach (var guard in Guards)
        {
            if (guard.Uses(var))
                return true;
        }
        return false;
    }

    public bool Equals(Touch? other) =>
        ReferenceEquals(this, other)
        || (
            other is not null
            && GetHashCode() == other.GetHashCode()
            && Buffer == other.Buffer
            && IsWrite == other.IsWrite
            && Indices.AsSpan().SequenceEqual(other.Indices.AsSpan())
            && Tile.AsSpan().SequenceEqual(other.Tile.AsSpan())
            && Guards.AsSpan().SequenceEqual(other.Guards.AsSpan())
        );

    public override bool Equals(object? obj) => Equals(obj as Touch);

    public override int GetHashCode()
    {
        _hash ??= Indices.Concat(Guards).Aggregate(HashCode.Combine(Buffer, IsWrite), HashCode.Combine);
        return _hash.Value;
    }
}

/// <summary>
/// A touch that no barrier has come after yet. Commits counts commits since, where the touch is a copy still under way;
/// InWarp says that a barrier of the warp has come after. Rounds counts how many iterations of a loop ago it was.
/// </summary>
internal sealed record Pending(Touch Touch, int? Commits = null, bool InWarp = false, int Rounds = 0)
{
    public bool UnderWay => Commits is not null;
}
