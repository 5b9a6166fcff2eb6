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
    private bool _watches;

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

    /// <summary>As <see cref="Enter"/>, for who wants to know what is made: at the end all of it goes to the enclosing scope.</summary>
    internal static TensorScope Watch()
    {
        var scope = Enter();
        scope._watches = true;
        return scope;
    }

    /// <summary>Whether a tensor was made inside, here or in a scope within, whose memory this is.</summary>
    internal bool Made(Storage storage)
    {
        for (var scope = t_current; scope is not null; scope = scope._outer)
        {
            for (int i = 0; i < scope._count; i++)
            {
                if (
                    scope._made[i] is { IsDisposed: false, IsView: false } made
                    && ReferenceEquals(made.Storage, storage)
                )
                    return true;
            }
            if (scope == this)
                break;
        }
        return false;
    }

    /// <summary>Tensors made inside so far, kept ones included.</summary>
    public int Count => _count;

    /// <summary>Whether a tensor was made inside, and is still there.</summary>
    internal bool Holds(Tensor tensor) => Array.IndexOf(_made, tensor, 0, _count) >= 0;

    internal void Add(Tensor tensor)
    {
        if (_count == _made.Length)
            Array.Resize(ref _made, 2 * _count);
        _made[_count++] = tensor;
    }

    /// <summary>Frees what was made after the first so many that is neither kept nor held as a gradient.</summary>
    /// <param name="from">A <see cref="Count"/> of before.</param>
    internal void Sweep(int from)
    {
        int left = from;
        for (int i = from; i < _count; i++)
        {
            var tensor = _made[i];
            _made[i] = null;
            if (tensor is null or { IsDisposed: true })
                continue;
            if (tensor.IsKept || tensor.GradHolders != 0)
                _made[left++] = tensor;
            else
                tensor.Recycle();
        }
        _count = left;
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
        for (int i = 0; _watches && i < _count; i++)
        {
            if (_made[i] is { } made)
                _outer?.Add(made);
            _made[i] = null;
        }
        _watches = false;
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
