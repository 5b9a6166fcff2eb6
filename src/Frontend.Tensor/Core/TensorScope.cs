namespace Picograd;

/// <summary>
/// Frees what was made inside it: <c>using (Tensor.Scope()) { … }</c> disposes, at its end, every tensor made on this
/// thread since its start that was not kept (<see cref="Tensor.Keep"/>) and is not the gradient of a parameter. Scopes
/// nest; a kept tensor passes to the enclosing scope only through <see cref="Escape"/>, else it lives on by itself.
/// </summary>
public sealed class TensorScope : IDisposable
{
    [ThreadStatic]
    private static TensorScope? t_current;

    // A scope a step is the normal use: the last one disposed on a thread is taken up again with its list.
    [ThreadStatic]
    private static TensorScope? t_spare;

    private Tensor?[] _made = new Tensor?[64];
    private int _count;
    private TensorScope? _outer;
    private bool _open;

    private TensorScope() { }

    internal static TensorScope? Current => t_current;

    internal static TensorScope Enter()
    {
        var scope = t_spare ?? new TensorScope();
        t_spare = null;
        scope._outer = t_current;
        scope._open = true;
        t_current = scope;
        return scope;
    }

    /// <summary>Tensors made inside so far, kept ones included.</summary>
    public int Count => _count;

    internal void Add(Tensor tensor)
    {
        if (_count == _made.Length)
            Array.Resize(ref _made, 2 * _count);
        _made[_count++] = tensor;
    }

    /// <summary>Hands a tensor to the enclosing scope (or, without one, to the garbage collector) and returns it.</summary>
    public Tensor Escape(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        int at = Array.IndexOf(_made, tensor, 0, _count);
        if (at >= 0)
        {
            _made[at] = null;
            _outer?.Add(tensor);
        }
        return tensor;
    }

    /// <summary>Ends the scope and frees its tensors.</summary>
    /// <exception cref="InvalidOperationException">A scope that was opened later on this thread is still open.</exception>
    public void Dispose()
    {
        if (!_open)
            return;
        if (t_current != this)
            throw new InvalidOperationException(
                "Tensor.Scope: scopes must end in the reverse order of their start, on the thread that opened them."
            );
        _open = false;
        t_current = _outer;
        _outer = null;
        for (int i = 0; i < _count; i++)
        {
            var tensor = _made[i];
            _made[i] = null;
            if (tensor is { IsKept: false })
                tensor.Recycle();
        }
        _count = 0;
        t_spare = this;
    }
}
