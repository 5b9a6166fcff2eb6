using System.Collections;
using System.Diagnostics.CodeAnalysis;
using Picograd.Algorithms;
using Picograd.Formats;

namespace Picograd;

/// <summary>
/// A file of tensors by name, of any format, that are read when they are asked for: <c>module.LoadStateDict(file)</c> takes it as it is.
/// Opening it reads and checks what says where they lie, and takes memory for that only; files are mapped, so that tensors which lie
/// aligned in the dtype that they have here are views of it. They may be changed, which never changes the file, and stay when it is
/// closed; it must not be shortened meanwhile. Each access by name makes another tensor, but those of one opened file that are views of the
/// same place of it share its memory: a change of one is seen by the others (<see cref="Tensor.Clone"/> gives one of its own). Nothing of a file is executed.
/// </summary>
public class TensorFile : IReadOnlyDictionary<string, Tensor>, IStoredShapes, IDisposable
{
    private readonly OrderedDictionary<string, StoredTensor> _entries = [];
    private readonly FileBytes? _bytes;

    internal TensorFile(
        FileBytes? bytes,
        string path,
        string format,
        IEnumerable<StoredTensor> entries,
        IReadOnlyDictionary<string, object?>? metadata = null
    )
    {
        _bytes = bytes;
        Path = path;
        Format = format;
        Metadata = metadata ?? new Dictionary<string, object?>();
        foreach (var entry in entries)
        {
            if (!TensorShapes.Fits(entry.Sizes))
                throw new InvalidDataException(
                    $"{path} is no {format} file that can be read: the tensor '{entry.Name}' has the shape {Layout.Text(entry.Sizes)}, but at most {Layout.MaxRank} dimensions and 2^59 elements are possible (sizes of 0 counted as 1)."
                );
            if (!_entries.TryAdd(entry.Name, entry))
                throw new InvalidDataException(
                    $"{path} is no {format} file that can be read: the tensor '{entry.Name}' is there twice."
                );
        }
    }

    /// <summary>The file, as it was given.</summary>
    public string Path { get; }

    /// <summary>safetensors, gguf, npz, npy, pytorch or llama2.c.</summary>
    public string Format { get; }

    /// <summary>
    /// What else the file says, by name: strings, bools, int64, uint64, float64 and lists (<see cref="IReadOnlyList{T}"/>) or
    /// dictionaries of them.
    /// </summary>
    public IReadOnlyDictionary<string, object?> Metadata { get; }

    /// <summary>All tensors in the order of the file.</summary>
    public IReadOnlyList<StoredTensor> Tensors => [.. _entries.Values];

    /// <summary>One tensor, not read yet.</summary>
    /// <exception cref="KeyNotFoundException">There is none of the name; lists near ones.</exception>
    public StoredTensor Entry(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return _entries.TryGetValue(name, out var entry)
            ? entry
            : throw new KeyNotFoundException(
                $"{Path} has no tensor '{name}'; it has {string.Join(", ", _entries.Keys.Take(12).Select(k => $"'{k}'"))}{(_entries.Count > 12 ? $" and {_entries.Count - 12} others" : "")}."
            );
    }

    /// <summary>Reads a tensor.</summary>
    /// <exception cref="KeyNotFoundException">There is none of the name.</exception>
    public Tensor this[string name] => Entry(name).Read();

    public int Count => _entries.Count;

    public IEnumerable<string> Keys => _entries.Keys;

    /// <summary>All tensors, each read when the enumeration comes to it.</summary>
    public IEnumerable<Tensor> Values => _entries.Values.Select(e => e.Read());

    public bool ContainsKey(string key) => _entries.ContainsKey(key);

    public bool TryGetValue(string key, [MaybeNullWhen(false)] out Tensor value)
    {
        value = _entries.TryGetValue(key, out var entry) ? entry.Read() : null;
        return value is not null;
    }

