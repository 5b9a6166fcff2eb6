using System.Collections;
using System.Globalization;
using System.Text;
using Picograd.Algorithms;

namespace Picograd.Formats;

/// <summary>Writes a GGUF file of version 3.</summary>
internal sealed class GgufWriter
{
    private const int Alignment = 32;
    private const string AlignmentKey = "general.alignment";

    private readonly List<(string Name, Tensor Tensor, GgufType Type, long Bytes)> _tensors = [];
    private readonly List<KeyValuePair<string, object>> _metadata;

    public GgufWriter(
        KeyValuePair<string, Tensor>[] tensors,
        IEnumerable<KeyValuePair<string, object>>? metadata,
        Func<string, Tensor, string?>? quantise
    )
    {
        _metadata = [.. (metadata ?? []).Where(e => e.Key != AlignmentKey)];
        if (_metadata.GroupBy(e => e.Key).FirstOrDefault(g => g.Skip(1).Any()) is { } twice)
            throw new ArgumentException($"Gguf.Save: the metadata '{twice.Key}' are given twice.");
        var names = new HashSet<string>();
        foreach (var (name, tensor) in tensors)
        {
            if (!names.Add(name))
                throw new ArgumentException($"Gguf.Save: the name '{name}' is given twice.");
            if (tensor.Rank > 4)
                throw new ArgumentException(
                    $"Gguf.Save: '{name}' has the shape {tensor.Layout}, but the format has at most 4 dimensions."
                );
            var type = TypeOf(name, tensor, quantise);
            long bytes = type.Blocks is { } blocks
                ? tensor.NumElements / blocks.Elements * blocks.Bytes
                : tensor.NumElements * tensor.ElementSize;
            _tensors.Add((name, tensor, type, bytes));
        }
    }

    public void Write(Stream to)
    {
        using var head = new MemoryStream();
        using (var writer = new BinaryWriter(head, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write("GGUF"u8);
            writer.Write(3u);
            writer.Write((ulong)_tensors.Count);
            writer.Write((ulong)_metadata.Count + 1);
            Write(writer, AlignmentKey);
            writer.Write(4u);
            writer.Write((uint)Alignment);
            foreach (var (key, value) in _metadata)
            {
                Write(writer, key);
                writer.Write(Kind(key, value));
                WriteValue(writer, key, value);
            }
            long at = 0;
            foreach (var (name, tensor, type, bytes) in _tensors)
            {
                Write(writer, name);
                writer.Write((uint)tensor.Rank);
                foreach (long size in tensor.Layout.Sizes.Reverse())
                    writer.Write((ulong)size);
                writer.Write(type.Number);
                writer.Write((ulong)at);
                at += Padded(bytes);
            }
        }
        head.SetLength(Padded(head.Length));
        head.WriteTo(to);
        foreach (var (_, tensor, type, bytes) in _tensors)
        {
            if (type.Blocks is { } blocks)
                WriteBlocks(to, tensor, blocks);
            else
                TensorBytes.Write(to, tensor);
            to.Write(new byte[Padded(bytes) - bytes]);
        }
    }

    private static GgufType TypeOf(string name, Tensor tensor, Func<string, Tensor, string?>? quantise)
    {
        if (quantise?.Invoke(name, tensor) is { } asked)
        {
            var blocks =
                Array.Find(GgufType.All, t => t.Name == asked && t.Blocks is { CanWrite: true })
                ?? throw new ArgumentException(
                    $"Gguf.Save: '{name}' is to be '{asked}'; written are {string.Join(", ", GgufType.All.Where(t => t.Blocks is { CanWrite: true }).Select(t => t.Name))}."
                );
            if (!tensor.DType.IsFloat() || tensor.Rank == 0 || tensor.Size(-1) % blocks.Blocks!.Elements != 0)
                throw new ArgumentException(
                    $"Gguf.Save: '{name}' is {tensor.DType.Name()} of shape {tensor.Layout}, but {asked} keeps floats in rows of a multiple of {blocks.Blocks!.Elements}."
                );
            return blocks;
        }
        return Array.Find(GgufType.All, t => t.Type == tensor.DType && t.Blocks is null)
            ?? throw new ArgumentException(
                $"Gguf.Save: '{name}' is {tensor.DType.Name()}, which the format does not have; convert it with To()."
            );
    }

    private static void WriteBlocks(Stream to, Tensor tensor, QuantBlocks blocks)
    {
        using var off = Tensor.NoGrad();
        var rows = tensor.Detach().ToDevice(Device.Cpu).To(DType.Float32).Reshape(-1);
        // A few megabytes at a time.
        long piece = (1L << 20) / blocks.Elements * blocks.Elements;
        for (long at = 0; at < rows.NumElements; at += piece)
        {
            float[] values = rows.Narrow(0, at, Math.Min(piece, rows.NumElements - at)).ToArray<float>();
            byte[] packed = new byte[values.Length / blocks.Elements * blocks.Bytes];
            blocks.Quantise(values, packed);
            to.Write(packed);
        }
    }

    private static uint Kind(string key, object value) =>
        value switch
        {
            byte => 0,
            sbyte => 1,
            ushort => 2,
            short => 3,
            uint => 4,
            int => 5,
            float => 6,
            bool => 7,
            string => 8,
            IList => 9,
            ulong => 10,
            long => 11,
            double => 12,
            _ => throw new ArgumentException(
                $"Gguf.Save: the metadata '{key}' are {value?.GetType().Name ?? "null"}; strings, bools, numbers and lists of them are possible."
            ),
        };

    private static void WriteValue(BinaryWriter writer, string key, object value)
    {
        switch (value)
        {
            case string text:
                Write(writer, text);
                break;
            case bool on:
                writer.Write((byte)(on ? 1 : 0));
                break;
            case IList list:
                uint kind = list.Count == 0 ? 8 : Kind(key, list[0]!);
                writer.Write(kind);
                writer.Write((ulong)list.Count);
                foreach (object element in list)
                {
                    if (Kind(key, element) != kind)
                        throw new ArgumentException(
                            $"Gguf.Save: the metadata '{key}' are a list of several kinds of values."
                        );
                    WriteValue(writer, key, element);
                }
                break;
            case float single:
                writer.Write(single);
                break;
            case double number:
                writer.Write(number);
                break;
            default:
                long bits = value is ulong unsigned
                    ? (long)unsigned
                    : Convert.ToInt64(value, CultureInfo.InvariantCulture);
                int width =
                    value is byte or sbyte ? 1
                    : value is short or ushort ? 2
                    : value is int or uint ? 4
                    : 8;
                writer.Write(BitConverter.GetBytes(bits).AsSpan(0, width));
                break;
        }
    }

    private static void Write(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static long Padded(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;
}
