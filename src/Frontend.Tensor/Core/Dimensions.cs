using System.Collections;
using System.Runtime.CompilerServices;

namespace Picograd;

/// <summary>
/// A number for each dimension of a tensor: its sizes, or its strides. Prints as <c>[2, 3]</c>, compares by value
/// (<c>t.Shape == [2, 3]</c>), is indexed, sliced and enumerated as a span and stands wherever a span of int64 is wanted. A view
/// of what the tensor holds: making one allocates nothing.
/// </summary>
[CollectionBuilder(typeof(Dimensions), nameof(Create))]
public readonly struct Dimensions : IReadOnlyList<long>, IEquatable<Dimensions>
{
    private readonly ReadOnlyMemory<long> _numbers;

    internal Dimensions(ReadOnlyMemory<long> numbers) => _numbers = numbers;

    /// <summary>Dimensions of one's own.</summary>
    public static Dimensions Create(ReadOnlySpan<long> numbers) => new(numbers.ToArray());

    /// <summary>How many dimensions there are.</summary>
    public int Length => _numbers.Length;

    /// <summary>The number of one dimension; <c>[^1]</c> is that of the last.</summary>
    /// <exception cref="IndexOutOfRangeException">There is no such dimension.</exception>
    public long this[int dim] => _numbers.Span[dim];

    int IReadOnlyCollection<long>.Count => Length;

    /// <summary>Some of the dimensions; <c>[1..]</c> is all but the first.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There are fewer.</exception>
    public Dimensions Slice(int start, int length) => new(_numbers.Slice(start, length));

    public ReadOnlySpan<long> AsSpan() => _numbers.Span;

    public long[] ToArray() => _numbers.ToArray();

    public static implicit operator ReadOnlySpan<long>(Dimensions dimensions) => dimensions._numbers.Span;

    public static bool operator ==(Dimensions a, Dimensions b) => a.Equals(b);

    public static bool operator !=(Dimensions a, Dimensions b) => !a.Equals(b);

    public bool Equals(Dimensions other) => SequenceEqual(other);

    /// <summary>Whether these are the numbers given, in this order.</summary>
    public bool SequenceEqual(ReadOnlySpan<long> other) => _numbers.Span.SequenceEqual(other);

    public override bool Equals(object? obj) => obj is Dimensions other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        foreach (long number in _numbers.Span)
            hash.Add(number);
        return hash.ToHashCode();
    }

    public ReadOnlySpan<long>.Enumerator GetEnumerator() => _numbers.Span.GetEnumerator();

    IEnumerator<long> IEnumerable<long>.GetEnumerator() => ((IEnumerable<long>)ToArray()).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => ToArray().GetEnumerator();

    /// <summary><c>var (rows, columns) = t.Shape;</c></summary>
    /// <exception cref="InvalidOperationException">There are more or fewer dimensions; says how many.</exception>
    public void Deconstruct(out long a, out long b)
    {
        var n = Exactly(2);
        (a, b) = (n[0], n[1]);
    }

    /// <inheritdoc cref="Deconstruct(out long, out long)"/>
    public void Deconstruct(out long a, out long b, out long c)
    {
        var n = Exactly(3);
        (a, b, c) = (n[0], n[1], n[2]);
    }

    /// <inheritdoc cref="Deconstruct(out long, out long)"/>
    public void Deconstruct(out long a, out long b, out long c, out long d)
    {
        var n = Exactly(4);
        (a, b, c, d) = (n[0], n[1], n[2], n[3]);
    }

    /// <summary><c>[2, 3]</c>; <c>[]</c> for a scalar.</summary>
    public override string ToString() => Layout.Text(_numbers.Span);

    private ReadOnlySpan<long> Exactly(int count) =>
        Length == count
            ? _numbers.Span
            : throw new InvalidOperationException($"{this} has {Length} dimensions, but was taken apart into {count}.");
}
