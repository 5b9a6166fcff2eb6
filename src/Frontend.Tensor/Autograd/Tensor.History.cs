using Picograd.Algorithms;
using Picograd.Gradients;

namespace Picograd;

// Views and changes in place. A view and its base share memory, so an operator in place on one is an operator on all: it
// is recorded as one that overwrites part of the base, and the other views follow when they are next asked. That is
// PyTorch's rule, and its words are base (never a view itself) and rebase.
public sealed partial class Tensor
{
    /// <summary>A view whose history is that of <paramref name="rule"/>, until its memory is changed in place.</summary>
    private Tensor TakeView(Layout layout, Rule rule, object? data = null)
    {
        var view = Alias(layout);
        if (!DType.IsFloat())
            return view;
        view._base = _base ?? this;
        view._followed = Storage.Version;
        view._flags |= Flags.Follows;
        if (!GradMode.Enabled || (_flags & Flags.MadeInNoGrad) != 0)
            view._flags |= Flags.MadeInNoGrad;
        if (Records(this))
            view.Record(rule, this).Data = data;
        return view;
    }

    /// <summary>Of a view: takes over the history that its base has by now.</summary>
    private void Follow()
    {
        if (_storage is not { } storage || _base is not { } owner)
            return;
        if (
            storage.Version == Volatile.Read(ref _followed)
            && (_flags & (Flags.RequiresGrad | Flags.MadeInNoGrad)) != 0
        )
            return;
        if ((owner._flags & Flags.RequiresGrad) == 0)
            return;
        if ((_flags & Flags.MadeInNoGrad) != 0)
            throw new InvalidOperationException(
                $"This view of shape {Layout} was made in a Tensor.NoGrad() scope, and its memory was changed in place "
                    + "afterwards, so it is not clear whether gradients are to follow; make the view outside the scope, or "
                    + "take it from a Detach()."
            );
        // Concurrent readers may come here at the same time.
        lock (owner)
        {
            if (storage.Version == _followed && (_flags & Flags.RequiresGrad) != 0)
                return;
            var node = Node.Of(Derivatives.Strided, this, owner);
            node.Data = Layout;
            SetNode(node);
            Volatile.Write(ref _followed, storage.Version);
        }
    }

    /// <summary>Records that all of this tensor was changed by an operator, whose node is given. Returns itself.</summary>
    private Tensor Changed(Node? node)
    {
        if (node is null)
            return this;
        if (_base is not null)
            return Overwritten(Layout, node);
        SetNode(node);
        return this;
    }

    /// <summary>
    /// Records that a part of this tensor's memory was overwritten by what a node gave, or by constants. Returns itself.
    /// </summary>
    private Tensor Overwritten(Layout part, Node? values = null)
    {
        var owner = _base ?? this;
        owner.SetNode(Node.OfPart(Derivatives.Overwrite, owner, Part.Of(owner.Layout, part), part, values));
        return this;
    }

    /// <summary>As a function of a program's own gives it: with the history of a node, or none.</summary>
    /// <param name="node">The node; null for no gradient.</param>
    /// <param name="isDirty">Whether it is an input that was changed in place.</param>
    /// <param name="isInput">Whether it is an input.</param>
    internal Tensor AsResult(Node? node, bool isDirty, bool isInput)
    {
        if (isDirty)
            return Changed(node);
        // Views that were made without record, and inputs that were handed through, are tensors of their own.
        var result = isInput || (_flags & Flags.Follows) != 0 ? Alias(Layout) : this;
        if (node is not null)
            result.SetNode(node);
        return result;
    }
}
