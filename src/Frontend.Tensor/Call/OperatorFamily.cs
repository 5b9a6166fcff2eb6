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
    private readonly ConcurrentDictionary<TKey, Operator> _made = new();

    public Operator this[TKey key] => _made.TryGetValue(key, out var known) ? known : _made.GetOrAdd(key, make);
}
