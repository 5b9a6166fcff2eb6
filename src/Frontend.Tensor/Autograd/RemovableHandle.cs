namespace Picograd;

/// <summary>Takes a hook out again; what <c>Register…Hook</c> methods return.</summary>
public sealed class RemovableHandle : IDisposable
{
    private Action? _remove;

    internal RemovableHandle(Action remove) => _remove = remove;

    /// <summary>The hook is not called any more. Calling it again does nothing.</summary>
    public void Remove() => Interlocked.Exchange(ref _remove, null)?.Invoke();

    /// <summary>The same as <see cref="Remove"/>.</summary>
    public void Dispose() => Remove();
}
