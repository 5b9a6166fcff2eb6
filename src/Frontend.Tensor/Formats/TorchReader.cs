using Picograd.Algorithms;

namespace Picograd.Formats;

/// <summary>
/// Reads the pickles of a PyTorch file: the names that PyTorch's own files of weights have, and no others
/// (<c>torch/_weights_only_unpickler.py</c>). Classes of TorchScript (<c>__torch__</c>) are objects with attributes.
/// </summary>
internal sealed class TorchReader(string path, bool allowsObjects)
{
    public const string Format = "pytorch";

    private readonly Dictionary<string, TorchStorage> _storages = [];

    // Values that containers may still be made of: each comes from bytes of the pickle, and is copied once or a few times.
    private long _copies;

    /// <summary>Storages that tensors refer to, by key.</summary>
    public IReadOnlyDictionary<string, TorchStorage> Storages => _storages;

    /// <param name="bytes">The pickle.</param>
    /// <param name="at">Where in the file, or in its part, it begins; for messages.</param>
    /// <param name="read">Bytes that it takes.</param>
    public object? Read(ReadOnlySpan<byte> bytes, long at, out int read)
    {
        _copies = 1000 + 4L * bytes.Length;
        var pickle = new Pickle(bytes, (place, what) => Wrong(at + place, what), Made, Persistent);
        object? value = pickle.Read();
        read = pickle.At;
        return value;
    }

    public InvalidDataException Wrong(long at, string what) =>
        new($"{path} is no {Format} file that can be read: at byte {at} of its pickle, {what}.");

    private InvalidDataException Wrong(string what) => new($"{path} is no {Format} file that can be read: {what}.");

    private object? Made(PickleName name, object?[] given)
    {
        switch (name.Module, name.Name)
        {
            case ("collections", "OrderedDict"):
            case ("collections", "defaultdict"):
            case ("builtins" or "__builtin__", "dict"):
                return Dictionary(name, given);
            case ("builtins" or "__builtin__", "set" or "frozenset" or "list"):
                return given is [] ? new List<object?>()
                    : given is [List<object?> several] ? new List<object?>(Counted(several))
                    : throw Arguments(name);
            case ("torch", "Size"):
                return given is [object?[] sizes] ? sizes : throw Arguments(name);
            case ("torch", "device"):
                return given is [string kind] ? kind
                    : given is [string kindOf, long index] ? $"{kindOf}:{index}"
                    : throw Arguments(name);
            case ("torch._utils", "_rebuild_tensor"):
            case ("torch._utils", "_rebuild_tensor_v2"):
            case ("torch._utils", "_rebuild_tensor_v3"):
                return Rebuilt(name, given);
            case ("torch._utils", "_rebuild_parameter" or "_rebuild_parameter_with_state"):
                return given is [TorchTensor parameter, ..] ? parameter : throw Arguments(name);
            case ("torch._tensor", "_rebuild_from_type_v2"):
                return given is [PickleName how, PickleName, object?[] arguments, ..] && how.Module == "torch._utils"
                    ? Made(how, arguments)
                    : throw Arguments(name);
            default:
                if (allowsObjects || name.Module.StartsWith("__torch__", StringComparison.Ordinal))
                    return new PickleObject(name, given);
                throw Wrong(
                    $"it calls {name}, which is not of the list that is allowed (nothing of a file is executed; with objects allowed, objects of other classes are read as what they are made of)"
                );
        }
    }

    private PickleDictionary Dictionary(PickleName name, object?[] given)
    {
        var made = new PickleDictionary();
        if (given is [] || name.Name == "defaultdict")
            return made;
        foreach (object? pair in given is [List<object?> pairs] ? Counted(pairs) : throw Arguments(name))
        {
            object? key;
            object? value;
            if (pair is object?[] { Length: 2 } tuple)
                (key, value) = (tuple[0], tuple[1]);
            else if (pair is List<object?> { Count: 2 } list)
                (key, value) = (list[0], list[1]);
            else
                throw Arguments(name);
            if (key is not (string or long or bool or double))
                throw Arguments(name);
            made.Items[key] = value;
        }
        return made;
    }

    // Lists that are remembered may be copied with a few bytes each time.
    private List<object?> Counted(List<object?> values)
    {
        _copies -= values.Count;
        return _copies >= 0 ? values : throw Wrong("it copies its containers over and over");
    }

