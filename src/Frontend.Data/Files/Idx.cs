using System.Buffers.Binary;
using System.IO.Compression;

namespace Picograd.Data;

/// <summary>Files of the IDX format, in which MNIST is; also packed by gzip.</summary>
public static class Idx
{
    // What deflate can pack into a byte at most.
    private const long MostPacked = 1032;

    /// <summary>Reads one tensor: uint8, int32 (also what is int8 or int16 in the file), float32 or float64.</summary>
    /// <exception cref="InvalidDataException">No IDX file, or not as long as it says; says what is wrong.</exception>
    public static Tensor Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        InvalidDataException Wrong(string what) => new($"{path} is no IDX file that can be read: {what}.");
        using var file = File.OpenRead(path);
        bool packed = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
        file.Position = 0;
        using Stream stream = packed ? new GZipStream(file, CompressionMode.Decompress) : file;
        try
        {
            byte[] head = new byte[4];
            if (stream.ReadAtLeast(head, 4, throwOnEndOfStream: false) < 4 || head[0] != 0 || head[1] != 0)
                throw Wrong("it does not begin with two zeros, a type and a number of dimensions");
            int size = head[2] switch
            {
                0x08 or 0x09 => 1,
                0x0B => 2,
                0x0C or 0x0D => 4,
                0x0E => 8,
                var other => throw Wrong($"its type is 0x{other:x2}"),
            };
            if (head[3] is 0 or > 32)
                throw Wrong($"it has {head[3]} dimensions");
            var shape = new long[head[3]];
            byte[] length = new byte[4];
            Int128 bytes = size;
            for (int d = 0; d < shape.Length; d++)
            {
                if (stream.ReadAtLeast(length, 4, throwOnEndOfStream: false) < 4)
                    throw Wrong("it ends within its sizes");
                shape[d] = BinaryPrimitives.ReadUInt32BigEndian(length);
                bytes = Int128.Min(bytes * shape[d], long.MaxValue);
            }
            if (bytes > Array.MaxLength || bytes > file.Length * (packed ? MostPacked : 1))
                throw Wrong($"its sizes {string.Join(" x ", shape)} need {bytes} bytes, which it cannot have");
            byte[] data = new byte[(int)bytes];
            int got = stream.ReadAtLeast(data, data.Length, throwOnEndOfStream: false);
            if (got < data.Length || stream.ReadByte() >= 0)
                throw Wrong(
                    $"its sizes {string.Join(" x ", shape)} need {bytes} bytes, but it has {(got < data.Length ? got.ToString() : "more")}"
                );
            return Of(data, head[2], size, shape);
        }
        catch (InvalidDataException e) when (!e.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw Wrong(e.Message);
        }
    }

    private static Tensor Of(byte[] data, byte type, int size, long[] shape)
    {
        int count = data.Length / size;
        T[] Each<T>(Func<int, T> read) => [.. Enumerable.Range(0, count).Select(read)];
        ReadOnlySpan<byte> At(int i) => data.AsSpan(i * size, size);
        return type switch
        {
            0x08 => Tensor.From(data, shape),
            0x09 => Tensor.From(Each(i => (int)(sbyte)data[i]), shape),
            0x0B => Tensor.From(Each(i => (int)BinaryPrimitives.ReadInt16BigEndian(At(i))), shape),
            0x0C => Tensor.From(Each(i => BinaryPrimitives.ReadInt32BigEndian(At(i))), shape),
            0x0D => Tensor.From(Each(i => BinaryPrimitives.ReadSingleBigEndian(At(i))), shape),
            _ => Tensor.From(Each(i => BinaryPrimitives.ReadDoubleBigEndian(At(i))), shape),
        };
    }
}
