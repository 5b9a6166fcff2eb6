using Picograd.Gradients;

namespace Picograd;

// Functions around what a module computes. They run where it is called by Call, as a Sequential calls its parts.
public abstract partial class Module
{
    private sealed class Hooks
    {
        public readonly HookList<Func<Module, Tensor, Tensor?>> Before = new();
        public readonly HookList<Func<Module, Tensor, Tensor, Tensor?>> After = new();
        public readonly HookList<Func<Module, Tensor, Tensor?>> BeforeBackward = new();
        public readonly HookList<Func<Module, Tensor?, Tensor, Tensor?>> Backward = new();
    }

    private Hooks? _hooks;

    /// <summary><see cref="Forward"/> with the module's hooks around it: PyTorch's <c>module(x)</c>.</summary>
    public Tensor Call(Tensor x) => _hooks is null ? Forward(x) : Call(_hooks, x, Forward);

    /// <summary>
    /// What is computed of a first input, with the module's hooks around it. A module that takes several tensors has with it a Call of its
    /// own: <c>public Tensor Call(Tensor a, Tensor b) => Hooked(a, x => Forward(x, b));</c>.
    /// </summary>
    /// <param name="x">What hooks see as the input.</param>
    /// <param name="forward">What computes the result that hooks see.</param>
    protected Tensor Hooked(Tensor x, Func<Tensor, Tensor> forward)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(forward);
        return _hooks is null ? forward(x) : Call(_hooks, x, forward);
    }

    /// <summary><see cref="Hooked(Tensor, Func{Tensor, Tensor})"/> of what gives more than the result that hooks see.</summary>
    private protected (Tensor Output, T More) Hooked<T>(Tensor x, Func<Tensor, (Tensor Output, T More)> forward)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (_hooks is null)
            return forward(x);
        T more = default!;
        var output = Call(
            _hooks,
            x,
            t =>
            {
                (var y, more) = forward(t);
                return y;
            }
        );
        return (output, more);
    }

    /// <summary>Calls a function with the input before <see cref="Forward"/>; what it returns, if not null, takes the input's place.</summary>
    public RemovableHandle RegisterForwardPreHook(Func<Module, Tensor, Tensor?> hook) =>
        (_hooks ??= new()).Before.Add(Given(hook));

    /// <inheritdoc cref="RegisterForwardPreHook(Func{Module, Tensor, Tensor?})"/>
    public RemovableHandle RegisterForwardPreHook(Action<Module, Tensor> hook)
    {
        Given(hook);
        return RegisterForwardPreHook(
            (module, x) =>
            {
                hook(module, x);
                return null;
            }
        );
    }

    /// <summary>Calls a function with input and result of <see cref="Forward"/>; what it returns, if not null, takes the result's place.</summary>
    public RemovableHandle RegisterForwardHook(Func<Module, Tensor, Tensor, Tensor?> hook) =>
        (_hooks ??= new()).After.Add(Given(hook));

    /// <inheritdoc cref="RegisterForwardHook(Func{Module, Tensor, Tensor, Tensor?})"/>
    public RemovableHandle RegisterForwardHook(Action<Module, Tensor, Tensor> hook)
    {
        Given(hook);
        return RegisterForwardHook(
            (module, x, y) =>
            {
                hook(module, x, y);
                return null;
            }
        );
    }

    /// <summary>Calls a function with the gradient of the result before it is used; what it returns, if not null, takes its place.</summary>
    public RemovableHandle RegisterFullBackwardPreHook(Func<Module, Tensor, Tensor?> hook) =>
        (_hooks ??= new()).BeforeBackward.Add(Given(hook));

    /// <summary>
    /// Calls a function with the gradients of input and result when that of the input is computed (null where the input requires none);
    /// what it returns, if not null, takes the place of the input's.
    /// </summary>
    public RemovableHandle RegisterFullBackwardHook(Func<Module, Tensor?, Tensor, Tensor?> hook) =>
        (_hooks ??= new()).Backward.Add(Given(hook));

    /// <inheritdoc cref="RegisterFullBackwardHook(Func{Module, Tensor?, Tensor, Tensor?})"/>
    public RemovableHandle RegisterFullBackwardHook(Action<Module, Tensor?, Tensor> hook)
    {
        Given(hook);
        return RegisterFullBackwardHook(
            (module, input, output) =>
            {
                hook(module, input, output);
                return null;
            }
        );
    }

    private static T Given<T>(T hook)
        where T : Delegate
    {
        ArgumentNullException.ThrowIfNull(hook);
        return hook;
    }

    private Tensor Call(Hooks hooks, Tensor x, Func<Tensor, Tensor> forward)
    {
        foreach (var hook in hooks.Before.All)
            x = hook(this, x) ?? x;
        bool followed = Tensor.IsGradEnabled && hooks.Backward.All.Length + hooks.BeforeBackward.All.Length > 0;
        bool wanted = followed && x.RequiresGrad;
        // Its gradient is that by this module alone, wherever else the tensor is used.
        if (wanted)
            x = x.Permute([.. Enumerable.Range(0, x.Rank)]);
        var y = forward(x);
        foreach (var hook in hooks.After.All)
            y = hook(this, x, y) ?? y;
        if (!followed || !y.RequiresGrad)
            return y;
        Tensor? ofResult = null;
        if (ReferenceEquals(x, y))
            y = y.Permute([.. Enumerable.Range(0, y.Rank)]);
        y.RegisterHook(grad =>
        {
            foreach (var hook in hooks.BeforeBackward.All)
                grad = hook(this, grad) ?? grad;
            ofResult = grad;
            for (int i = 0; !wanted && i < hooks.Backward.All.Length; i++)
                hooks.Backward.All[i](this, null, grad);
            return grad;
        });
        if (wanted)
            x.RegisterHook(grad =>
            {
                foreach (var hook in hooks.Backward.All)
                    grad = hook(this, grad, ofResult!) ?? grad;
                return grad;
            });
        return y;
    }
}
