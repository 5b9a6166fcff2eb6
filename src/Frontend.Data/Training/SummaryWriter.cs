using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using Google.Protobuf;
using SkiaSharp;

namespace Picograd.Data;

/// <summary>
/// Event files for TensorBoard: records of protocol buffers, each with its length and checksums. As torch.utils.tensorboard.SummaryWriter.
/// </summary>
public sealed partial class SummaryWriter : IDisposable
{
    private static int s_made;

    private readonly FileStream _file;
    private readonly Lock _lock = new();

    /// <summary>A new file in a folder, which is made.</summary>
    public SummaryWriter(string logDir)
    {
        ArgumentException.ThrowIfNullOrEmpty(logDir);
        Directory.CreateDirectory(logDir);
        long seconds = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        FilePath = Path.Combine(
            logDir,
            string.Create(
                CultureInfo.InvariantCulture,
                $"events.out.tfevents.{seconds:0000000000}.{Environment.MachineName}.{Environment.ProcessId}.{Interlocked.Increment(ref s_made)}"
            )
        );
        _file = new FileStream(FilePath, FileMode.CreateNew, FileAccess.Write, FileShare.Read);
        WriteEvent(null, o => Field(o, 3, "brain.Event:2"));
    }

    /// <summary>The file.</summary>
    public string FilePath { get; }

    /// <summary>A number.</summary>
    public void AddScalar(string tag, double value, long step = 0) =>
        AddValue(tag, step, o => Field(o, 2, (float)value));

    /// <inheritdoc cref="AddScalar(string, double, long)"/>
    public void AddScalar(string tag, Tensor value, long step = 0) => AddScalar(tag, Given(value).Item(), step);

    /// <summary>Numbers under one tag each, <c>main/name</c>.</summary>
    public void AddScalars(string mainTag, IEnumerable<KeyValuePair<string, double>> values, long step = 0)
    {
        ArgumentNullException.ThrowIfNull(values);
        foreach (var (name, value) in values)
            AddScalar($"{mainTag}/{name}", value, step);
    }

    /// <summary>How the elements of a tensor are spread; what is not finite is left out.</summary>
    /// <exception cref="ArgumentException">No finite element.</exception>
    public void AddHistogram(string tag, Tensor values, long step = 0, int bins = 64)
    {
        double[] all = [.. Given(values).Detach().ToDoubles().Where(double.IsFinite)];
        if (all.Length == 0)
            throw new ArgumentException($"AddHistogram: '{tag}' has no finite element.");
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        var (low, high) = (all.Min(), all.Max());
        double size = high > low ? (high - low) / bins : 1;
        var counts = new double[bins];
        foreach (double value in all)
            counts[Math.Min(bins - 1, (int)((value - low) / size))]++;
        AddValue(
            tag,
            step,
            o =>
                Message(
                    o,
                    5,
                    h =>
                    {
                        Field(h, 1, low);
                        Field(h, 2, high);
                        Field(h, 3, (double)all.Length);
                        Field(h, 4, all.Sum());
                        Field(h, 5, all.Sum(v => v * v));
                        Packed(h, 6, [.. counts.Select((_, i) => low + (i + 1) * size)]);
                        Packed(h, 7, counts);
                    }
                )
        );
    }

    /// <summary>A picture [channels, height, width]: uint8, or floats from 0 to 1.</summary>
    /// <exception cref="ArgumentException">Another shape or dtype.</exception>
    public void AddImage(string tag, Tensor image, long step = 0)
    {
        byte[] png = ImageFile.Encoded(Given(image), SKEncodedImageFormat.Png, 100);
        AddValue(
            tag,
            step,
            o =>
                Message(
                    o,
                    4,
                    i =>
                    {
                        Field(i, 1, image.Shape[1]);
                        Field(i, 2, image.Shape[2]);
                        Field(i, 3, image.Shape[0]);
                        i.WriteTag(4, WireFormat.WireType.LengthDelimited);
                        i.WriteBytes(ByteString.CopyFrom(png));
                    }
                )
        );
    }

