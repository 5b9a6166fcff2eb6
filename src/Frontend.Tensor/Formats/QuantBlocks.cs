using System.Buffers.Binary;
using Picograd.Algorithms;
using Picograd.Dispatch;

namespace Picograd.Formats;

/// <summary>
/// Numbers kept in blocks of few bits with common scales, as ggml has them. Source: <c>ggml-common.h</c> and <c>ggml-quants.c</c> of
/// llama.cpp, whose order of operations is kept, so that results are the same to the bit.
/// </summary>
internal sealed class QuantBlocks
{
    private delegate void Reader(ReadOnlySpan<byte> block, Span<float> values);

    private delegate void Writer(ReadOnlySpan<float> values, Span<byte> block);

    private readonly Reader _read;
    private readonly Writer? _write;

    private QuantBlocks(int elements, int bytes, Reader read, Writer? write = null)
    {
        Elements = elements;
        Bytes = bytes;
        _read = read;
        _write = write;
    }

    /// <summary>Numbers of a block.</summary>
    public int Elements { get; }

    /// <summary>Bytes of a block.</summary>
    public int Bytes { get; }

    public bool CanWrite => _write is not null;

    public static readonly QuantBlocks Q4_0 = new(32, 18, ReadQ4_0, WriteQ4_0);
    public static readonly QuantBlocks Q4_1 = new(32, 20, ReadQ4_1, WriteQ4_1);
    public static readonly QuantBlocks Q5_0 = new(32, 22, ReadQ5_0, WriteQ5_0);
    public static readonly QuantBlocks Q5_1 = new(32, 24, ReadQ5_1, WriteQ5_1);
    public static readonly QuantBlocks Q8_0 = new(32, 34, ReadQ8_0, WriteQ8_0);
    public static readonly QuantBlocks Q2K = new(256, 84, ReadQ2K);
    public static readonly QuantBlocks Q3K = new(256, 110, ReadQ3K);
    public static readonly QuantBlocks Q4K = new(256, 144, ReadQ4K);
    public static readonly QuantBlocks Q5K = new(256, 176, ReadQ5K);
    public static readonly QuantBlocks Q6K = new(256, 210, ReadQ6K);

    /// <summary>The numbers of blocks that lie one behind the other, as float32.</summary>
    public unsafe Tensor Dequantised(Tensor blocks, ReadOnlySpan<long> shape)
    {
        var made = Tensor.Allocate(shape, DType.Float32, CpuRuntime.Instance);
        Calls.Executor.Listening?.HostReads(blocks);
        Calls.Executor.Listening?.HostWrites(made);
        byte* from = (byte*)blocks.Address;
        float* to = (float*)made.Address;
        long count = made.NumElements / Elements;
        for (long i = 0; i < count; i++)
            _read(new ReadOnlySpan<byte>(from + i * Bytes, Bytes), new Span<float>(to + i * Elements, Elements));
        GC.KeepAlive(blocks);
        return made;
    }

    /// <summary>Blocks of numbers, whose count is a multiple of a block's.</summary>
    public void Quantise(ReadOnlySpan<float> values, Span<byte> blocks)
    {
        for (int i = 0; i < values.Length / Elements; i++)
            _write!(values.Slice(i * Elements, Elements), blocks.Slice(i * Bytes, Bytes));
    }

    private static float Half(ReadOnlySpan<byte> at) => (float)BinaryPrimitives.ReadHalfLittleEndian(at);

