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

    // Nothing that this project writes has documents in documents.
    private const int Deepest = 2;

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

    /// <exception cref="FormatException">It is no document of the kinds of values that this project writes.</exception>
    public static Fields Parse(ReadOnlySpan<byte> bson, string? only = null) => Parse(bson, only, 0);

    private static Fields Parse(ReadOnlySpan<byte> bson, string? only, int depth)
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
                if (only is null || name == only || name == Id)
                {
                    fields._values[name] = Value(kind, ref rest, depth);
                }
                else
                {
                    Skip(kind, ref rest);
                }
            }

            return fields;
        }
        catch (ArgumentOutOfRangeException)
        {
            throw new FormatException("a document is cut off");
        }
    }

    private static object? Value(byte kind, ref ReadOnlySpan<byte> rest, int depth)
    {
        object? value;
        int length;
        switch (kind)
        {
            case 0x01:
                value = BinaryPrimitives.ReadDoubleLittleEndian(rest);
                rest = rest[8..];
                return value;
            case 0x02:
                length = BinaryPrimitives.ReadInt32LittleEndian(rest);
                value = Encoding.UTF8.GetString(rest[4..(4 + length - 1)]);
                rest = rest[(4 + length)..];
                return value;
            case 0x03 when depth < Deepest:
                length = BinaryPrimitives.ReadInt32LittleEndian(rest);
                value = Parse(rest[..length], null, depth + 1);
                rest = rest[length..];
                return value;
            case 0x05:
                length = BinaryPrimitives.ReadInt32LittleEndian(rest);
                value = rest[5..(5 + length)].ToArray();
                rest = rest[(5 + length)..];
                return value;
            case 0x08:
                value = rest[0] != 0;
                rest = rest[1..];
                return value;
            case 0x0A:
                return null;
            case 0x10:
                value = (long)BinaryPrimitives.ReadInt32LittleEndian(rest);
                rest = rest[4..];
                return value;
            case 0x12:
                value = BinaryPrimitives.ReadInt64LittleEndian(rest);
                rest = rest[8..];
                return value;
            default:
                throw Unknown(kind);
        }
    }

    private static void Skip(byte kind, ref ReadOnlySpan<byte> rest)
    {
        var length = kind switch
        {
            0x01 or 0x12 => 8,
            0x02 => 4 + BinaryPrimitives.ReadInt32LittleEndian(rest),
            0x03 => BinaryPrimitives.ReadInt32LittleEndian(rest),
            0x05 => 5 + BinaryPrimitives.ReadInt32LittleEndian(rest),
            0x08 => 1,
            0x0A => 0,
            0x10 => 4,
            _ => throw Unknown(kind),
        };
        rest = rest[length..];
    }

    private static FormatException Unknown(byte kind) =>
        new($"a value is of kind {kind}, which Picograd does not write");

    private T Get<T>(string name) =>
        _values.TryGetValue(name, out var value) && value is T found ? found : throw Bad(name);

    private static FormatException Bad(string name) => new($"'{name}' is missing or of another kind");
}