    /// <summary>A text, which TensorBoard reads as Markdown.</summary>
    public void AddText(string tag, string text, long step = 0)
    {
        ArgumentNullException.ThrowIfNull(text);
        AddValue(
            $"{tag}/text_summary",
            step,
            o =>
            {
                // A tensor of one string (DT_STRING is 7), and the plugin that shows it.
                Message(
                    o,
                    8,
                    t =>
                    {
                        Field(t, 1, 7L);
                        Message(t, 2, s => Message(s, 2, d => Field(d, 1, 1L)));
                        t.WriteTag(8, WireFormat.WireType.LengthDelimited);
                        t.WriteBytes(ByteString.CopyFromUtf8(text));
                    }
                );
                Message(o, 9, m => Message(m, 1, p => Field(p, 1, "text")));
            }
        );
    }

    /// <summary>Writes what is still in memory.</summary>
    public void Flush()
    {
        lock (_lock)
            _file.Flush();
    }

    /// <summary>Ends the file.</summary>
    public void Dispose()
    {
        lock (_lock)
            _file.Dispose();
    }

    private static Tensor Given(Tensor tensor)
    {
        ArgumentNullException.ThrowIfNull(tensor);
        return tensor;
    }

    private void AddValue(string tag, long step, Action<CodedOutputStream> value)
    {
        ArgumentException.ThrowIfNullOrEmpty(tag);
        WriteEvent(
            step,
            o =>
                Message(
                    o,
                    5,
                    summary =>
                        Message(
                            summary,
                            1,
                            v =>
                            {
                                Field(v, 1, tag);
                                value(v);
                            }
                        )
                )
        );
    }

    private void WriteEvent(long? step, Action<CodedOutputStream> what)
    {
        byte[] data = Bytes(o =>
        {
            Field(o, 1, DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0);
            if (step is { } number)
                Field(o, 2, number);
            what(o);
        });
        byte[] record = new byte[data.Length + 16];
        BinaryPrimitives.WriteInt64LittleEndian(record, data.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(8), Masked(record.AsSpan(0, 8)));
        data.CopyTo(record, 12);
        BinaryPrimitives.WriteUInt32LittleEndian(record.AsSpan(12 + data.Length), Masked(data));
        lock (_lock)
            _file.Write(record);
    }

    // CRC-32C, turned and moved, since checksums of what has checksums in it are weak.
    private static uint Masked(ReadOnlySpan<byte> bytes)
    {
        uint crc = uint.MaxValue;
        foreach (byte b in bytes)
            crc = BitOperations.Crc32C(crc, b);
        crc = ~crc;
        return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
    }

    private static byte[] Bytes(Action<CodedOutputStream> write)
    {
        using var memory = new MemoryStream();
        using (var output = new CodedOutputStream(memory, leaveOpen: true))
            write(output);
        return memory.ToArray();
    }

    private static void Message(CodedOutputStream to, int field, Action<CodedOutputStream> write)
    {
        to.WriteTag(field, WireFormat.WireType.LengthDelimited);
        to.WriteBytes(ByteString.CopyFrom(Bytes(write)));
    }

    private static void Packed(CodedOutputStream to, int field, double[] values) =>
        Message(
            to,
            field,
            o =>
            {
                foreach (double value in values)
                    o.WriteDouble(value);
            }
        );

    private static void Field(CodedOutputStream to, int field, string text)
    {
        to.WriteTag(field, WireFormat.WireType.LengthDelimited);
        to.WriteString(text);
    }

    private static void Field(CodedOutputStream to, int field, double value)
    {
        to.WriteTag(field, WireFormat.WireType.Fixed64);
        to.WriteDouble(value);
    }

    private static void Field(CodedOutputStream to, int field, float value)
    {
        to.WriteTag(field, WireFormat.WireType.Fixed32);
        to.WriteFloat(value);
    }

    private static void Field(CodedOutputStream to, int field, long value)
    {
        to.WriteTag(field, WireFormat.WireType.Varint);
        to.WriteInt64(value);
    }
}
