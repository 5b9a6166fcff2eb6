using System.Buffers.Binary;
using System.Text;
using Picograd.Algorithms;
using Picograd.Formats;

namespace Picograd;

/// <summary>
/// GGUF, the files of llama.cpp: tensors of floats, integers or quantised blocks, and metadata by name. Versions 2 and 3, little-endian.
/// Source: <c>docs/gguf.md</c> of ggml.
/// </summary>
public static class Gguf
{
    internal const string Format = "gguf";

    // llama.cpp's own.
    private const int MaxRank = 4;
    private const long DefaultAlignment = 32;
    private const int MaxDepth = 8;

    /// <summary>
    /// Opens a file; tensors are read when they are asked for. Dimensions are in the order of tensors here, the last one changing
    /// fastest, which GGUF names first. Quantised tensors (q4_0, q4_1, q5_0, q5_1, q8_0, q2_k to q6_k) become float32;
    /// <see cref="StoredTensor.Packed"/> gives their blocks.
    /// </summary>
    /// <exception cref="InvalidDataException">No GGUF file, a damaged one, or one of other types; says what is wrong and where.</exception>
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

    /// <summary>Writes tensors, through a file beside it that takes its place when it is complete.</summary>
    /// <param name="tensors">Up to four dimensions; of float32, float16, bfloat16, float64 or signed integers.</param>
    /// <param name="path">The file.</param>
    /// <param name="metadata">Strings, bools, numbers and lists of one kind of them, by name; <c>general.alignment</c> is set.</param>
    /// <param name="quantise">The block type of a tensor of floats (q8_0, q4_0, q4_1, q5_0 or q5_1), null to leave it as it is.</param>
    /// <exception cref="ArgumentException">Something that the format does not have.</exception>
    public static void Save(
        IEnumerable<KeyValuePair<string, Tensor>> tensors,
        string path,
        IEnumerable<KeyValuePair<string, object>>? metadata = null,
        Func<string, Tensor, string?>? quantise = null
    )
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var writer = new GgufWriter([.. tensors], metadata, quantise);
        FileBeside.Write(path, writer.Write);
    }

    internal static TensorFile Open(FileBytes bytes)
    {
        var reader = new Reader(bytes);
        if (bytes.Length < 24 || !bytes.Span(0, 4).SequenceEqual("GGUF"u8))
            throw reader.Wrong("it does not begin with GGUF and a header of 24 bytes");
        reader.At = 4;
        uint version = reader.U32();
        if (version is not (2 or 3))
            throw reader.Wrong($"it is of version {version}; read are 2 and 3, little-endian");
        long tensors = reader.Count("tensors", 24);
        long pairs = reader.Count("pairs of metadata", 12);
        var metadata = new OrderedDictionary<string, object?>();
        for (long i = 0; i < pairs; i++)
        {
            string key = reader.String();
            if (!metadata.TryAdd(key, reader.Value(reader.U32(), 0)))
                throw reader.Wrong($"the metadata '{key}' are there twice");
        }
        long alignment = metadata.GetValueOrDefault("general.alignment") switch
        {
            null => DefaultAlignment,
            long given when given > 0 && given % 8 == 0 && given <= 1 << 20 => given,
            var other => throw reader.Wrong($"general.alignment is {other}, but must be a multiple of 8"),
        };
        var entries = new List<(string Name, GgufType Type, long[] Shape, long Offset, long Bytes)>();
        for (long i = 0; i < tensors; i++)
            entries.Add(reader.TensorInfo());
        long data = (reader.At + alignment - 1) / alignment * alignment;
        foreach (var (name, _, _, offset, size) in entries)
        {
            if (offset % alignment != 0)
                throw reader.Wrong($"'{name}' begins at {offset}, which is no multiple of {alignment}");
            if (offset > bytes.Length || data + offset > bytes.Length || size > bytes.Length - data - offset)
                throw reader.Wrong(
                    $"'{name}' would lie from {data + offset} for {size} bytes, but the file has {bytes.Length}"
                );
        }
        return new TensorFile(
            bytes,
            bytes.Path,
            Format,
            entries.Select(e => Stored(bytes, e.Name, e.Type, e.Shape, data + e.Offset)),
            metadata
        );
    }

    private static StoredTensor Stored(FileBytes bytes, string name, GgufType type, long[] shape, long at)
    {
        if (type.Blocks is not { } blocks)
            return new StoredTensor(name, type.Type, shape, type.Name, () => bytes.View(at, shape, type.Type));
        long[] packed = [.. shape];
        packed[^1] = packed[^1] / blocks.Elements * blocks.Bytes;
        return new StoredTensor(
            name,
            DType.Float32,
            shape,
            type.Name,
            () =>
            {
                using var lying = bytes.View(at, packed, DType.UInt8);
                return blocks.Dequantised(lying, shape);
            },
            () => bytes.View(at, packed, DType.UInt8)
        );
    }

    // Reads from a place onward, which every step checks against the length.
    private sealed class Reader(FileBytes bytes)
    {
        public long At;

        public InvalidDataException Wrong(string what) => bytes.Wrong(Format, At, what);

        public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

        public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

        /// <summary>A number of things of which each takes some bytes at least.</summary>
        public long Count(string what, int least)
        {
            ulong count = U64();
            return count <= (ulong)((bytes.Length - At) / least)
                ? (long)count
                : throw Wrong($"{count} {what} are announced, for which {bytes.Length - At} bytes are too few");
        }

        public string String()
        {
            ulong length = U64();
            if (length > (ulong)(bytes.Length - At) || length > int.MaxValue)
                throw Wrong($"a string of {length} bytes is announced, but {bytes.Length - At} are left");
            try
            {
                return Strict.GetString(Take((int)length));
            }
            catch (DecoderFallbackException)
            {
                // Vocabularies have pieces of broken characters.
                At -= (long)length;
                return Encoding.Latin1.GetString(Take((int)length));
            }
        }

        public object Value(uint type, int depth)
        {
            switch (type)
            {
                case 0:
                    return (long)Take(1)[0];
                case 1:
                    return (long)(sbyte)Take(1)[0];
                case 2:
                    return (long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2));
                case 3:
                    return (long)BinaryPrimitives.ReadInt16LittleEndian(Take(2));
                case 4:
                    return (long)U32();
                case 5:
                    return (long)BinaryPrimitives.ReadInt32LittleEndian(Take(4));
                case 6:
                    return (double)BinaryPrimitives.ReadSingleLittleEndian(Take(4));
                case 7:
                    return Take(1)[0] switch
                    {
                        0 => false,
                        1 => true,
                        byte other => throw Wrong($"a bool is {other}"),
                    };
                case 8:
                    return String();
                case 9:
                    return Array(depth);
                case 10:
                    return U64() is var unsigned && unsigned <= long.MaxValue ? (long)unsigned : (object)unsigned;
                case 11:
                    return BinaryPrimitives.ReadInt64LittleEndian(Take(8));
                case 12:
                    return BinaryPrimitives.ReadDoubleLittleEndian(Take(8));
                default:
                    throw Wrong($"a value has the type {type}; known are 0 to 12");
            }
        }

        private List<object?> Array(int depth)
        {
            if (depth >= MaxDepth)
                throw Wrong($"lists lie more than {MaxDepth} deep in each other");
            uint type = U32();
            int least = type switch
            {
                0 or 1 or 7 => 1,
                2 or 3 => 2,
                4 or 5 or 6 => 4,
                9 => 12,
                _ => 8,
            };
            long count = Count("values", least);
            var values = new List<object?>();
            for (long i = 0; i < count; i++)
                values.Add(Value(type, depth + 1));
            return values;
        }

        public (string Name, GgufType Type, long[] Shape, long Offset, long Bytes) TensorInfo()
        {
            string name = String();
            uint rank = U32();
            if (rank > MaxRank)
                throw Wrong($"'{name}' has {rank} dimensions, but at most {MaxRank} are possible");
            long[] shape = new long[rank];
            Int128 elements = 1;
            for (int d = shape.Length - 1; d >= 0; d--)
            {
                ulong size = U64();
                if (size > long.MaxValue)
                    throw Wrong($"'{name}' has a dimension of {size}");
                shape[d] = (long)size;
                elements = Int128.Min(elements * shape[d], long.MaxValue);
            }
            uint number = U32();
            var type =
                GgufType.Of(number)
                ?? throw Wrong(
                    $"'{name}' has the type {GgufType.NameOf(number)}; read are {string.Join(", ", GgufType.All.Select(t => t.Name))}"
                );
            long perBlock = type.Blocks?.Elements ?? 1;
            if (rank == 0 ? perBlock != 1 : shape[^1] % perBlock != 0)
                throw Wrong(
                    $"'{name}' has rows of {(rank == 0 ? 1 : shape[^1])} elements, but {type.Name} has blocks of {perBlock}"
                );
            Int128 size128 = elements / perBlock * (type.Blocks?.Bytes ?? type.Type.Size());
            ulong offset = U64();
            if (size128 > bytes.Length || offset > (ulong)bytes.Length)
                throw Wrong($"'{name}' would have {size128} bytes at {offset}, but the file has {bytes.Length}");
            return (name, type, shape, (long)offset, (long)size128);
        }

        private ReadOnlySpan<byte> Take(int count)
        {
            if (!bytes.Has(At, count))
                throw Wrong($"{count} bytes must follow, but {bytes.Length - At} do");
            var taken = bytes.Span(At, count);
            At += count;
            return taken;
        }

        private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    }
}
