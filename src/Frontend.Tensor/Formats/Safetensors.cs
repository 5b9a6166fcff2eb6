using System.Buffers.Binary;
using System.Text.Json;
using Picograd.Algorithms;
using Picograd.Dispatch;
using Picograd.Formats;

namespace Picograd;

/// <summary>
/// Tensors by name in the safetensors format: eight bytes of length, a header in JSON, the elements. Nothing of a file is executed, and
/// lengths are checked before memory is taken.
/// </summary>
public static class Safetensors
{
    // The reference implementation's limit.
    private const long LongestHeader = 100_000_000;

    private const string Metadata = "__metadata__";

    private static readonly (string Name, DType Type)[] Types =
    [
        ("F64", DType.Float64),
        ("F32", DType.Float32),
        ("F16", DType.Float16),
        ("BF16", DType.BFloat16),
        ("I64", DType.Int64),
        ("I32", DType.Int32),
        ("I16", DType.Int16),
        ("I8", DType.Int8),
        ("U8", DType.UInt8),
        ("BOOL", DType.Bool),
    ];

    /// <summary>Reads a file's tensors, in the order in which they lie.</summary>
    /// <exception cref="InvalidDataException">No safetensors file, or a damaged one; says what is wrong with it.</exception>
    public static OrderedDictionary<string, Tensor> Load(string path, Device? device = null) =>
        Load(path, out _, device);

