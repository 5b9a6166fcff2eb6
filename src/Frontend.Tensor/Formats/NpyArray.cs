using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Picograd.Algorithms;

namespace Picograd.Formats;

/// <summary>What the header of an array says, and where its elements lie.</summary>
internal sealed record NpyArray(string Name, char Order, char Kind, int Width, bool IsFortran, long[] Shape, long At)
{
    public DType Type =>
        (Kind, Width) switch
        {
            ('f', 2) => DType.Float16,
            ('f', 4) or ('c', 8) => DType.Float32,
            ('f', 8) or ('c', 16) => DType.Float64,
            ('i', 1) => DType.Int8,
            ('i', 2) => DType.Int16,
            ('i', 4) or ('u', 2) => DType.Int32,
            ('i', 8) or ('u', 4) or ('u', 8) => DType.Int64,
            ('u', 1) => DType.UInt8,
            _ => DType.Bool,
        };

    public long Count => Layout.CountOf(Shape);

    public long Bytes => Count * Width;

    public StoredTensor Stored(string name, Func<Tensor> read) =>
        new(name, Type, Kind == 'c' ? [.. Shape, 2] : Shape, $"{Order}{Kind}{Width}", read);

    /// <summary>Reads the header of an array that has all of some bytes.</summary>
    public static NpyArray Read(FileBytes bytes, long start, long length, string what)
    {
        var head = bytes.Span(start, (int)Math.Min(length, 12 + Npy.LongestHeader));
        return Parse(head, start, length, (at, wrong) => bytes.Wrong(Npy.Format, at, $"{what}: {wrong}"), what);
    }

    public static NpyArray Parse(
        ReadOnlySpan<byte> head,
        long start,
        long length,
        Func<long, string, InvalidDataException> wrong,
        string name
    )
    {
        if (head.Length < 10 || head[0] != 0x93 || !head[1..6].SequenceEqual("NUMPY"u8))
            throw wrong(start, "the first six bytes are not \\x93NUMPY");
        int version = head[6];
        if (version is < 1 or > 3)
            throw wrong(start + 6, $"it is of version {version}; known are 1, 2 and 3");
        int begin = version == 1 ? 10 : 12;
        if (head.Length < begin)
            throw wrong(start + 8, "it ends within its header");
        long count =
            version == 1
                ? BinaryPrimitives.ReadUInt16LittleEndian(head[8..])
                : BinaryPrimitives.ReadUInt32LittleEndian(head[8..]);
        if (count > Npy.LongestHeader || begin + count > head.Length)
            throw wrong(
                start + 8,
                $"its header would have {count} bytes, but at most {Math.Min(Npy.LongestHeader, Math.Max(0, length - begin))} are possible"
            );
        string text = (version == 3 ? Encoding.UTF8 : Encoding.Latin1).GetString(head.Slice(begin, (int)count));
        var entries = NpyHeader.Parse(
            text,
            at => wrong(start + begin + at, "its header is no dictionary of 'descr', 'fortran_order' and 'shape'")
        );
        if (
            entries.Count != 3
            || entries.GetValueOrDefault("fortran_order") is not bool fortran
            || entries.GetValueOrDefault("shape") is not long[] shape
            || !entries.TryGetValue("descr", out object? descr)
        )
            throw wrong(
                start + begin,
                $"its header must have 'descr', 'fortran_order' and 'shape', but is {Shown(text)}"
            );
        if (
            descr is not string type
            || type.Length < 3
            || type[0] is not ('<' or '>' or '|' or '=')
            || (type[1], type[2..]) switch
            {
                ('f', "2" or "4" or "8") or ('c', "8" or "16") or ('b', "1") => false,
                ('i' or 'u', "1" or "2" or "4" or "8") => false,
                _ => true,
            }
        )
            throw wrong(
                start + begin,
                $"its elements are {(descr is string other ? $"'{Shown(other)}'" : "records")}; read are floats of 2, 4 and 8 bytes, integers of 1 to 8, complex of 8 and 16, and bool"
            );
        if (shape.Length > Layout.MaxRank)
            throw wrong(start + begin, $"it has {shape.Length} dimensions, but at most {Layout.MaxRank} are possible");
        Int128 elements = 1;
        foreach (long size in shape)
            elements = Int128.Min(elements * size, long.MaxValue);
        int width = int.Parse(type[2..], CultureInfo.InvariantCulture);
        if (elements * width != length - begin - count)
            throw wrong(
                start + begin + count,
                $"{elements} elements of {width} bytes must follow for the shape {Layout.Text(shape)}, but {length - begin - count} bytes do"
            );
        char order = type[0] is '=' ? '<' : type[0];
        return new NpyArray(name, width == 1 ? '|' : order, type[1], width, fortran, shape, start + begin + count);
    }

    public Tensor Tensor(FileBytes bytes)
    {
        long[] stored = Stored();
        if (Order != '>' && Kind is not 'u' || Width == 1)
            return Turned(bytes.View(At, stored, Type));
        long[] raw = [Bytes];
        return Turned(
            Converted(
                bytes.View(At, raw, DType.UInt8),
                stored,
                at =>
                    bytes.Wrong(Npy.Format, At + at, $"{Name} has a uint64 of 2^63 or more, which no dtype here holds")
            )
        );
    }

    // Dimensions in the order in which they lie.
    private long[] Stored()
    {
        long[] sizes = [.. Shape];
        if (IsFortran)
            Array.Reverse(sizes);
        return Kind == 'c' ? [.. sizes, 2] : sizes;
    }

    private Tensor Turned(Tensor tensor)
    {
        if (!IsFortran || Shape.Length < 2)
            return tensor;
        int[] order = [.. Enumerable.Range(0, Shape.Length).Reverse()];
        return tensor.Permute(Kind == 'c' ? [.. order, Shape.Length] : order);
    }

    private unsafe Tensor Converted(Tensor raw, long[] sizes, Func<long, InvalidDataException> tooLarge)
    {
        var made = Picograd.Tensor.Allocate(sizes, Type, Dispatch.CpuRuntime.Instance);
        bool swaps = Order == '>';
        int part = Kind == 'c' ? Width / 2 : Width;
        byte* from = (byte*)raw.Address;
        long count = made.NumElements;
        for (long i = 0; i < count; i++)
        {
            ulong bits = part switch
            {
                2 => *(ushort*)(from + i * 2),
                4 => *(uint*)(from + i * 4),
                _ => *(ulong*)(from + i * 8),
            };
            if (swaps)
                bits = BinaryPrimitives.ReverseEndianness(bits) >> (64 - part * 8);
            if (Kind == 'u' && part == 8 && bits > long.MaxValue)
                throw tooLarge(i * 8);
            switch (made.ElementSize)
            {
                case 2:
                    ((ushort*)made.Address)[i] = (ushort)bits;
                    break;
                case 4:
                    ((uint*)made.Address)[i] = (uint)bits;
                    break;
                default:
                    ((ulong*)made.Address)[i] = bits;
                    break;
            }
        }
        GC.KeepAlive(raw);
        return made;
    }

    private static string Shown(string text) => text.Length > 200 ? text[..200] + "…" : text.TrimEnd();
}
