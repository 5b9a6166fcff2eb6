using Picograd.Algorithms.Operators;

namespace Picograd.Dispatch;

/// <summary>
/// Which calls are of a class of shapes, told by their words alone: a new length then needs no text, no algorithm and no key. All words
/// are those of a member but for its open sizes, which lie within the class's bounds.
/// </summary>
internal sealed class ClassPattern
{
    private readonly long[] _member;

    // Of each word its parameter; -1 where it is what it is.
    private readonly int[] _parameters;
    private readonly long[] _least;
    private readonly long[] _most;

    // Strides of one key, the places of two words each, in the order that all members have them.
    private readonly (int, int)[] _pairs;
    private readonly OpenOperator _open;

    /// <param name="plan">The operator's words.</param>
    /// <param name="words">Those of a member.</param>
    /// <param name="open">That member.</param>
    /// <param name="members">The class.</param>
    public ClassPattern(OperatorWords plan, ReadOnlySpan<long> words, OpenOperator open, ShapeClass members)
    {
        _open = open;
        Members = members;
        _member = words.ToArray();
        _least = [.. open.Parameters.Select(p => p.Min)];
        _most = [.. open.Parameters.Select(p => p.Max)];
        var meanings = plan.Meanings(words);
        // A word of 0 is a dimension that is not given.
        _parameters = new int[meanings.Length];
        for (int i = 0; i < meanings.Length; i++)
            _parameters[i] =
                meanings[i] is { } known && _member[i] > 0 ? open.ParameterAt(known.Key.Name, known.Number) : -1;
        var pairs = new List<(int, int)>();
        for (int i = 0; i < _member.Length; i++)
        {
            for (int j = i + 1; j < _member.Length; j++)
            {
                if (
                    meanings[i] is { } one
                    && meanings[j] is { } other
                    && one.Key == other.Key
                    && OpenOperator.IsStrides(one.Key)
                )
                    pairs.Add((i, j));
            }
        }
        _pairs = [.. pairs];
    }

    public ShapeClass Members { get; }

    /// <summary>Whether its calls say all of the class's sizes.</summary>
    public bool IsWhole => Enumerable.Range(0, _least.Length).All(_parameters.Contains);

    /// <summary>First word of all members.</summary>
    public long Head => _member[0];

    /// <summary>The values of the class's parameters in a call; null where that is none of its members.</summary>
    public long[]? ExtentsOf(ReadOnlySpan<long> words)
    {
        if (words.Length != _member.Length)
            return null;
        Span<long> extents = stackalloc long[_least.Length];
        extents.Clear();
        for (int i = 0; i < words.Length; i++)
        {
            int p = _parameters[i];
            long value = words[i];
            if (p < 0)
            {
                if (value != _member[i])
                    return null;
                continue;
            }
            if (value < _least[p] || value > _most[p] || (extents[p] != 0 && extents[p] != value))
                return null;
            extents[p] = value;
        }
        foreach (var (i, j) in _pairs)
        {
            if (words[i].CompareTo(words[j]) != _member[i].CompareTo(_member[j]))
                return null;
        }
        return _open.IsOfLevel(extents) ? extents.ToArray() : null;
    }

    /// <summary>Points of a member.</summary>
    public long Points(ReadOnlySpan<long> extents) => _open.CountPoints(extents);
}