    /// <summary>Reads a file's tensors and its metadata.</summary>
    /// <inheritdoc cref="Load(string, Device?)"/>
    public static OrderedDictionary<string, Tensor> Load(
        string path,
        out OrderedDictionary<string, string> metadata,
        Device? device = null
    )
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = File.OpenRead(path);
        return Read(file, path, out metadata, device);
    }

    /// <summary>Writes tensors, through a file beside it that takes its place when it is complete.</summary>
    /// <param name="tensors">Any shapes, strides and devices; tensors that share memory are each written.</param>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Strings by name for the header.</param>
    /// <exception cref="ArgumentException">
    /// A dtype that the format does not have, a name twice, the name <c>__metadata__</c>, or more names than fit into a header. Nothing is
    /// written.
    /// </exception>
    public static void Save(
        IEnumerable<KeyValuePair<string, Tensor>> tensors,
        string path,
        IEnumerable<KeyValuePair<string, string>>? metadata = null
    )
    {
        ArgumentNullException.ThrowIfNull(tensors);
        ArgumentException.ThrowIfNullOrEmpty(path);
        KeyValuePair<string, Tensor>[] all = [.. tensors];
        byte[] header = Header(all, metadata);
        FileBeside.Write(path, file => Write(file, all, header));
    }

    private static byte[] Header(
        KeyValuePair<string, Tensor>[] tensors,
        IEnumerable<KeyValuePair<string, string>>? metadata
    )
    {
        var names = new HashSet<string>();
        foreach (var (name, tensor) in tensors)
        {
            ArgumentNullException.ThrowIfNull(tensor, nameof(tensors));
            if (name == Metadata)
                throw new ArgumentException(
                    $"Safetensors: no tensor can be called '{Metadata}', which is the metadata."
                );
            if (!names.Add(name))
                throw new ArgumentException($"Safetensors: there are two tensors '{name}'; names must differ.");
        }
        names.Clear();
        using var header = new MemoryStream();
        using (var json = new Utf8JsonWriter(header))
        {
            json.WriteStartObject();
            if (metadata?.ToList() is { Count: > 0 } entries)
            {
                json.WriteStartObject(Metadata);
                foreach (var (key, value) in entries)
                {
                    if (!names.Add(key))
                        throw new ArgumentException(
                            $"Safetensors: there is metadata '{key}' twice; names must differ."
                        );
                    json.WriteString(key, value);
                }
                json.WriteEndObject();
            }
            long at = 0;
            foreach (var (name, tensor) in tensors)
            {
                string type =
                    Types.FirstOrDefault(t => t.Type == tensor.DType).Name
                    ?? throw new ArgumentException(
                        $"Safetensors: '{name}' is {tensor.DType.Name()}, which the format does not have."
                    );
                json.WriteStartObject(name);
                json.WriteString("dtype", type);
                json.WriteStartArray("shape");
                foreach (long size in tensor.Layout.Sizes)
                    json.WriteNumberValue(size);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(at);
                json.WriteNumberValue(at += tensor.NumElements * tensor.ElementSize);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        // Elements begin at a multiple of eight.
        while (header.Length % 8 != 0)
            header.WriteByte((byte)' ');
        return header.Length <= LongestHeader
            ? header.ToArray()
            : throw new ArgumentException(
                $"Safetensors: names, shapes and metadata need {header.Length} bytes, but a header has at most {LongestHeader}."
            );
    }

    private static void Write(Stream to, KeyValuePair<string, Tensor>[] tensors, byte[] header)
    {
        Span<byte> length = stackalloc byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        to.Write(length);
        to.Write(header);
        foreach (var (_, tensor) in tensors)
            TensorBytes.Write(to, tensor);
    }

    internal static OrderedDictionary<string, Tensor> Read(
        Stream from,
        string path,
        out OrderedDictionary<string, string> metadata,
        Device? device
    )
    {
        Span<byte> length = stackalloc byte[8];
        if (from.ReadAtLeast(length, 8, throwOnEndOfStream: false) < 8)
            throw Wrong(path, "it has fewer than 8 bytes");
        long header = BinaryPrimitives.ReadInt64LittleEndian(length);
        if (header is < 2 or > LongestHeader || header > from.Length - 8)
            throw Wrong(path, $"its header has {header} bytes by its first eight, but the file {from.Length}");
        byte[] text = new byte[header];
        from.ReadExactly(text);
        var tensors = new OrderedDictionary<string, Tensor>();
        foreach (var (name, type, shape, _, _) in Entries(text, from.Length - 8 - header, path, out metadata))
            tensors.Add(name, ReadElements(from, shape, type, device));
        return tensors;
    }

    /// <summary>
    /// Opens a file without reading its elements: tensors are views of the mapped file. <see cref="Load(string, Device?)"/> copies.
    /// </summary>
    /// <exception cref="InvalidDataException">No safetensors file, or a damaged one; says what is wrong with it.</exception>
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
        if (bytes.Length < 8)
            throw Wrong(bytes.Path, "it has fewer than 8 bytes");
        long header = BinaryPrimitives.ReadInt64LittleEndian(bytes.Span(0, 8));
        if (header is < 2 or > LongestHeader || header > bytes.Length - 8)
            throw Wrong(bytes.Path, $"its header has {header} bytes by its first eight, but the file {bytes.Length}");
        byte[] text = bytes.Span(8, (int)header).ToArray();
        long begin = 8 + header;
        return new TensorFile(
            bytes,
            bytes.Path,
            "safetensors",
            Entries(text, bytes.Length - begin, bytes.Path, out var metadata)
                .Select(e => new StoredTensor(
                    e.Name,
                    e.Type,
                    e.Shape,
                    Types.First(t => t.Type == e.Type).Name,
                    () => bytes.View(begin + e.Start, e.Shape, e.Type)
                )),
            metadata.ToDictionary(e => e.Key, e => (object?)e.Value)
        );
    }

    private static InvalidDataException Wrong(string path, string what, Exception? inner = null) =>
        new($"{path} is no safetensors file that can be read: {what}.", inner);

    // The header's tensors in the order in which they lie, which must be without gaps.
    private static List<(string Name, DType Type, long[] Shape, long Start, long End)> Entries(
        byte[] text,
        long data,
        string path,
        out OrderedDictionary<string, string> metadata
    )
    {
        InvalidDataException Wrong(string what, Exception? inner = null) => Safetensors.Wrong(path, what, inner);

        metadata = [];
        var entries = new List<(string Name, DType Type, long[] Shape, long Start, long End)>();
        try
        {
            using var json = JsonDocument.Parse(text);
            foreach (var entry in json.RootElement.EnumerateObject())
            {
                if (entry.Name == Metadata)
                {
                    foreach (var pair in entry.Value.EnumerateObject())
                        metadata[pair.Name] = pair.Value.GetString() ?? "";
                    continue;
                }
                string type = entry.Value.GetProperty("dtype").GetString() ?? "";
                int known = Array.FindIndex(Types, t => t.Name == type);
                if (known < 0)
                    throw Wrong(
                        $"'{entry.Name}' has the dtype '{type}'; known are {string.Join(", ", Types.Select(t => t.Name))}"
                    );
                long[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(e => e.GetInt64())];
                long[] places = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(e => e.GetInt64())];
                if (places.Length != 2)
                    throw Wrong($"'{entry.Name}' has {places.Length} data_offsets instead of 2");
                entries.Add((entry.Name, Types[known].Type, shape, places[0], places[1]));
            }
        }
        catch (Exception e)
            when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException)
        {
            throw Wrong($"its header is not as the format has it ({e.Message})", e);
        }
        var names = new HashSet<string>();
        long next = 0;
        entries = [.. entries.OrderBy(e => e.Start).ThenBy(e => e.End)];
        foreach (var (name, type, shape, start, end) in entries)
        {
            if (!TensorShapes.Fits(shape))
                throw Wrong($"'{name}' has the shape [{string.Join(", ", shape)}]");
            Int128 elements = 1;
            foreach (long size in shape)
                elements = Int128.Min(elements * size, long.MaxValue);
            if (start != next || end < start || end > data || (Int128)(end - start) != elements * type.Size())
                throw Wrong(
                    $"'{name}' of {elements} elements of {type.Name()} lies from {start} to {end} of {data} bytes, but should begin at {next}"
                );
            next = end;
            if (!names.Add(name))
                throw Wrong($"'{name}' is there twice");
        }
        if (next != data)
            throw Wrong($"it has {data} bytes of elements, of which {next} are described");
        return entries;
    }

    private static unsafe Tensor ReadElements(Stream from, long[] shape, DType type, Device? device)
    {
        var tensor = Tensor.Allocate(shape, type, CpuRuntime.Instance);
        long bytes = tensor.NumElements * tensor.ElementSize;
        const int Piece = 1 << 24;
        for (long at = 0; at < bytes; at += Piece)
            from.ReadExactly(new Span<byte>((byte*)tensor.Address + at, (int)Math.Min(Piece, bytes - at)));
        // Other bytes than 0 and 1 are no bool that kernels know.
        for (long i = 0; type == DType.Bool && i < bytes; i++)
            ((byte*)tensor.Address)[i] = (byte)(((byte*)tensor.Address)[i] == 0 ? 0 : 1);
        return device is { } there ? tensor.ToDevice(there) : tensor;
    }
}
