using System.Runtime.Intrinsics;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>
/// Conversions between 16-bit floats and float32, of scalars and of each vector width: all 65,536 values, what lies between each
/// two neighbours and next to it, and NaN. <c>PICOGRAD_ALL_FLOATS=1</c> tries all 2³² floats.
/// </summary>
public unsafe class HalfConversionTests
{
    public static TheoryData<bool, int> Types()
    {
        var data = new TheoryData<bool, int>();
        foreach (bool brain in new[] { false, true })
        foreach (int bits in Widths.All.Prepend(0))
            data.Add(brain, bits);
        return data;
    }

    [SkippableTheory]
    [MemberData(nameof(Types))]
    public void All_values_become_floats_exactly(bool brain, int bits)
    {
        ushort[] all = [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];
        float[] widened = Widen(brain, bits, all);
        for (int i = 0; i < all.Length; i++)
        {
            double value = Value(brain, all[i]);
            Assert.True(
                double.IsNaN(value) ? float.IsNaN(widened[i]) : SameBits((float)value, widened[i]),
                $"{i:X4}: {widened[i]}"
            );
            Assert.True(float.IsNegative(widened[i]) == (i >= 0x8000), $"sign of {i:X4}");
        }
        ushort[] back = Narrow(brain, bits, widened);
        for (int i = 0; i < all.Length; i++)
            Assert.True(Same(brain, all[i], back[i]), $"{i:X4} became {back[i]:X4}");
    }

    [SkippableTheory]
    [MemberData(nameof(Types))]
    public void Floats_become_the_nearest_value_and_ties_the_even_one(bool brain, int bits)
    {
        var floats = new List<float>();
        for (int i = 0; i < 1 << 16; i++)
        {
            double value = Value(brain, (ushort)i);
            if (double.IsNaN(value))
                continue;
            // Half way to the next one, away from 0; beyond the largest as if the exponents went on.
            double next = double.IsInfinity(value) ? value : Value(brain, (ushort)(i + 1));
            if (double.IsInfinity(next) && !double.IsInfinity(value))
                next = 2 * value - Value(brain, (ushort)(i - 1));
            float middle = (float)((value + next) / 2);
            floats.AddRange([middle, MathF.BitIncrement(middle), MathF.BitDecrement(middle)]);
        }
        var random = new Random(5);
        for (int i = 0; i < 200_000; i++)
            floats.Add(BitConverter.Int32BitsToSingle((int)random.NextInt64(uint.MaxValue + 1L)));
        floats.AddRange([
            float.NaN,
            -float.NaN,
            float.Epsilon,
            -float.Epsilon,
            float.MaxValue,
            float.MinValue,
            65520,
            65519.996f,
        ]);
        floats.AddRange(Enumerable.Range(1, 100).Select(i => BitConverter.Int32BitsToSingle(0x7F800000 + i)));
        float[] given = [.. floats];
        ushort[] narrowed = Narrow(brain, bits, given);
        for (int i = 0; i < given.Length; i++)
            Assert.True(Same(brain, Nearest(brain, given[i]), narrowed[i]), $"{given[i]:R} became {narrowed[i]:X4}");
    }

    [SkippableTheory]
    [MemberData(nameof(Types))]
    public void All_floats(bool brain, int bits)
    {
        Skip.If(
            Environment.GetEnvironmentVariable("PICOGRAD_ALL_FLOATS") != "1",
            "set PICOGRAD_ALL_FLOATS=1 to try all 2^32 floats; takes minutes"
        );
        float[] some = new float[1 << 20];
        for (long start = 0; start < 1L << 32; start += some.Length)
        {
            for (int i = 0; i < some.Length; i++)
                some[i] = BitConverter.UInt32BitsToSingle((uint)(start + i));
            ushort[] narrowed = Narrow(brain, bits, some);
            for (int i = 0; i < some.Length; i++)
            {
                if (!Same(brain, Nearest(brain, some[i]), narrowed[i]))
                    Assert.Fail($"{some[i]:R} became {narrowed[i]:X4}");
            }
        }
    }

    [SkippableTheory]
    [InlineData("f16", 128)]
    [InlineData("f16", 256)]
    [InlineData("f16", 512)]
    [InlineData("bf16", 128)]
    [InlineData("bf16", 256)]
    [InlineData("bf16", 512)]
    public void Masked_memory_touches_no_other_lane(string type, int bits)
    {
        Skip.If(bits > CpuTarget.NativeVectorBits, $"{bits}-bit vectors are not accelerated on this machine");
        bool brain = type == "bf16";
        int lanes = bits / 32;
        for (int pattern = 0; pattern < 1 << Math.Min(lanes, 8); pattern++)
        {
            // The lanes of an odd pattern, not only the first ones; of 16 lanes each twice.
            bool[] on = [.. Enumerable.Range(0, lanes).Select(i => (pattern >> (i % 8) & 1) != 0)];
            ushort[] memory = [.. Enumerable.Range(0, lanes).Select(i => (ushort)(0x3C00 + 17 * i))];
            float[] loaded = MaskLoad(brain, bits, memory, on);
            ushort[] target = [.. Enumerable.Repeat((ushort)0xABCD, lanes)];
            MaskStore(brain, bits, target, on, loaded);
            for (int i = 0; i < lanes; i++)
            {
                Assert.Equal(on[i] ? (float)Value(brain, memory[i]) : 0, loaded[i]);
                Assert.Equal(on[i] ? memory[i] : (ushort)0xABCD, target[i]);
            }
        }
    }