    private static void ReadQ4_0(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block);
        var q = block[2..];
        for (int j = 0; j < 16; j++)
        {
            y[j] = ((q[j] & 15) - 8) * d;
            y[j + 16] = ((q[j] >> 4) - 8) * d;
        }
    }

    private static void ReadQ4_1(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block);
        float m = Half(block[2..]);
        var q = block[4..];
        for (int j = 0; j < 16; j++)
        {
            y[j] = (q[j] & 15) * d + m;
            y[j + 16] = (q[j] >> 4) * d + m;
        }
    }

    private static void ReadQ5_0(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block);
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(block[2..]);
        var q = block[6..];
        for (int j = 0; j < 16; j++)
        {
            y[j] = ((q[j] & 15 | (int)(high >> j << 4 & 16)) - 16) * d;
            y[j + 16] = ((q[j] >> 4 | (int)(high >> (j + 12) & 16)) - 16) * d;
        }
    }

    private static void ReadQ5_1(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block);
        float m = Half(block[2..]);
        uint high = BinaryPrimitives.ReadUInt32LittleEndian(block[4..]);
        var q = block[8..];
        for (int j = 0; j < 16; j++)
        {
            y[j] = (q[j] & 15 | (int)(high >> j << 4 & 16)) * d + m;
            y[j + 16] = (q[j] >> 4 | (int)(high >> (j + 12) & 16)) * d + m;
        }
    }

    private static void ReadQ8_0(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block);
        for (int j = 0; j < 32; j++)
            y[j] = (sbyte)block[2 + j] * d;
    }

    private static void ReadQ2K(ReadOnlySpan<byte> block, Span<float> y)
    {
        var scales = block[..16];
        var q = block.Slice(16, 64);
        float d = Half(block[80..]);
        float min = Half(block[82..]);
        int at = 0;
        for (int n = 0; n < 2; n++, q = q[32..])
        {
            for (int shift = 0; shift < 8; shift += 2)
            {
                for (int half = 0; half < 2; half++, at++)
                {
                    float dl = d * (scales[at] & 15);
                    float ml = min * (scales[at] >> 4);
                    for (int l = 0; l < 16; l++)
                        y[at * 16 + l] = dl * (q[half * 16 + l] >> shift & 3) - ml;
                }
            }
        }
    }

    private static void ReadQ3K(ReadOnlySpan<byte> block, Span<float> y)
    {
        var mask = block[..32];
        var packed = block.Slice(96, 12);
        float d = Half(block[108..]);
        for (int at = 0; at < 16; at++)
        {
            // Scales of 6 bits: four low ones in the first eight bytes, two high ones in the last four.
            int low = at < 8 ? packed[at] & 15 : packed[at - 8] >> 4;
            int high = packed[8 + at % 4] >> (at / 4 * 2) & 3;
            float dl = d * ((low | high << 4) - 32);
            int shift = at % 8 / 2 * 2;
            var q = block.Slice(32 + at / 8 * 32 + at % 2 * 16, 16);
            var m = mask.Slice(at % 2 * 16, 16);
            for (int l = 0; l < 16; l++)
                y[at * 16 + l] = dl * ((q[l] >> shift & 3) - ((m[l] >> (at / 2) & 1) != 0 ? 0 : 4));
        }
    }

    private static void ReadQ4K(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block);
        float min = Half(block[2..]);
        var scales = block.Slice(4, 12);
        for (int at = 0; at < 8; at++)
        {
            var (scale, offset) = ScaleAndMin(at, scales);
            float d1 = d * scale;
            float m1 = min * offset;
            var q = block.Slice(16 + at / 2 * 32, 32);
            int shift = at % 2 * 4;
            for (int l = 0; l < 32; l++)
                y[at * 32 + l] = d1 * (q[l] >> shift & 15) - m1;
        }
    }

    private static void ReadQ5K(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block);
        float min = Half(block[2..]);
        var scales = block.Slice(4, 12);
        var high = block.Slice(16, 32);
        for (int at = 0; at < 8; at++)
        {
            var (scale, offset) = ScaleAndMin(at, scales);
            float d1 = d * scale;
            float m1 = min * offset;
            var q = block.Slice(48 + at / 2 * 32, 32);
            int shift = at % 2 * 4;
            for (int l = 0; l < 32; l++)
                y[at * 32 + l] = d1 * ((q[l] >> shift & 15) + (high[l] >> at & 1) * 16) - m1;
        }
    }

    private static void ReadQ6K(ReadOnlySpan<byte> block, Span<float> y)
    {
        float d = Half(block[208..]);
        for (int at = 0; at < 16; at++)
        {
            float scale = d * (sbyte)block[192 + at];
            // Halves of 128 numbers; in each, four runs of 32 with two scales.
            int half = at / 8;
            int run = at % 8 / 2;
            var low = block.Slice(half * 64 + run % 2 * 32 + at % 2 * 16, 16);
            var high = block.Slice(128 + half * 32 + at % 2 * 16, 16);
            for (int l = 0; l < 16; l++)
            {
                int four = run < 2 ? low[l] & 15 : low[l] >> 4;
                y[at * 16 + l] = scale * ((four | (high[l] >> run * 2 & 3) << 4) - 32);
            }
        }
    }

    // Eight scales and eight minimums of 6 bits in 12 bytes.
    private static (int Scale, int Min) ScaleAndMin(int j, ReadOnlySpan<byte> q) =>
        j < 4 ? (q[j] & 63, q[j + 4] & 63) : (q[j + 4] & 15 | q[j - 4] >> 6 << 4, q[j + 4] >> 4 | q[j] >> 6 << 4);

    private static void WriteQ4_0(ReadOnlySpan<float> x, Span<byte> block)
    {
        float max = Largest(x);
        float d = max / -8;
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)d);
        float inverse = d != 0 ? 1 / d : 0;
        for (int j = 0; j < 16; j++)
            block[2 + j] = (byte)(Nibble(x[j] * inverse + 8.5f, 15) | Nibble(x[j + 16] * inverse + 8.5f, 15) << 4);
    }

    private static void WriteQ4_1(ReadOnlySpan<float> x, Span<byte> block)
    {
        var (min, d, inverse) = Range(x, 15);
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)d);
        BinaryPrimitives.WriteHalfLittleEndian(block[2..], (Half)min);
        for (int j = 0; j < 16; j++)
            block[4 + j] = (byte)(
                Nibble((x[j] - min) * inverse + 0.5f, 15) | Nibble((x[j + 16] - min) * inverse + 0.5f, 15) << 4
            );
    }

    private static void WriteQ5_0(ReadOnlySpan<float> x, Span<byte> block)
    {
        float d = Largest(x) / -16;
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)d);
        float inverse = d != 0 ? 1 / d : 0;
        uint high = 0;
        for (int j = 0; j < 16; j++)
        {
            int low = Nibble(x[j] * inverse + 16.5f, 31);
            int up = Nibble(x[j + 16] * inverse + 16.5f, 31);
            block[6 + j] = (byte)(low & 15 | (up & 15) << 4);
            high |= (uint)(low >> 4) << j | (uint)(up >> 4) << (j + 16);
        }
        BinaryPrimitives.WriteUInt32LittleEndian(block[2..], high);
    }

    private static void WriteQ5_1(ReadOnlySpan<float> x, Span<byte> block)
    {
        var (min, d, inverse) = Range(x, 31);
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)d);
        BinaryPrimitives.WriteHalfLittleEndian(block[2..], (Half)min);
        uint high = 0;
        for (int j = 0; j < 16; j++)
        {
            int low = Nibble((x[j] - min) * inverse + 0.5f, 31);
            int up = Nibble((x[j + 16] - min) * inverse + 0.5f, 31);
            block[8 + j] = (byte)(low & 15 | (up & 15) << 4);
            high |= (uint)(low >> 4) << j | (uint)(up >> 4) << (j + 16);
        }
        BinaryPrimitives.WriteUInt32LittleEndian(block[4..], high);
    }

    private static void WriteQ8_0(ReadOnlySpan<float> x, Span<byte> block)
    {
        float d = Math.Abs(Largest(x)) / 127;
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)d);
        float inverse = d != 0 ? 1 / d : 0;
        for (int j = 0; j < 32; j++)
            block[2 + j] = (byte)(sbyte)MathF.Round(x[j] * inverse, MidpointRounding.AwayFromZero);
    }

    // The first of those farthest from 0, with its sign.
    private static float Largest(ReadOnlySpan<float> x)
    {
        float found = 0;
        foreach (float value in x)
        {
            if (Math.Abs(value) > Math.Abs(found))
                found = value;
        }
        return found;
    }

    private static (float Min, float D, float Inverse) Range(ReadOnlySpan<float> x, int steps)
    {
        float min = x[0];
        float max = x[0];
        foreach (float value in x)
        {
            min = Math.Min(min, value);
            max = Math.Max(max, value);
        }
        float d = (max - min) / steps;
        return (min, d, d != 0 ? 1 / d : 0);
    }

    private static int Nibble(float value, int most) => Math.Clamp((int)value, 0, most);
}
