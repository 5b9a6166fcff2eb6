using Picograd.Algorithms.Operators;
using Picograd.Autograd;

namespace Picograd.Calls;

/// <summary>
/// An operator of the library as tensors call it. What its instances are called, which words they have and what shape their
/// results have follows from its definition.
/// </summary>
/// <param name="name">The definition's name.</param>
/// <param name="attributes">What is the same in every call, as text: <c>reverse=1</c>.</param>
/// <param name="rule">Its derivative; null where it has none.</param>
internal partial class Operator(string name, string attributes = "", Rule? rule = null)
{
    private static int s_next;

    private OperatorWords? _words;

    public string Name { get; } = name;

    /// <summary>What messages call it.</summary>
    public string Title { get; init; } = name;

    public Rule? Rule { get; } = rule;

    /// <summary>First part of the words of its calls.</summary>
    public int Id { get; } = Interlocked.Increment(ref s_next);

    /// <summary>How its calls are written down. Made at the first, since programs have many operators that they never call.</summary>
    public OperatorWords Words => _words ?? Prepare();

    private OperatorWords Prepare() =>
        _words = new OperatorWords(
            OperatorLibrary.Find(Name) ?? throw new InvalidOperationException(OperatorLibrary.Unknown(Name)),
            Id,
            attributes
        );
}
