using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using Google.Protobuf;
using Picograd.Formats;
using Picograd.Onnx.Proto;
using DataType = Picograd.Onnx.Proto.TensorProto.Types.DataType;

namespace Picograd.Onnx;

/// <summary>Tensors of ONNX files.</summary>
internal static class OnnxTensors
{
    // uint16 becomes int32, uint32 and uint64 int64, which hold their values (of uint64 those below 2^63).
    private static readonly (DataType Type, DType Here, int Width)[] Types =
    [
        (DataType.Float, DType.Float32, 4),
        (DataType.Double, DType.Float64, 8),
        (DataType.Float16, DType.Float16, 2),
        (DataType.Bfloat16, DType.BFloat16, 2),
        (DataType.Int64, DType.Int64, 8),
        (DataType.Int32, DType.Int32, 4),
        (DataType.Int16, DType.Int16, 2),
        (DataType.Int8, DType.Int8, 1),
        (DataType.Uint8, DType.UInt8, 1),
        (DataType.Bool, DType.Bool, 1),
        (DataType.Uint16, DType.Int32, 2),
        (DataType.Uint32, DType.Int64, 4),
        (DataType.Uint64, DType.Int64, 8),
    ];

    /// <summary>The dtype for a number of ONNX's enumeration.</summary>
    public static DType? TypeOf(int number)
    {
        int at = Array.FindIndex(Types, t => (int)t.Type == number);
        return at < 0 ? null : Types[at].Here;
    }

    public static DataType Of(DType type) => Array.Find(Types, t => t.Here == type).Type;

    public static string NameOf(int number) =>
        Enum.IsDefined((DataType)number) ? ((DataType)number).ToString().ToLowerInvariant() : $"{number}";

    /// <param name="proto">The tensor.</param>
    /// <param name="path">The file it is of, beside which external data lie.</param>
    public static Tensor Read(TensorProto proto, string path)
    {
        InvalidDataException Wrong(string what) =>
            new($"{path} is no ONNX file that can be read: the tensor '{proto.Name}' {what}.");

        int known = Array.FindIndex(Types, t => (int)t.Type == proto.DataType);
        if (known < 0)
            throw Wrong($"is of {NameOf(proto.DataType)}, which tensors here can't be");
        var (type, here, width) = Types[known];
        long[] shape = [.. proto.Dims];
        Int128 elements = 1;
        foreach (long size in shape)
            elements = size < 0 ? -1 : Int128.Min(elements * size, long.MaxValue);
        if (!TensorShapes.Fits(shape))
            throw Wrong($"has the shape [{string.Join(", ", shape)}]");
        ReadOnlyMemory<byte> raw;
        if (proto.DataLocation == TensorProto.Types.DataLocation.External)
            raw = External(proto, path, elements * width, Wrong);
        else if (proto.HasRawData)
            raw = proto.RawData.Memory;
        else
            raw = Typed(proto, type, width);
        if (raw.Length != elements * width)
            throw Wrong(
                $"of shape [{string.Join(", ", shape)}] should have {elements * width} bytes, but has {raw.Length}"
            );
        return Made(raw.Span, type, here, shape, Wrong);
    }

    private static Tensor Made(
        ReadOnlySpan<byte> raw,
        DataType type,
        DType here,
        long[] shape,
        Func<string, InvalidDataException> wrong
    )
    {
        switch (type)
        {
            case DataType.Uint16:
                return Tensor.From([.. MemoryMarshal.Cast<byte, ushort>(raw).ToArray().Select(v => (int)v)], shape);
            case DataType.Uint32:
                return Tensor.From([.. MemoryMarshal.Cast<byte, uint>(raw).ToArray().Select(v => (long)v)], shape);
            case DataType.Uint64 when MemoryMarshal.Cast<byte, ulong>(raw).ToArray().Any(v => v > long.MaxValue):
                throw wrong("has a uint64 of 2^63 or more, which no dtype here holds");
            case DataType.Bool:
                return Tensor.From([.. raw.ToArray().Select(v => v != 0)], shape);
        }
        return here switch
        {
            DType.Float32 => Tensor.From(MemoryMarshal.Cast<byte, float>(raw), shape),
            DType.Float64 => Tensor.From(MemoryMarshal.Cast<byte, double>(raw), shape),
            DType.Float16 => Tensor.From(MemoryMarshal.Cast<byte, Half>(raw), shape),
            DType.BFloat16 => Tensor.From(MemoryMarshal.Cast<byte, BFloat16>(raw), shape),
            DType.Int64 => Tensor.From(MemoryMarshal.Cast<byte, long>(raw), shape),
            DType.Int32 => Tensor.From(MemoryMarshal.Cast<byte, int>(raw), shape),
            DType.Int16 => Tensor.From(MemoryMarshal.Cast<byte, short>(raw), shape),
            DType.Int8 => Tensor.From(MemoryMarshal.Cast<byte, sbyte>(raw), shape),
            _ => Tensor.From(raw, shape),
        };
    }

