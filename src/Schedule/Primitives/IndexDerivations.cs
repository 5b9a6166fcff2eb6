using System.Collections.Immutable;
using Picograd.Algorithms;

namespace Picograd.Schedules.Primitives;

/// <summary>
/// Derivations that were made, for indices, ranges and variables that come again: a schedule asks after every primitive
/// what the indices of all blocks determine, and a primitive changes few of them.
/// </summary>
internal sealed class IndexDerivations
{
    private const int Most = 4096;

    [ThreadStatic]
    private static IndexDerivations? _current;

    private readonly IndexFunctions _functions = new();
    private readonly Dictionary<Question, HashSet<Derived>> _answers = [];

    /// <summary>
    /// This thread's; functions from one object compare with one another. Begins anew once it holds much.
    /// </summary>
    public static IndexDerivations Current
    {
        get
        {
            if (_current is null || _current._answers.Count >= Most)
                _current = new IndexDerivations();
            return _current;
        }
    }

    /// <summary>Pairs of a variable and a function of the index that gives it; not to be changed.</summary>
    public HashSet<Derived> Of(
        ImmutableArray<Expr> indices,
        IReadOnlyDictionary<Var, Interval> ranges,
        IReadOnlySet<Var> same
    )
    {
        var question = new Question(indices, ranges, same);
        if (!_answers.TryGetValue(question, out var found))
            _answers[question] = found = new IndexDerivation(_functions, ranges, same).Run(indices);
        return found;
    }

    // Indices, and of each variable in them whether it stands still and its range.
    private sealed record Variable(Var Var, bool StandsStill, bool HasRange, Interval Range);

    private sealed class Question : IEquatable<Question>
    {
        private readonly ImmutableArray<Expr> _indices;
        private readonly List<Variable> _variables = [];
        private readonly int _hash;

        public Question(ImmutableArray<Expr> indices, IReadOnlyDictionary<Var, Interval> ranges, IReadOnlySet<Var> same)
        {
            _indices = indices;
            var hash = new HashCode();
            var seen = new HashSet<Var>();
            foreach (var index in indices)
            {
                index.Any(e =>
                {
                    if (e is Var v && seen.Add(v))
                        _variables.Add(new(v, same.Contains(v), ranges.TryGetValue(v, out var range), range));
                    return false;
                });
                hash.Add(index);
            }
            foreach (var variable in _variables)
                hash.Add(variable);
            _hash = hash.ToHashCode();
        }

        public bool Equals(Question? other) =>
            other is not null
            && _hash == other._hash
            && _variables.SequenceEqual(other._variables)
            && _indices.AsSpan().SequenceEqual(other._indices.AsSpan());

        public override bool Equals(object? obj) => Equals(obj as Question);

        public override int GetHashCode() => _hash;
    }
}
