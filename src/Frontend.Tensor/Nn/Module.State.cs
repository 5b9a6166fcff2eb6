namespace Picograd;

public abstract partial class Module
{
    /// <summary>
    /// Parameters and buffers by path, in PyTorch's order and under its names: those shared by several modules come under each
    /// name. The tensors share the module's memory, without history.
    /// </summary>
    /// <exception cref="InvalidOperationException">A field may hold a part that cannot be had; names it.</exception>
    public OrderedDictionary<string, Tensor> StateDict()
    {
        var state = new OrderedDictionary<string, Tensor>();
        foreach (var entry in Walk().Where(e => e.IsSaved))
            state.Add(entry.Name, entry.Tensor.Detach().Keep());
        return state;
    }

    /// <summary>
    /// Copies values into parameters and buffers by path, converting their dtype and moving them to the module's device. Where
    /// something does not fit, nothing is copied.
    /// </summary>
    /// <param name="state">Such as <see cref="StateDict"/> of a module of the same make.</param>
    /// <param name="strict">Whether both must have the same paths; else what only one has is left alone.</param>
    /// <exception cref="ArgumentException">Paths that are missing or unexpected, shapes that differ; names all of them.</exception>
    /// <returns>Paths that only the module has, and those that only the state has; none where it is strict.</returns>
    public (IReadOnlyList<string> MissingKeys, IReadOnlyList<string> UnexpectedKeys) LoadStateDict(
        IReadOnlyDictionary<string, Tensor> state,
        bool strict = true
    )
    {
        ArgumentNullException.ThrowIfNull(state);
        Entry[] entries = [.. Walk().Where(e => e.IsSaved)];
        var (wrong, missing) = (new List<string>(), new List<string>());
        foreach (var entry in entries)
        {
            if (ShapeOf(state, entry.Name) is not { } shape)
            {
                missing.Add(entry.Name);
            }
            else if (!shape.AsSpan().SequenceEqual(entry.Tensor.Layout.Sizes))
            {
                wrong.Add($"'{entry.Name}' has shape {Layout.Text(shape)}, but the module's is {entry.Tensor.Layout}");
            }
        }
        var names = entries.Select(e => e.Name).ToHashSet();
        string[] unexpected = [.. state.Keys.Where(k => !names.Contains(k))];
        if (strict)
        {
            wrong.InsertRange(0, missing.Select(k => $"'{k}' is missing"));
            wrong.AddRange(unexpected.Select(k => $"'{k}' is not in the module"));
        }
        if (wrong.Count > 0)
            throw new ArgumentException(
                $"LoadStateDict: the state does not fit {GetType().Name}: {string.Join("; ", wrong)}.",
                nameof(state)
            );
        using var off = Tensor.NoGrad();
        foreach (var entry in entries)
        {
            if (state.TryGetValue(entry.Name, out var value) && value is not null)
                entry.Tensor.Copy_(value.ToDevice(entry.Tensor.Device));
        }
        return (missing, unexpected);
    }

    // Tensors of a file are not read for it.
    private static long[]? ShapeOf(IReadOnlyDictionary<string, Tensor> state, string name)
    {
        if (state is IStoredShapes stored)
            return stored.TryGetShape(name, out long[]? shape) ? shape : null;
        return state.TryGetValue(name, out var value) && value is not null ? value.Layout.Sizes : null;
    }
}
