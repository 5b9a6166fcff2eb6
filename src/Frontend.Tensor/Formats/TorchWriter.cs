using System.Buffers.Binary;
using System.Collections;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using Picograd.Algorithms;

namespace Picograd.Formats;

/// <summary>
/// Writes a tree of values as PyTorch's zip archive: a pickle of protocol 2 in the words of <c>torch.save</c>, the elements of each storage
/// in an entry of its own, stored as they are.
/// </summary>
internal sealed class TorchWriter
{
    private const string Folder = "archive";
    private const int MostDepth = 100;

    private readonly MemoryStream _pickle = new();
    private readonly List<Tensor> _storages = [];

    // Of memory that more than one tensor of the tree has: the key of the whole, and how many have it.
    private readonly Dictionary<(Storage, DType), string> _shared = [];
    private readonly Dictionary<Storage, int> _uses = [];

    public TorchWriter(object? value)
    {
        Count(value, 0);
        Write(0x80, 2);
        Add(value, "", 0);
        Write('.');
    }

    public void Write(Stream to)
    {
        using var archive = new ZipArchive(to, ZipArchiveMode.Create, leaveOpen: true);
        Entry("data.pkl", _pickle.WriteTo);
        Entry("byteorder", s => s.Write("little"u8));
        for (int i = 0; i < _storages.Count; i++)
        {
            var tensor = _storages[i];
            Entry($"data/{i}", s => TensorBytes.Write(s, tensor));
        }
        Entry("version", s => s.Write("3\n"u8));

        void Entry(string name, Action<Stream> write)
        {
            using var entry = archive.CreateEntry($"{Folder}/{name}", CompressionLevel.NoCompression).Open();
            write(entry);
        }
    }

    // How many tensors have each memory.
    private void Count(object? value, int depth)
    {
        if (depth > MostDepth)
            throw new ArgumentException($"PyTorchFile.Save: containers lie more than {MostDepth} deep in each other.");
        switch (value)
        {
            case Tensor tensor:
                if (tensor.Device.IsCpu)
                    _uses[tensor.Storage] = _uses.GetValueOrDefault(tensor.Storage) + 1;
                break;
            case Module module:
                Count(module.StateDict(), depth + 1);
                break;
            case IDictionary dictionary:
                foreach (object? part in dictionary.Values)
                    Count(part, depth + 1);
                break;
            case string:
                break;
            case IEnumerable several:
                foreach (object? part in several)
                    Count(part, depth + 1);
                break;
        }
    }

    private void Add(object? value, string place, int depth)
    {
        switch (value)
        {
            case null:
                Write('N');
                break;
            case bool on:
                Write(on ? 0x88 : 0x89);
                break;
            case Tensor tensor:
                AddTensor(tensor, place);
                break;
            case string text:
                AddText(text);
                break;
            case int or long or short or byte or sbyte or uint or ushort:
                AddNumber(Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case float or double:
                Span<byte> bits = stackalloc byte[8];
                BinaryPrimitives.WriteDoubleBigEndian(bits, Convert.ToDouble(value, CultureInfo.InvariantCulture));
                Write('G');
                _pickle.Write(bits);
                break;
            case Module module:
                Add(module.StateDict(), place, depth + 1);
                break;
            case IDictionary dictionary:
                // As OrderedDict, which state dicts are.
                AddName("collections", "OrderedDict");
                Write(')', 'R', '(');
                foreach (DictionaryEntry entry in dictionary)
                {
                    if (entry.Key is not (string or int or long))
                        throw Refused(
                            place,
                            $"has a key that is a {entry.Key.GetType().Name}; strings and integers are possible"
                        );
                    Add(entry.Key, place, depth + 1);
                    Add(entry.Value, place.Length == 0 ? $"{entry.Key}" : $"{place}.{entry.Key}", depth + 1);
                }
                Write('u');
                break;
            case IEnumerable several:
                Write(']', '(');
                int i = 0;
                foreach (object? part in several)
                    Add(part, $"{place}[{i++}]", depth + 1);
                Write('e');
                break;
            default:
                throw Refused(
                    place,
                    $"is a {value.GetType().Name}; tensors, modules, numbers, strings, bools, lists and dictionaries are possible"
                );
        }
    }

    private static ArgumentException Refused(string place, string what) =>
        new($"PyTorchFile.Save: {(place.Length == 0 ? "the value" : $"'{place}'")} {what}.");

    private void AddTensor(Tensor tensor, string place)
    {
        string kind =
            TorchTypes.StorageOf(tensor.DType)
            ?? throw Refused(place, $"is {tensor.DType.Name()}, which PyTorch does not have");
        var layout = Layout.Contiguous(tensor.Layout.Sizes);
        string key;
        long count = tensor.NumElements;
        long all = tensor.Device.IsCpu ? tensor.Storage.Length / tensor.ElementSize : 0;
        if (tensor.Device.IsCpu && _uses[tensor.Storage] > 1 && all > 0)
        {
            (layout, count) = (tensor.Layout, all);
            if (!_shared.TryGetValue((tensor.Storage, tensor.DType), out key!))
                key = _shared[(tensor.Storage, tensor.DType)] = Next(tensor.Detach().Alias(Layout.Contiguous([all])));
        }
        else
        {
            key = Next(tensor);
        }
        AddName("torch._utils", "_rebuild_tensor_v2");
        Write('(', '(');
        AddText("storage");
        AddName("torch", kind);
        AddText(key);
        AddText("cpu");
        AddNumber(count);
        Write('t', 'Q');
        AddNumber(layout.Offset);
        AddTuple(layout.Sizes);
        AddTuple(layout.Strides);
        Write(0x89);
        AddName("collections", "OrderedDict");
        Write(')', 'R', 't', 'R');
    }

    private string Next(Tensor elements)
    {
        _storages.Add(elements);
        return $"{_storages.Count - 1}";
    }

    private void AddTuple(long[] numbers)
    {
        Write('(');
        foreach (long number in numbers)
            AddNumber(number);
        Write('t');
    }

    private void AddName(string module, string name)
    {
        Write('c');
        _pickle.Write(Encoding.UTF8.GetBytes($"{module}\n{name}\n"));
    }

    private void AddText(string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        Write('X');
        _pickle.Write(BitConverter.GetBytes(bytes.Length));
        _pickle.Write(bytes);
    }

    private void AddNumber(long number)
    {
        if (number == (int)number)
        {
            Write('J');
            _pickle.Write(BitConverter.GetBytes((int)number));
            return;
        }
        Write(0x8a, 8);
        _pickle.Write(BitConverter.GetBytes(number));
    }

    private void Write(params ReadOnlySpan<int> codes)
    {
        foreach (int code in codes)
            _pickle.WriteByte((byte)code);
    }
}
