using System.Diagnostics;

namespace Picograd.Gradients;

/// <summary>What few nodes have, apart so that the others stay small.</summary>
internal sealed class NodeExtras
{
    /// <summary>A non-leaf tensor that wants to keep its gradient.</summary>
    public Tensor? Retaining;

    /// <summary>What sees the gradient of the node's tensor, in order; an entry may give another one.</summary>
    public HookList<Func<Tensor, Tensor?>>? Hooks;

    /// <summary>Of a leaf: called when its gradient has been added.</summary>
    public HookList<Action<Tensor>>? AfterAccumulation;

    /// <summary>Whether there are hooks, of either kind.</summary>
    public bool HasHooks => Hooks is { All.Length: > 0 } || AfterAccumulation is { All.Length: > 0 };

    /// <summary>The tensor that the node is of, where that was asked for.</summary>
    public Tensor? Of;

    /// <summary>Where the operator was called, while anomalies are looked for.</summary>
    public StackTrace? Caller;

    /// <summary>Where what was saved can be had again; null where it is there.</summary>
    public ForgottenNode? Forgotten;
}

/// <summary>Functions to be called in the order in which they were added; each can be taken out again.</summary>
internal sealed class HookList<T>
    where T : Delegate
{
    private T[] _hooks = [];

    /// <summary>Those that there are; adding and removing while they are called changes the next time.</summary>
    public T[] All => _hooks;

    public RemovableHandle Add(T hook, bool first = false)
    {
        // Of its own, so that one function added twice is removed once.
        var own = (T)hook.Clone();
        _hooks = first ? [own, .. _hooks] : [.. _hooks, own];
        return new RemovableHandle(() => _hooks = [.. _hooks.Where(h => !ReferenceEquals(h, own))]);
    }
}
