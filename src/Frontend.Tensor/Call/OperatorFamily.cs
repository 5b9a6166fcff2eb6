using System.Collections.Concurrent;

namespace Picograd.Calls;

/// <summary>
/// Operators that differ in attributes which calls give as arguments and shapes do not show: the stride of a convolution, the
/// epsilon of a norm. Each is made at its first call.
/// </summary>
/// <typeparam name="TKey">The arguments.</typeparam>
/// <param name="make">The operator of some arguments.</param>
internal sealed class OperatorFamily<TKey>(Func<TKey, Operator> make)
    where TKey : notnull
{
    // Made at the first call of any: a dictionary of values of a type of its own is seven methods for the JIT, and most programs use few families.
    private ConcurrentDictionary<TKey, Operator>? _made;

    public Operator this[TKey key] =>
        _made is { } made && made.TryGetValue(key, out var known) ? known : Made().GetOrAdd(key, make);

    private ConcurrentDictionary<TKey, Operator> Made() =>
        _made ?? Interlocked.CompareExchange(ref _made, new(), null) ?? _made;
}