    bool IStoredShapes.TryGetShape(string name, [NotNullWhen(true)] out long[]? shape)
    {
        shape = _entries.TryGetValue(name, out var entry) ? entry.Sizes : null;
        return shape is not null;
    }

    /// <summary>
    /// The tensors whose names begin with a prefix, without it: <c>file.Under("model.")</c>. Closing either closes both.
    /// </summary>
    /// <exception cref="ArgumentException">No name begins so.</exception>
    public TensorFile Under(string prefix)
    {
        ArgumentNullException.ThrowIfNull(prefix);
        return Renamed(
            name => name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : null,
            $"no name begins with '{prefix}'"
        );
    }

    /// <summary>The same tensors under other names; those that are given none are left out. Closing either closes both.</summary>
    /// <exception cref="ArgumentException">All are left out, or two get one name.</exception>
    public TensorFile Rename(Func<string, string?> name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return Renamed(name, "no name is left");
    }

    private TensorFile Renamed(Func<string, string?> renamed, string none)
    {
        var kept = new List<StoredTensor>();
        var names = new HashSet<string>();
        foreach (var entry in _entries.Values)
        {
            if (renamed(entry.Name) is not { } other)
                continue;
            if (!names.Add(other))
                throw new ArgumentException($"{Path}: two tensors would be named '{other}'.");
            kept.Add(
                new StoredTensor(
                    other,
                    entry.DType,
                    entry.Sizes,
                    entry.StoredAs,
                    () => entry.Read(),
                    entry.IsPacked ? entry.Packed : null
                )
            );
        }
        return kept.Count > 0
            ? new TensorFile(_bytes, Path, Format, kept, Metadata)
            : throw new ArgumentException(
                $"{Path}: {none}; it has {string.Join(", ", _entries.Keys.Take(12).Select(k => $"'{k}'"))}."
            );
    }

    /// <summary>Reads all tensors.</summary>
    public OrderedDictionary<string, Tensor> ReadAll(Device? device = null)
    {
        var tensors = new OrderedDictionary<string, Tensor>();
        foreach (var entry in _entries.Values)
            tensors.Add(entry.Name, entry.Read(device));
        return tensors;
    }

    public IEnumerator<KeyValuePair<string, Tensor>> GetEnumerator()
    {
        foreach (var entry in _entries.Values)
            yield return KeyValuePair.Create(entry.Name, entry.Read());
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Closes the file; tensors that were read stay.</summary>
    public void Dispose()
    {
        _bytes?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>
    /// Opens a file of tensors of any format but llama2.c's, which says nothing of itself (<see cref="Llama2C"/>): by what its first
    /// bytes are, whatever its name.
    /// </summary>
    /// <exception cref="InvalidDataException">None of the formats, or a damaged file; says what is wrong and where.</exception>
    public static TensorFile Open(string path)
    {
        var bytes = FileBytes.Map(path);
        try
        {
            return Open(bytes);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    internal static TensorFile Open(FileBytes bytes)
    {
        var start = bytes.Span(0, (int)Math.Min(bytes.Length, 16));
        if (start.StartsWith("GGUF"u8))
            return Gguf.Open(bytes);
        if (start.Length > 5 && start[0] == 0x93 && start[1..6].SequenceEqual("NUMPY"u8))
            return Npy.Open(bytes);
        if (start.StartsWith("PK"u8))
            return Zip.Of(bytes, "zip").Entries.Any(e => e.Name.EndsWith(".npy", StringComparison.Ordinal))
                ? Npz.Open(bytes)
                : PyTorchFile.Open(bytes);
        if (start.Length > 9 && start[8] == (byte)'{')
            return Safetensors.Open(bytes);
        if (start.Length > 2 && start[0] == 0x80 && start[1] is >= 2 and <= 5)
            return PyTorchFile.Open(bytes);
        throw bytes.Wrong(
            "tensor",
            0,
            "it begins like none of safetensors, GGUF, npy, npz and PyTorch's files (llama2.c files are opened with Llama2C.Open)"
        );
    }
}
