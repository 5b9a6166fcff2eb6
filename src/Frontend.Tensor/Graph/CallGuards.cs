using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Dispatch;
using Picograd.Gradients;

namespace Picograd.Graphs;

/// <summary>What must be as it was for a program to be the function's: its arguments, and how the thread is set.</summary>
internal sealed class CallGuards
{
    private readonly Argument[] _arguments;
    private readonly bool _records = GradMode.Enabled;
    private readonly DType? _autocast = Autocast.Current;
    private readonly Device _device = DeviceScope.Current;

    private CallGuards(Argument[] arguments) => _arguments = arguments;

    // Like: the first argument with the same memory.
    private sealed record Argument(
        Layout Layout,
        DType Type,
        DeviceRuntime Runtime,
        bool RequiresGrad,
        bool OwnsAll,
        int Like
    );

    public static CallGuards Of(Tensor[] arguments) => new([.. arguments.Select((_, i) => Of(arguments, i))]);

    private static Argument Of(Tensor[] arguments, int i)
    {
        var a = arguments[i];
        return new(a.Layout, a.DType, a.Runtime, a.RequiresGrad, Copying.OwnsAll(a), LikeOf(arguments, i));
    }

    private static int LikeOf(Tensor[] arguments, int i)
    {
        for (int j = 0; j < i; j++)
        {
            if (ReferenceEquals(arguments[j].Storage, arguments[i].Storage))
                return j;
        }
        return -1;
    }

    /// <summary>Why it is not as it was; null where it is.</summary>
    public string? Failure(Tensor[] arguments)
    {
        if (arguments.Length != _arguments.Length)
            return $"there are {arguments.Length} arguments, not {_arguments.Length}";
        for (int i = 0; i < arguments.Length; i++)
        {
            var (a, was) = (arguments[i], _arguments[i]);
            if (a.DType != was.Type)
                return $"argument {i} is {a.DType.Name()}, not {was.Type.Name()}";
            if (!a.Layout.SameSizes(was.Layout))
                return $"argument {i} has the shape {a.Layout}, not {was.Layout}";
            if (!a.Layout.Strides.AsSpan().SequenceEqual(was.Layout.Strides) && a.NumElements > 1)
                return $"argument {i} has the strides {Layout.Text(a.Layout.Strides)}, not {Layout.Text(was.Layout.Strides)}";
            if (!ReferenceEquals(a.Runtime, was.Runtime))
                return $"argument {i} is on {a.Device}, not {was.Runtime.Device}";
            if (a.RequiresGrad != was.RequiresGrad)
                return $"argument {i} {(a.RequiresGrad ? "requires a" : "requires no")} gradient";
            if (Copying.OwnsAll(a) != was.OwnsAll)
                return $"argument {i} is {(was.OwnsAll ? "" : "not ")}a part of larger memory";
            int like = LikeOf(arguments, i);
            if (like != was.Like)
                return $"argument {i} shares its memory with other arguments than before";
            if (
                like >= 0
                && a.Layout.Offset - arguments[like].Layout.Offset != was.Layout.Offset - _arguments[like].Layout.Offset
            )
                return $"argument {i} begins at another place of the memory that it shares with argument {like}";
        }
        if (GradMode.Enabled != _records)
            return $"operators are {(GradMode.Enabled ? "" : "not ")}recorded for gradients";
        if (Autocast.Current != _autocast)
            return $"autocast is {Autocast.Current?.Name() ?? "off"}, not {_autocast?.Name() ?? "off"}";
        if (DeviceScope.Current != _device)
            return $"the device where tensors are made is {DeviceScope.Current}, not {_device}";
        return null;
    }

    /// <summary>Why what a recorded program found outside is not as it was; null where it is.</summary>
    public static string? Failure(RecordedProgram program, Tensor[] arguments)
    {
        foreach (var (module, training) in program.Modes)
        {
            if (module.IsTraining != training)
                return $"{module.GetType().Name} is {(module.IsTraining ? "" : "not ")}in training";
        }
        foreach (var leaf in program.Leaves)
        {
            var tensor = leaf.Argument >= 0 ? arguments[leaf.Argument] : leaf.Tensor;
            if (tensor.IsDisposed)
                return "a tensor that had a gradient was disposed";
            if (leaf.Argument < 0 && tensor.IsMarked != leaf.RequiresGrad)
                return Marked(tensor);
            if (leaf.Drops)
                continue;
            var now = tensor.GradUntold;
            if (now is null != leaf.Before is null)
                return $"a tensor of shape {tensor.Layout} has {(now is null ? "no gradient" : "a gradient")} when the function begins";
            if (now is not null && (now.DType != leaf.BeforeType || !Copying.OwnsAll(now) || now.IsDisposed))
                return $"the gradient of a tensor of shape {tensor.Layout} is another kind of tensor";
        }
        foreach (var step in program.Steps)
        {
            if (step is NumbersStep numbers && numbers.Numbers.Revision != numbers.Revision)
                return $"the state of {numbers.Numbers.Title} was loaded, or has other parameters";
        }
        foreach (var outsider in program.Outsiders)
        {
            if (
                outsider.RequiresGrad is { } marked
                && outsider.Tensor.TryGetTarget(out var tensor)
                && !tensor.IsDisposed
                && tensor.IsMarked != marked
            )
                return Marked(tensor);
        }
        for (int i = 0; i < arguments.Length; i++)
        {
            if (program.CapturedStorages.Contains(arguments[i].Storage))
                return $"argument {i} has the memory of a tensor that the function uses by itself";
            foreach (var block in program.Gradients)
            {
                var leaf = block.Leaf!;
                var tensor = leaf.Argument >= 0 ? arguments[leaf.Argument] : leaf.Tensor;
                if (ReferenceEquals(tensor.GradUntold?.Storage, arguments[i].Storage))
                    return $"argument {i} is a gradient that the function uses by itself";
            }
        }
        return IsGone(program)
            ? "a tensor that the function uses was disposed, moved, converted or exposed to other code"
            : null;
    }

    private static string Marked(Tensor tensor) =>
        $"a tensor of shape {tensor.Layout} requires {(tensor.IsMarked ? "a" : "no")} gradient";

    /// <summary>Whether something that a program uses is no more.</summary>
    public static bool IsGone(RecordedProgram program)
    {
        foreach (var block in program.Captured)
        {
            var storage = block.Storage!;
            if (
                storage.Owners == 0
                || !ReferenceEquals(storage.Runtime, block.Runtime)
                || storage.IsForeign != block.WasForeign
            )
                return true;
        }
        foreach (var outsider in program.Outsiders)
        {
            if (
                outsider.Tensor.TryGetTarget(out var tensor)
                && (tensor.IsDisposed || !ReferenceEquals(tensor.Storage, outsider.Storage))
            )
                return true;
        }
        return false;
    }
}