    private InvalidDataException Arguments(PickleName name) =>
        Wrong($"{name} is called with other arguments than PyTorch gives it");

    // ('storage', class, key, where it was, number of elements)
    private TorchStorage Persistent(object? id)
    {
        if (
            id is not object?[] { Length: >= 5 } parts
            || parts[0] is not "storage"
            || parts[1] is not PickleName kind
            || parts[2] is not (string or long)
            || parts[4] is not long count
            || count < 0
        )
            throw Wrong("something outside of the pickle is no storage");
        if (parts.Length > 5 && parts[5] is not null)
            throw Wrong("a storage is a part of another, as PyTorch wrote before 0.4, which is not supported");
        string key = parts[2] is string text ? text : $"{parts[2]}";
        if (key.Length == 0 || key.AsSpan().ContainsAny('/', '\\', '.'))
            throw Wrong($"a storage has the key '{key}'");
        TorchStorage made;
        if (kind.Module is "torch.storage" or "torch" && kind.Name is "UntypedStorage")
            made = new TorchStorage(key, null, "bytes", false, count);
        else if (
            kind.Module is "torch" or "torch.cuda"
            && TorchTypes.OfStorage(kind.Name) is var (name, type, isComplex)
        )
            made = new TorchStorage(key, type, name, isComplex, count);
        else
            throw Wrong($"a storage is {kind}; read are {TorchTypes.Storages}");
        if (count > long.MaxValue / 16)
            throw Wrong($"the storage {key} would have {count} elements");
        if (_storages.TryGetValue(key, out var before) && before != made)
            throw Wrong($"the storage {key} is there with two dtypes or sizes");
        return _storages[key] = made;
    }

    // (storage, offset, size, stride, requires_grad, hooks, [dtype], [metadata])
    private TorchTensor Rebuilt(PickleName name, object?[] given)
    {
        if (
            given is not [TorchStorage storage, long offset, var size, var stride, ..]
            || Numbers(size) is not { } shape
            || Numbers(stride) is not { } strides
            || shape.Length != strides.Length
            || offset < 0
            || shape.Any(s => s < 0)
            || strides.Any(s => s < 0)
        )
            throw Arguments(name);
        var (type, storedAs, isComplex) = (storage.Type, storage.StoredAs, storage.IsComplex);
        if (name.Name == "_rebuild_tensor_v3")
        {
            if (given.Length < 7 || given[6] is not PickleName { Module: "torch" } dtype)
                throw Arguments(name);
            if (TorchTypes.OfDtype(dtype.Name) is not var (found, ofTensor, pairs))
                throw Wrong($"a tensor is of {dtype}, which tensors here can't be");
            (type, storedAs, isComplex) = (ofTensor, found, pairs);
        }
        if (type is not { } known)
            throw Wrong($"the storage {storage.Key} has no dtype");
        if (shape.Length + (isComplex ? 1 : 0) > Layout.MaxRank)
            throw Wrong($"a tensor has {shape.Length} dimensions, but at most {Layout.MaxRank} are possible");
        Int128 last = offset;
        for (int d = 0; d < shape.Length; d++)
            last += (Int128)Math.Max(0, shape[d] - 1) * strides[d];
        long elements = storage.Bytes / (known.Size() * (isComplex ? 2 : 1));
        if (!TensorShapes.Fits(shape))
            throw Wrong($"a tensor has the shape {Layout.Text(shape)}");
        if (shape.Contains(0))
            return new TorchTensor(
                storage,
                known,
                storedAs,
                isComplex,
                0,
                shape,
                Layout.RowMajor(shape.Select(s => Math.Min(s, 1)).ToArray())
            );
        if (last >= elements)
            throw Wrong(
                $"a tensor of shape {Layout.Text(shape)} and strides {Layout.Text(strides)} from element {offset} would end at {last} of the {elements} of storage {storage.Key}"
            );
        return new TorchTensor(storage, known, storedAs, isComplex, offset, shape, strides);
    }

    private static long[]? Numbers(object? value)
    {
        IReadOnlyList<object?>? list = value as object?[] ?? (IReadOnlyList<object?>?)(value as List<object?>);
        return list is not null && list.All(v => v is long) ? [.. list.Select(v => (long)v!)] : null;
    }
}