    private static bool SameBits(float a, float b) =>
        BitConverter.SingleToInt32Bits(a) == BitConverter.SingleToInt32Bits(b);

    // Any NaN with the sign is one.
    private static bool Same(bool brain, ushort expected, ushort actual) =>
        double.IsNaN(Value(brain, expected))
            ? double.IsNaN(Value(brain, actual)) && (expected & 0x8000) == (actual & 0x8000)
            : expected == actual;

    private static double Value(bool brain, ushort bits) =>
        brain ? BitConverter.Int32BitsToSingle(bits << 16) : (double)BitConverter.UInt16BitsToHalf(bits);

    // By exact distances to the values around, from the definition of rounding.
    private static ushort Nearest(bool brain, float value)
    {
        if (!brain)
            return BitConverter.HalfToUInt16Bits((Half)value);
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)(bits >> 16 | 0x40);
        ushort below = (ushort)(bits >> 16);
        double rest = bits & 0xFFFF;
        return rest > 0x8000 || (rest == 0x8000 && (below & 1) != 0) ? (ushort)(below + 1) : below;
    }

    private static float[] Widen(bool brain, int bits, ushort[] halves) =>
        brain ? Widen<BrainHalf>(bits, halves) : Widen<IeeeHalf>(bits, halves);

    private static ushort[] Narrow(bool brain, int bits, float[] floats) =>
        brain ? Narrow<BrainHalf>(bits, floats) : Narrow<IeeeHalf>(bits, floats);

    private static float[] Widen<THalf>(int bits, ushort[] halves)
        where THalf : struct, IHalf
    {
        Skip.If(bits > CpuTarget.NativeVectorBits, $"{bits}-bit vectors are not accelerated on this machine");
        float[] floats = new float[halves.Length];
        fixed (ushort* from = halves)
        fixed (float* to = floats)
        {
            for (int i = 0; i < halves.Length; i += Math.Max(1, bits / 32))
            {
                switch (bits)
                {
                    case 0:
                        to[i] = THalf.FromBits(from[i]);
                        break;
                    case 128:
                        HalfVectors<THalf>.Load128((nint)(from + i)).Store(to + i);
                        break;
                    case 256:
                        HalfVectors<THalf>.Load256((nint)(from + i)).Store(to + i);
                        break;
                    default:
                        HalfVectors<THalf>.Load512((nint)(from + i)).Store(to + i);
                        break;
                }
            }
        }
        return floats;
    }

    private static ushort[] Narrow<THalf>(int bits, float[] floats)
        where THalf : struct, IHalf
    {
        Skip.If(bits > CpuTarget.NativeVectorBits, $"{bits}-bit vectors are not accelerated on this machine");
        int lanes = Math.Max(1, bits / 32);
        Array.Resize(ref floats, (floats.Length + lanes - 1) / lanes * lanes);
        ushort[] halves = new ushort[floats.Length];
        fixed (float* from = floats)
        fixed (ushort* to = halves)
        {
            for (int i = 0; i < floats.Length; i += lanes)
            {
                switch (bits)
                {
                    case 0:
                        to[i] = THalf.ToBits(from[i]);
                        break;
                    case 128:
                        HalfVectors<THalf>.Store128((nint)(to + i), Vector128.Load(from + i));
                        break;
                    case 256:
                        HalfVectors<THalf>.Store256((nint)(to + i), Vector256.Load(from + i));
                        break;
                    default:
                        HalfVectors<THalf>.Store512((nint)(to + i), Vector512.Load(from + i));
                        break;
                }
            }
        }
        return halves;
    }

    private static float[] MaskLoad(bool brain, int bits, ushort[] memory, bool[] on) =>
        brain ? MaskLoad<BrainHalf>(bits, memory, on) : MaskLoad<IeeeHalf>(bits, memory, on);

    private static float[] MaskLoad<THalf>(int bits, ushort[] memory, bool[] on)
        where THalf : struct, IHalf
    {
        int[] mask = [.. on.Select(o => o ? -1 : 0)];
        float[] loaded = new float[on.Length];
        fixed (ushort* from = memory)
        {
            if (bits == 128)
                HalfVectors<THalf>.MaskLoad128((nint)from, Vector128.Create(mask)).CopyTo(loaded);
            else if (bits == 256)
                HalfVectors<THalf>.MaskLoad256((nint)from, Vector256.Create(mask)).CopyTo(loaded);
            else
                HalfVectors<THalf>.MaskLoad512((nint)from, Vector512.Create(mask)).CopyTo(loaded);
        }
        return loaded;
    }

    private static void MaskStore(bool brain, int bits, ushort[] memory, bool[] on, float[] values)
    {
        if (brain)
            MaskStore<BrainHalf>(bits, memory, on, values);
        else
            MaskStore<IeeeHalf>(bits, memory, on, values);
    }

    private static void MaskStore<THalf>(int bits, ushort[] memory, bool[] on, float[] values)
        where THalf : struct, IHalf
    {
        int[] mask = [.. on.Select(o => o ? -1 : 0)];
        fixed (ushort* to = memory)
        {
            if (bits == 128)
                HalfVectors<THalf>.MaskStore128((nint)to, Vector128.Create(mask), Vector128.Create(values));
            else if (bits == 256)
                HalfVectors<THalf>.MaskStore256((nint)to, Vector256.Create(mask), Vector256.Create(values));
            else
                HalfVectors<THalf>.MaskStore512((nint)to, Vector512.Create(mask), Vector512.Create(values));
        }
    }
}
