using System.Buffers.Binary;
using System.Text;

namespace Picograd.TuneDb.LiteDb;

/// <summary>
/// A document: named values, of which a reader takes those that it knows. Reads BSON (https://bsonspec.org/spec.html) by itself, so
/// that looking something up loads neither LiteDB nor what it needs: 100 ms in a new process.
/// </summary>
internal sealed class Fields
{
    public const string Id = "_id";

    private readonly Dictionary<string, object?> _values = [];

    /// <summary>Names and values: text, numbers (long, double), truth values, bytes, null.</summary>
    public IEnumerable<KeyValuePair<string, object?>> All => _values;

    /// <summary>Sets a value; for collection initialisers as well.</summary>
    public object? this[string name]
    {
        set => _values[name] = value;
    }

    public string Text(string name) => Get<string>(name);

    public string? TextOrNull(string name) => _values.TryGetValue(name, out var value) ? value as string : null;

    public bool Flag(string name) => Get<bool>(name);

    public byte[] Bytes(string name) => Get<byte[]>(name);

    public long Number(string name) => Get<long>(name);

    public double? RealOrNull(string name) =>
        _values.TryGetValue(name, out var value) && value is not null ? value as double? ?? throw Bad(name) : null;

    public bool Has(string name) => _values.ContainsKey(name);

    /// <summary>Reads a document.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    /// <param name="bson">The document.</param>
    /// <param name="only">The one value that is wanted beside the name; all when null.</param>
    public static Fields Parse(ReadOnlySpan<byte> bson, string? only = null)
    {
        try
        {
            var fields = new Fields();
            var length = BinaryPrimitives.ReadInt32LittleEndian(bson);
            var rest = bson[4..(length - 1)];
            while (rest.Length > 0)
            {
                var kind = rest[0];
                var end = rest.IndexOf((byte)0);
                var name = Encoding.UTF8.GetString(rest[1..end]);
                rest = rest[(end + 1)..];
                var size = Size(kind, rest);
                if (only is null || name == only || name == Id)
                {
                    fields._values[name] = Value(kind, rest[..size]);
                }

                rest = rest[size..];
            }

            return fields;
        }
        catch (ArgumentOutOfRangeException)
        {
            throw new FormatException("a document is cut off");
        }
    }

    /// <summary>How many bytes a value has.</summary>
    private static int Size(byte kind, ReadOnlySpan<byte> rest) =>
        kind switch
        {
            0x01 or 0x09 or 0x12 => 8,
            0x02 => 4 + BinaryPrimitives.ReadInt32LittleEndian(rest),
            0x03 or 0x04 => BinaryPrimitives.ReadInt32LittleEndian(rest),
            0x05 => 5 + BinaryPrimitives.ReadInt32LittleEndian(rest),
            0x07 => 12,
            0x08 => 1,
            0x0A or 0x7F or 0xFF => 0,
            0x10 => 4,
            0x13 => 16,
            _ => throw new FormatException($"a value is of the unknown kind {kind}"),
        };

    /// <summary>A value; of the kinds that this project does not write null.</summary>
    private static object? Value(byte kind, ReadOnlySpan<byte> bytes) =>
        kind switch
        {
            0x01 => BinaryPrimitives.ReadDoubleLittleEndian(bytes),
            0x02 => Encoding.UTF8.GetString(bytes[4..^1]),
            0x05 => bytes[5..].ToArray(),
            0x08 => bytes[0] != 0,
            0x10 => (long)BinaryPrimitives.ReadInt32LittleEndian(bytes),
            0x12 => BinaryPrimitives.ReadInt64LittleEndian(bytes),
            _ => null,
        };

    private T Get<T>(string name) =>
        _values.TryGetValue(name, out var value) && value is T found ? found : throw Bad(name);

    private static FormatException Bad(string name) => new($"'{name}' is missing or of another kind");
}
