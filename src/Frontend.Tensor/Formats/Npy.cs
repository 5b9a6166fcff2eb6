using System.Buffers.Binary;
using System.Text;
using Picograd.Formats;

namespace Picograd;

/// <summary>
/// NumPy's files of one array (<c>numpy.save</c>): versions 1 to 3, either order of bytes, rows or columns first. Source: NEP 1 and
/// <c>numpy/lib/format.py</c>.
/// </summary>
public static class Npy
{
    internal const string Format = "npy";

    // NumPy's own limit for headers that are not trusted.
    internal const int LongestHeader = 10_000;

    /// <summary>Reads the array of a file.</summary>
    /// <remarks>
    /// float16, 32, 64, int8 to int64, uint8 and bool have their dtypes here. uint16 becomes int32, uint32 int64, uint64 int64
    /// (values of 2⁶³ and more are refused), and complex numbers are real ones with a last dimension of two (real, imaginary).
    /// </remarks>
    /// <exception cref="InvalidDataException">No npy file, a damaged one, or one of strings, objects or records; says what is wrong and where.</exception>
    public static Tensor Load(string path, Device? device = null)
    {
        using var bytes = FileBytes.Map(path);
        using var file = Open(bytes);
        var tensor = file.Tensors[0].Read();
        return device is { } there ? tensor.ToDevice(there) : tensor;
    }

    /// <summary>Writes a tensor, through a file beside it that takes its place when it is complete. bfloat16, which NumPy does not have, is refused.</summary>
    public static void Save(Tensor tensor, string path)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        byte[] header = Header(tensor, "Npy.Save");
        FileBeside.Write(
            path,
            file =>
            {
                file.Write(header);
                TensorBytes.Write(file, tensor);
            }
        );
    }

    internal static TensorFile Open(FileBytes bytes)
    {
        var array = NpyArray.Read(bytes, 0, bytes.Length, bytes.Path);
        return new TensorFile(bytes, bytes.Path, Format, [array.Stored("array", () => array.Tensor(bytes))]);
    }

    internal static byte[] Header(Tensor tensor, string what)
    {
        string descr = tensor.DType switch
        {
            DType.Float64 => "<f8",
            DType.Float32 => "<f4",
            DType.Float16 => "<f2",
            DType.Int64 => "<i8",
            DType.Int32 => "<i4",
            DType.Int16 => "<i2",
            DType.Int8 => "|i1",
            DType.UInt8 => "|u1",
            DType.Bool => "|b1",
            _ => throw new ArgumentException(
                $"{what}: the tensor is {tensor.DType.Name()}, which NumPy does not have; convert it with To()."
            ),
        };
        long[] sizes = tensor.Layout.Sizes;
        string shape = sizes.Length == 1 ? $"({sizes[0]},)" : $"({string.Join(", ", sizes)})";
        string text = $"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}";
        // Magic, version, length, text, spaces, end of line: a multiple of 64.
        int padded = (10 + text.Length + 1 + 63) / 64 * 64;
        byte[] header = new byte[padded];
        header.AsSpan().Fill((byte)' ');
        header[0] = 0x93;
        "NUMPY"u8.CopyTo(header.AsSpan(1));
        (header[6], header[7]) = (1, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(8), (ushort)(padded - 10));
        Encoding.ASCII.GetBytes(text, header.AsSpan(10));
        header[^1] = (byte)'\n';
        return header;
    }
}
