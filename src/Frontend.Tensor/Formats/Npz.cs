using System.IO.Compression;
using Picograd.Formats;

namespace Picograd;

/// <summary>NumPy's archives of arrays by name (<c>numpy.savez</c>, <c>numpy.savez_compressed</c>): a zip of npy files.</summary>
public static class Npz
{
    private const string Format = "npz";
    private const string Suffix = ".npy";

    /// <summary>Opens an archive; arrays are read when they are asked for. Dtypes are those of <see cref="Npy.Load"/>.</summary>
    /// <exception cref="InvalidDataException">No npz file, or a damaged one; says what is wrong and where.</exception>
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

    /// <summary>Reads all arrays of an archive.</summary>
    /// <inheritdoc cref="Open(string)" path="/exception"/>
    public static OrderedDictionary<string, Tensor> Load(string path, Device? device = null)
    {
        using var file = Open(path);
        return file.ReadAll(device);
    }

    /// <summary>Writes tensors by name, through a file beside it that takes its place when it is complete.</summary>
    /// <param name="tensors">Of the dtypes that NumPy has.</param>
    /// <param name="path">The file.</param>
    /// <param name="compress">Whether to pack them, as <c>savez_compressed</c> does; then they can't be mapped.</param>
    public static void Save(IEnumerable<KeyValuePair<string, Tensor>> tensors, string path, bool compress = false)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        var all = tensors.Select(t => (t.Key, Header: Npy.Header(t.Value, $"Npz.Save: '{t.Key}'"), t.Value)).ToList();
        var names = new HashSet<string>();
        foreach (var (name, _, _) in all)
        {
            if (string.IsNullOrEmpty(name) || !names.Add(name))
                throw new ArgumentException($"Npz.Save: the name '{name}' is given twice or empty.", nameof(tensors));
        }
        FileBeside.Write(
            path,
            file =>
            {
                using var archive = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true);
                foreach (var (name, header, tensor) in all)
                {
                    var level = compress ? CompressionLevel.Optimal : CompressionLevel.NoCompression;
                    using var entry = archive.CreateEntry(name + Suffix, level).Open();
                    entry.Write(header);
                    TensorBytes.Write(entry, tensor);
                }
            }
        );
    }

    internal static TensorFile Open(FileBytes bytes)
    {
        var zip = Zip.Of(bytes, Format);
        var arrays = new List<StoredTensor>();
        foreach (var entry in zip.Entries)
        {
            if (!entry.Name.EndsWith(Suffix, StringComparison.Ordinal))
                throw bytes.Wrong(Format, entry.At, $"'{entry.Name}' is no {Suffix} file");
            string name = entry.Name[..^Suffix.Length];
            var array = NpyArray.Parse(
                zip.Begin(entry, 12 + Npy.LongestHeader),
                0,
                entry.Length,
                (at, what) => bytes.Wrong(Format, entry.At, $"in '{entry.Name}' at its byte {at}, {what}"),
                name
            );
            arrays.Add(array.Stored(name, () => Read(zip, entry, array)));
        }
        return new TensorFile(bytes, bytes.Path, Format, arrays);
    }

    private static Tensor Read(Zip zip, Zip.Entry entry, NpyArray array)
    {
        if (!entry.IsDeflated)
            return (array with { At = entry.At + array.At }).Tensor(zip.Bytes);
        using var unpacked = FileBytes.Of(zip.ReadAll(entry), $"{zip.Bytes.Path} ({entry.Name})");
        return array.Tensor(unpacked);
    }
}