    // Elements that are not raw: small integers and float16 lie in int32s.
    private static byte[] Typed(TensorProto proto, DataType type, int width)
    {
        var values = type switch
        {
            DataType.Float => MemoryMarshal.AsBytes<float>(proto.FloatData.ToArray()).ToArray(),
            DataType.Double => MemoryMarshal.AsBytes<double>(proto.DoubleData.ToArray()).ToArray(),
            DataType.Int64 => MemoryMarshal.AsBytes<long>(proto.Int64Data.ToArray()).ToArray(),
            DataType.Uint64 => MemoryMarshal.AsBytes<ulong>(proto.Uint64Data.ToArray()).ToArray(),
            DataType.Uint32 => MemoryMarshal.AsBytes<uint>([.. proto.Uint64Data.Select(v => (uint)v)]).ToArray(),
            _ => null,
        };
        if (values is not null)
            return values;
        byte[] made = new byte[proto.Int32Data.Count * width];
        Span<byte> four = stackalloc byte[4];
        for (int i = 0; i < proto.Int32Data.Count; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(four, proto.Int32Data[i]);
            four[..width].CopyTo(made.AsSpan(i * width));
        }
        return made;
    }

    // A file beside the model and nowhere else.
    private static byte[] External(
        TensorProto proto,
        string path,
        Int128 bytes,
        Func<string, InvalidDataException> wrong
    )
    {
        string Value(string key) => proto.ExternalData.FirstOrDefault(e => e.Key == key)?.Value ?? "";
        string location = Value("location");
        if (location.Length == 0 || Path.IsPathRooted(location) || location.Split('/', '\\').Contains(".."))
            throw wrong($"lies in '{location}', which is not beside the model");
        string file = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, location);
        if (!File.Exists(file))
            throw wrong($"lies in '{location}', which is not there");
        long offset = 0;
        if (
            Value("offset") is { Length: > 0 } text
            && !long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out offset)
        )
            throw wrong($"lies at '{text}' of '{location}', which is no place");
        using var from = File.OpenRead(file);
        if (bytes > Array.MaxLength || offset > from.Length || bytes > from.Length - offset)
            throw wrong($"would have {bytes} bytes at {offset} of '{location}', which has {from.Length}");
        from.Position = offset;
        byte[] made = new byte[(int)bytes];
        from.ReadExactly(made);
        return made;
    }

    /// <summary>A tensor for a file.</summary>
    public static TensorProto Write(string name, Tensor tensor)
    {
        var proto = new TensorProto { Name = name, DataType = (int)Of(tensor.DType) };
        proto.Dims.AddRange(tensor.Shape.ToArray());
        using var off = Tensor.NoGrad();
        var dense = tensor.Detach().Cpu().Contiguous();
        byte[] bytes = tensor.DType switch
        {
            DType.Float32 => Bytes<float>(),
            DType.Float64 => Bytes<double>(),
            DType.Float16 => Bytes<Half>(),
            DType.BFloat16 => Bytes<BFloat16>(),
            DType.Int64 => Bytes<long>(),
            DType.Int32 => Bytes<int>(),
            DType.Int16 => Bytes<short>(),
            DType.Int8 => Bytes<sbyte>(),
            DType.UInt8 => Bytes<byte>(),
            _ => Bytes<bool>(),
        };
        proto.RawData = ByteString.CopyFrom(bytes);
        return proto;

        byte[] Bytes<T>()
            where T : unmanaged => MemoryMarshal.AsBytes<T>(dense.ToArray<T>()).ToArray();
    }
}
