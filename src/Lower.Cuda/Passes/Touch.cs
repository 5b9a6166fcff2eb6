using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cuda;

/// <summary>An access of all threads to memory that they share, with the conditions under which they make it.</summary>
internal sealed class Touch(
    Buffer buffer,
    ImmutableArray<Expr> indices,
    ImmutableArray<long> tile,
    ImmutableArray<Expr> guards,
    bool isWrite
) : IEquatable<Touch>
{
    public Buffer Buffer { get; } = buffer;

    public ImmutableArray<Expr> Indices { get; } = indices;

    /// <summary>Elements from the index on along each dimension; more than one where a whole warp accesses a tile.</summary>
    public ImmutableArray<long> Tile { get; } = tile;

    public ImmutableArray<Expr> Guards { get; } = guards;

    public bool IsWrite { get; } = isWrite;

    public Touch Substitute(Var var, Expr value)
    {
        if (!Indices.Concat(Guards).Any(e => e.Uses(var)))
            return this;
        var values = new Dictionary<Var, Expr> { [var] = value };
        Expr In(Expr e) => e.Substitute(values);
        return new(Buffer, [.. Indices.Select(In)], Tile, [.. Guards.Select(In)], IsWrite);
    }

    public bool Uses(Var var) => Indices.Concat(Guards).Any(e => e.Uses(var));

    public bool Equals(Touch? other) =>
        other is not null
        && Buffer == other.Buffer
        && IsWrite == other.IsWrite
        && Indices.SequenceEqual(other.Indices)
        && Tile.SequenceEqual(other.Tile)
        && Guards.SequenceEqual(other.Guards);

    public override bool Equals(object? obj) => Equals(obj as Touch);

    public override int GetHashCode() => Indices.Aggregate(HashCode.Combine(Buffer, IsWrite), HashCode.Combine);
}

/// <summary>
/// A touch that no barrier has come after yet. Commits counts commits since, where the touch is a copy still under way;
/// InWarp says that a barrier of the warp has come after. Rounds counts how many iterations of a loop ago it was.
/// </summary>
internal sealed record Pending(Touch Touch, int? Commits = null, bool InWarp = false, int Rounds = 0)
{
    public bool UnderWay => Commits is not null;
}
