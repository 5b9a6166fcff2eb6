using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Picograd.Algorithms;
using Picograd.Formats;

namespace Picograd;

/// <summary>
/// Files of <c>torch.save</c>: the zip archives that PyTorch writes since 1.6, and the format before; also the tensors of TorchScript
/// archives. The pickle in them is read by a machine that knows the names of tensors and containers and executes nothing; a file that
/// calls anything else is refused by that name.
/// </summary>
public static class PyTorchFile
{
    private const string Format = TorchReader.Format;

    // What a walk through nested containers may meet: shared parts come under each name.
    private const int MostNodes = 1_000_000;
    private const int MostDepth = 100;

    // Characters of all names together.
    private const long MostNames = 1L << 26;

    /// <summary>
    /// Opens a file; tensors are read when they are asked for. Those of nested dictionaries and lists have names with dots
    /// (<c>model.fc.weight</c>, <c>optimizer.state.0.exp_avg</c>): <see cref="TensorFile.Under"/> takes a part. A file of one tensor has
    /// it under the name <c>tensor</c>. Numbers and strings are the metadata, by the same names.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="allowObjects">
    /// Whether objects of classes that are not PyTorch's containers are read as what they are made of: their attributes come under
    /// their names. Nothing is executed either way.
    /// </param>
    /// <exception cref="InvalidDataException">No such file, a damaged one, or one that calls what is not allowed; says which.</exception>
    public static TensorFile Open(string path, bool allowObjects = false)
    {
        var bytes = FileBytes.Map(path);
        try
        {
            return Open(bytes, allowObjects);
        }
        catch
        {
            bytes.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Reads what was saved, as <c>torch.load(path, weights_only=True)</c> does: tensors, null, bool, int64, float64, strings, lists
    /// (<see cref="List{T}"/>, also of tuples and sets) and dictionaries (<see cref="OrderedDictionary{TKey, TValue}"/> by string, also where
    /// keys are numbers). Tensors that share memory in the file share it here.
    /// </summary>
    /// <inheritdoc cref="Open(string, bool)"/>
    public static object? Load(string path, Device? device = null, bool allowObjects = false)
    {
        using var bytes = FileBytes.Map(path);
        var archive = TorchArchive.Of(bytes, allowObjects);
        var storages = new Dictionary<(string, DType), Tensor>();
        var met = new Dictionary<object, object?>(ReferenceEqualityComparer.Instance);
        return Made(archive.Value, 0);

        object? Made(object? value, int depth)
        {
            if (value is null or bool or long or double or string)
                return value;
            if (depth > MostDepth)
                throw archive.Wrong($"containers lie more than {MostDepth} deep in each other, or in themselves");
            if (met.TryGetValue(value, out object? known))
                return known;
            return met[value] = value switch
            {
                TorchTensor tensor => Read(tensor),
                PickleDictionary dictionary => Named(
                    dictionary.Items.Select(e => KeyValuePair.Create(Key(e.Key), Made(e.Value, depth + 1)))
                ),
                PickleObject inert => Named(
                    Parts(inert).Select(e => KeyValuePair.Create(e.Key, Made(e.Value, depth + 1)))
                ),
                List<object?> list => list.Select(v => Made(v, depth + 1)).ToList(),
                object?[] tuple => tuple.Select(v => Made(v, depth + 1)).ToList(),
                BigInteger large => (double)large,
                PickleName name => name.ToString(),
                _ => value,
            };
        }

        OrderedDictionary<string, object?> Named(IEnumerable<KeyValuePair<string, object?>> items)
        {
            var made = new OrderedDictionary<string, object?>();
            foreach (var (key, value) in items)
            {
                // 1 and "1" are two in Python.
                if (!made.TryAdd(key, value))
                    throw archive.Wrong($"a dictionary has two keys that are written '{key}'");
            }
            return made;
        }

        Tensor Read(TorchTensor tensor)
        {
            var key = (tensor.Storage.Key, tensor.Type);
            if (!storages.TryGetValue(key, out var elements))
            {
                // A copy: the file may be written anew.
                elements = archive.Elements(tensor).Clone();
                storages[key] = device is { } there ? elements.ToDevice(there) : elements;
                elements = storages[key];
            }
            return tensor.Of(elements);
        }
    }

    /// <summary>Writes a zip archive that <c>torch.load</c> reads, through a file beside it that takes its place when it is complete.</summary>
    /// <param name="value">
    /// Tensors, modules (their state), null, bool, numbers, strings, lists and dictionaries of them. Tensors of one memory share it in the
    /// file, too.
    /// </param>
    /// <param name="path">The file.</param>
    /// <exception cref="ArgumentException">Something else, or a dtype that PyTorch does not have; names its place.</exception>
    public static void Save(object? value, string path)
    {
        var writer = new TorchWriter(value);
        FileBeside.Write(path, writer.Write);
    }

    internal static TensorFile Open(FileBytes bytes, bool allowObjects = false)
    {
        var archive = TorchArchive.Of(bytes, allowObjects);
        var tensors = new List<StoredTensor>();
        var metadata = new OrderedDictionary<string, object?>();
        int nodes = 0;
        long names = 0;
        Walk(archive.Value, "", 0);
        return new TensorFile(bytes, bytes.Path, Format, tensors, metadata);

        void Walk(object? value, string name, int depth)
        {
            if (++nodes > MostNodes || depth > MostDepth)
                throw archive.Wrong($"it has more than {MostNodes} values, or containers more than {MostDepth} deep");
            if ((names += name.Length) > MostNames)
                throw archive.Wrong($"the names of its values have more than {MostNames} characters");
            switch (value)
            {
                case TorchTensor tensor:
                    tensors.Add(
                        new StoredTensor(
                            name.Length == 0 ? "tensor" : name,
                            tensor.Type,
                            tensor.Sizes,
                            tensor.StoredAs,
                            () => tensor.Of(archive.Elements(tensor))
                        )
                    );
                    break;
                case PickleDictionary dictionary:
                    foreach (var (key, part) in dictionary.Items)
                        Walk(part, Joined(name, Key(key)), depth + 1);
                    break;
                case PickleObject inert:
                    foreach (var (key, part) in Parts(inert))
                        Walk(part, Joined(name, key), depth + 1);
                    break;
                case List<object?> or object?[]:
                    int i = 0;
                    foreach (object? part in (IEnumerable<object?>)value)
                        Walk(part, Joined(name, $"{i++}"), depth + 1);
                    break;
                case BigInteger large:
                    metadata[name] = (double)large;
                    break;
                case null or bool or long or double or string:
                    metadata[name] = value;
                    break;
            }
        }
    }

    private static string Joined(string name, string part) => name.Length == 0 ? part : $"{name}.{part}";

    private static string Key(object key) => Convert.ToString(key, CultureInfo.InvariantCulture)!;

    private static IEnumerable<KeyValuePair<string, object?>> Parts(PickleObject inert)
    {
        for (int i = 0; i < inert.Arguments.Length; i++)
            yield return new($"{i}", inert.Arguments[i]);
        if (inert.State is PickleDictionary state)
        {
            foreach (var (key, value) in state.Items)
                yield return new(Key(key), value);
        }
        else if (inert.State is not null)
        {
            yield return new("state", inert.State);
        }
    }

    /// <summary>The value of a file, and where the elements of its tensors lie.</summary>
    private sealed class TorchArchive(FileBytes bytes, TorchReader reader)
    {
        // Bytes by key of the storage; those that are packed are unpacked when they are asked for.
        private readonly Dictionary<string, (long At, long Length, Zip.Entry? Packed)> _places = [];
        private Zip? _zip;
        private bool _isBigEndian;

        public object? Value { get; private set; }

        public InvalidDataException Wrong(string what) => bytes.Wrong(Format, 0, what);

        public static TorchArchive Of(FileBytes bytes, bool allowObjects)
        {
            var archive = new TorchArchive(bytes, new TorchReader(bytes.Path, allowObjects));
            if (bytes.Span(0, (int)Math.Min(2, bytes.Length)).SequenceEqual("PK"u8))
                archive.ReadZip();
            else
                archive.ReadLegacy();
            return archive;
        }

        /// <summary>All elements of the storage of a tensor, in one dimension.</summary>
        public Tensor Elements(TorchTensor tensor)
        {
            var (at, _, packed) = _places[tensor.Storage.Key];
            long[] shape = [tensor.Numbers];
            if (packed is null && !_isBigEndian)
                return bytes.View(at, shape, tensor.Type);
            if (packed is null && tensor.Storage.Bytes > Array.MaxLength)
                throw Wrong(
                    $"the storage {tensor.Storage.Key} is big-endian and has {tensor.Storage.Bytes} bytes, but at most {Array.MaxLength} can be turned"
                );
            byte[] read = packed is null ? bytes.Span(at, (int)tensor.Storage.Bytes).ToArray() : _zip!.ReadAll(packed);
            if (_isBigEndian)
            {
                int width = tensor.Type.Size();
                for (int i = 0; i + width <= read.Length; i += width)
                    read.AsSpan(i, width).Reverse();
            }
            using var unpacked = FileBytes.Of(read, bytes.Path);
            return unpacked.View(0, shape, tensor.Type);
        }

        private void ReadZip()
        {
            _zip = Zip.Of(bytes, Format);
            var pickle =
                _zip.Entries.FirstOrDefault(e =>
                    e.Name == "data.pkl" || e.Name.EndsWith("/data.pkl", StringComparison.Ordinal)
                )
                ?? throw Wrong(
                    $"the archive has no data.pkl, but {string.Join(", ", _zip.Entries.Take(5).Select(e => e.Name))}"
                );
            string folder = pickle.Name[..^"data.pkl".Length];
            if (_zip.Entries.FirstOrDefault(e => e.Name == folder + "byteorder") is { Length: < 16 } order)
                _isBigEndian = _zip.ReadAll(order).AsSpan().SequenceEqual("big"u8);
            Value = reader.Read(_zip.ReadAll(pickle), 0, out _);
            var entries = _zip.Entries.ToDictionary(e => e.Name);
            foreach (var (key, storage) in reader.Storages)
            {
                if (!entries.TryGetValue($"{folder}data/{key}", out var entry))
                    throw Wrong($"the archive has no {folder}data/{key}, which a tensor is of");
                if (entry.Length < storage.Bytes)
                    throw bytes.Wrong(
                        Format,
                        entry.At,
                        $"'{entry.Name}' has {entry.Length} bytes, but its tensors {storage.Bytes}"
                    );
                _places[key] = (entry.At, entry.Length, entry.IsDeflated ? entry : null);
            }
        }

        // Pickles of a magic number, a version, what machine it was, the value and the keys of storages, then these.
        private void ReadLegacy()
        {
            var magic = BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);
            long at = 0;
            if (Next() is not BigInteger number || number != magic)
                throw Wrong("it is a pickle, but does not begin with the number that PyTorch's files begin with");
            if (Next() is not 1001L)
                throw bytes.Wrong(Format, at, "it is of another version than 1001");
            // What machine it was: elements are little-endian on any.
            if (Next() is not PickleDictionary)
                throw bytes.Wrong(Format, at, "it does not say what machine it was written on");
            Value = Next();
            if (Next() is not List<object?> keys)
                throw bytes.Wrong(Format, at, "there is no list of storages");
            foreach (object? key in keys)
            {
                if (key is not (string or long) || !reader.Storages.TryGetValue(Key(key), out var storage))
                    throw bytes.Wrong(Format, at, "a storage is listed that no tensor is of");
                if (!bytes.Has(at, 8) || !bytes.Has(at + 8, storage.Bytes))
                    throw bytes.Wrong(
                        Format,
                        at,
                        $"storage {storage.Key} has {storage.Bytes} bytes, but {bytes.Length - at} are left"
                    );
                long count = BinaryPrimitives.ReadInt64LittleEndian(bytes.Span(at, 8));
                if (count != storage.Count)
                    throw bytes.Wrong(
                        Format,
                        at,
                        $"storage {storage.Key} has {count} elements, but its tensors {storage.Count}"
                    );
                if (!_places.TryAdd(storage.Key, (at + 8, storage.Bytes, null)))
                    throw bytes.Wrong(Format, at, $"storage {storage.Key} is listed twice");
                at += 8 + storage.Bytes;
            }
            if (reader.Storages.Keys.FirstOrDefault(k => !_places.ContainsKey(k)) is { } missing)
                throw bytes.Wrong(Format, at, $"storage {missing} is not listed");

            object? Next()
            {
                object? value = reader.Read(
                    bytes.Span(at, (int)Math.Min(int.MaxValue, bytes.Length - at)),
                    at,
                    out int read
                );
                at += read;
                return value;
            }
        }
    }
}
