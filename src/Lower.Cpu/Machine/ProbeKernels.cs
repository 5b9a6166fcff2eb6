using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Picograd.Lower.Cpu.Machine;

/// <summary>
/// The loops that <see cref="MachineProbe"/> times. Each is the body of a parallel loop with one iteration a thread. They are
/// compiled with full optimisation at once, because a loop first compiled quickly would be measured before it is replaced.
/// </summary>
internal static unsafe class ProbeKernels
{
    /// <summary>Where results go, so that the compiler cannot leave their computation out.</summary>
    private static float s_sink;

    /// <summary>
    /// Independent accumulators: enough to cover 4 to 5 cycles of latency on two units, and few enough for the registers (32
    /// with 512-bit vectors, else 16).
    /// </summary>
    public static int FmaPerIteration(int vectorBits) => vectorBits == 512 ? 24 : 12;

    /// <summary>context: vector bits, iterations.</summary>
    public static void FusedMultiplyAdd(long* context, long begin, long end, long worker)
    {
        for (long thread = begin; thread < end; thread++)
        {
            switch (context[0])
            {
                case 512:
                    Wide512(context[1]);
                    break;
                case 256:
                    Narrow256(context[1]);
                    break;
                default:
                    Narrow128(context[1]);
                    break;
            }
        }
    }

    /// <summary>context: base, bytes between threads, bytes to read, passes, vector bits.</summary>
    public static void Read(long* context, long begin, long end, long worker)
    {
        for (long thread = begin; thread < end; thread++)
        {
            byte* data = (byte*)context[0] + thread * context[1];
            switch (context[4])
            {
                case 512:
                    Read512(data, context[2], context[3]);
                    break;
                case 256:
                    Read256(data, context[2], context[3]);
                    break;
                default:
                    Read128(data, context[2], context[3]);
                    break;
            }
        }
    }

    /// <summary>context: source, bytes between threads, bytes to copy, destination, vector bits.</summary>
    public static void Copy(long* context, long begin, long end, long worker)
    {
        for (long thread = begin; thread < end; thread++)
        {
            byte* source = (byte*)context[0] + thread * context[1];
            byte* destination = (byte*)context[3] + thread * context[1];
            switch (context[4])
            {
                case 512:
                    Copy512(source, destination, context[2]);
                    break;
                case 256:
                    Copy256(source, destination, context[2]);
                    break;
                default:
                    Copy128(source, destination, context[2]);
                    break;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Wide512(long iterations)
    {
        var a = Vector512.Create(1.0f);
        var b = Vector512.Create(1e-3f);
        Vector512<float> c0 = a;
        Vector512<float> c1 = a;
        Vector512<float> c2 = a;
        Vector512<float> c3 = a;
        Vector512<float> c4 = a;
        Vector512<float> c5 = a;
        Vector512<float> c6 = a;
        Vector512<float> c7 = a;
        Vector512<float> c8 = a;
        Vector512<float> c9 = a;
        Vector512<float> c10 = a;
        Vector512<float> c11 = a;
        Vector512<float> c12 = a;
        Vector512<float> c13 = a;
        Vector512<float> c14 = a;
        Vector512<float> c15 = a;
        Vector512<float> c16 = a;
        Vector512<float> c17 = a;
        Vector512<float> c18 = a;
        Vector512<float> c19 = a;
        Vector512<float> c20 = a;
        Vector512<float> c21 = a;
        Vector512<float> c22 = a;
        Vector512<float> c23 = a;
        for (long i = 0; i < iterations; i++)
        {
            c0 = Vector512.MultiplyAddEstimate(a, b, c0);
            c1 = Vector512.MultiplyAddEstimate(a, b, c1);
            c2 = Vector512.MultiplyAddEstimate(a, b, c2);
            c3 = Vector512.MultiplyAddEstimate(a, b, c3);
            c4 = Vector512.MultiplyAddEstimate(a, b, c4);
            c5 = Vector512.MultiplyAddEstimate(a, b, c5);
            c6 = Vector512.MultiplyAddEstimate(a, b, c6);
            c7 = Vector512.MultiplyAddEstimate(a, b, c7);
            c8 = Vector512.MultiplyAddEstimate(a, b, c8);
            c9 = Vector512.MultiplyAddEstimate(a, b, c9);
            c10 = Vector512.MultiplyAddEstimate(a, b, c10);
            c11 = Vector512.MultiplyAddEstimate(a, b, c11);
            c12 = Vector512.MultiplyAddEstimate(a, b, c12);
            c13 = Vector512.MultiplyAddEstimate(a, b, c13);
            c14 = Vector512.MultiplyAddEstimate(a, b, c14);
            c15 = Vector512.MultiplyAddEstimate(a, b, c15);
            c16 = Vector512.MultiplyAddEstimate(a, b, c16);
            c17 = Vector512.MultiplyAddEstimate(a, b, c17);
            c18 = Vector512.MultiplyAddEstimate(a, b, c18);
            c19 = Vector512.MultiplyAddEstimate(a, b, c19);
            c20 = Vector512.MultiplyAddEstimate(a, b, c20);
            c21 = Vector512.MultiplyAddEstimate(a, b, c21);
            c22 = Vector512.MultiplyAddEstimate(a, b, c22);
            c23 = Vector512.MultiplyAddEstimate(a, b, c23);
        }
        s_sink = Vector512.Sum(
            c0
                + c1
                + c2
                + c3
                + c4
                + c5
                + c6
                + c7
                + c8
                + c9
                + c10
                + c11
                + c12
                + c13
                + c14
                + c15
                + c16
                + c17
                + c18
                + c19
                + c20
                + c21
                + c22
                + c23
        );
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow256(long iterations)
    {
        var a = Vector256.Create(1.0f);
        var b = Vector256.Create(1e-3f);
        Vector256<float> c0 = a;
        Vector256<float> c1 = a;
        Vector256<float> c2 = a;
        Vector256<float> c3 = a;
        Vector256<float> c4 = a;
        Vector256<float> c5 = a;
        Vector256<float> c6 = a;
        Vector256<float> c7 = a;
        Vector256<float> c8 = a;
        Vector256<float> c9 = a;
        Vector256<float> c10 = a;
        Vector256<float> c11 = a;
        for (long i = 0; i < iterations; i++)
        {
            c0 = Vector256.MultiplyAddEstimate(a, b, c0);
            c1 = Vector256.MultiplyAddEstimate(a, b, c1);
            c2 = Vector256.MultiplyAddEstimate(a, b, c2);
            c3 = Vector256.MultiplyAddEstimate(a, b, c3);
            c4 = Vector256.MultiplyAddEstimate(a, b, c4);
            c5 = Vector256.MultiplyAddEstimate(a, b, c5);
            c6 = Vector256.MultiplyAddEstimate(a, b, c6);
            c7 = Vector256.MultiplyAddEstimate(a, b, c7);
            c8 = Vector256.MultiplyAddEstimate(a, b, c8);
            c9 = Vector256.MultiplyAddEstimate(a, b, c9);
            c10 = Vector256.MultiplyAddEstimate(a, b, c10);
            c11 = Vector256.MultiplyAddEstimate(a, b, c11);
        }
        s_sink = Vector256.Sum(c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Narrow128(long iterations)
    {
        var a = Vector128.Create(1.0f);
        var b = Vector128.Create(1e-3f);
        Vector128<float> c0 = a;
        Vector128<float> c1 = a;
        Vector128<float> c2 = a;
        Vector128<float> c3 = a;
        Vector128<float> c4 = a;
        Vector128<float> c5 = a;
        Vector128<float> c6 = a;
        Vector128<float> c7 = a;
        Vector128<float> c8 = a;
        Vector128<float> c9 = a;
        Vector128<float> c10 = a;
        Vector128<float> c11 = a;
        for (long i = 0; i < iterations; i++)
        {
            c0 = Vector128.MultiplyAddEstimate(a, b, c0);
            c1 = Vector128.MultiplyAddEstimate(a, b, c1);
            c2 = Vector128.MultiplyAddEstimate(a, b, c2);
            c3 = Vector128.MultiplyAddEstimate(a, b, c3);
            c4 = Vector128.MultiplyAddEstimate(a, b, c4);
            c5 = Vector128.MultiplyAddEstimate(a, b, c5);
            c6 = Vector128.MultiplyAddEstimate(a, b, c6);
            c7 = Vector128.MultiplyAddEstimate(a, b, c7);
            c8 = Vector128.MultiplyAddEstimate(a, b, c8);
            c9 = Vector128.MultiplyAddEstimate(a, b, c9);
            c10 = Vector128.MultiplyAddEstimate(a, b, c10);
            c11 = Vector128.MultiplyAddEstimate(a, b, c11);
        }
        s_sink = Vector128.Sum(c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11);
    }

    /// <summary>Eight loads an iteration, combined by exclusive or, which takes one cycle.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read512(byte* data, long bytes, long passes)
    {
        Vector512<long> x0 = default;
        Vector512<long> x1 = default;
        Vector512<long> x2 = default;
        Vector512<long> x3 = default;
        Vector512<long> x4 = default;
        Vector512<long> x5 = default;
        Vector512<long> x6 = default;
        Vector512<long> x7 = default;
        for (long pass = 0; pass < passes; pass++)
        {
            byte* end = data + bytes;
            for (byte* p = data; p < end; p += 512)
            {
                x0 ^= Vector512.Load((long*)(p + 0));
                x1 ^= Vector512.Load((long*)(p + 64));
                x2 ^= Vector512.Load((long*)(p + 128));
                x3 ^= Vector512.Load((long*)(p + 192));
                x4 ^= Vector512.Load((long*)(p + 256));
                x5 ^= Vector512.Load((long*)(p + 320));
                x6 ^= Vector512.Load((long*)(p + 384));
                x7 ^= Vector512.Load((long*)(p + 448));
            }
        }
        s_sink = Vector512.Sum(x0 ^ x1 ^ x2 ^ x3 ^ x4 ^ x5 ^ x6 ^ x7);
    }

    /// <summary>Eight loads an iteration, combined by exclusive or, which takes one cycle.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read256(byte* data, long bytes, long passes)
    {
        Vector256<long> x0 = default;
        Vector256<long> x1 = default;
        Vector256<long> x2 = default;
        Vector256<long> x3 = default;
        Vector256<long> x4 = default;
        Vector256<long> x5 = default;
        Vector256<long> x6 = default;
        Vector256<long> x7 = default;
        for (long pass = 0; pass < passes; pass++)
        {
            byte* end = data + bytes;
            for (byte* p = data; p < end; p += 256)
            {
                x0 ^= Vector256.Load((long*)(p + 0));
                x1 ^= Vector256.Load((long*)(p + 32));
                x2 ^= Vector256.Load((long*)(p + 64));
                x3 ^= Vector256.Load((long*)(p + 96));
                x4 ^= Vector256.Load((long*)(p + 128));
                x5 ^= Vector256.Load((long*)(p + 160));
                x6 ^= Vector256.Load((long*)(p + 192));
                x7 ^= Vector256.Load((long*)(p + 224));
            }
        }
        s_sink = Vector256.Sum(x0 ^ x1 ^ x2 ^ x3 ^ x4 ^ x5 ^ x6 ^ x7);
    }

    /// <summary>Eight loads an iteration, combined by exclusive or, which takes one cycle.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Read128(byte* data, long bytes, long passes)
    {
        Vector128<long> x0 = default;
        Vector128<long> x1 = default;
        Vector128<long> x2 = default;
        Vector128<long> x3 = default;
        Vector128<long> x4 = default;
        Vector128<long> x5 = default;
        Vector128<long> x6 = default;
        Vector128<long> x7 = default;
        for (long pass = 0; pass < passes; pass++)
        {
            byte* end = data + bytes;
            for (byte* p = data; p < end; p += 128)
            {
                x0 ^= Vector128.Load((long*)(p + 0));
                x1 ^= Vector128.Load((long*)(p + 16));
                x2 ^= Vector128.Load((long*)(p + 32));
                x3 ^= Vector128.Load((long*)(p + 48));
                x4 ^= Vector128.Load((long*)(p + 64));
                x5 ^= Vector128.Load((long*)(p + 80));
                x6 ^= Vector128.Load((long*)(p + 96));
                x7 ^= Vector128.Load((long*)(p + 112));
            }
        }
        s_sink = Vector128.Sum(x0 ^ x1 ^ x2 ^ x3 ^ x4 ^ x5 ^ x6 ^ x7);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy512(byte* source, byte* destination, long bytes)
    {
        for (long i = 0; i < bytes; i += 256)
        {
            Vector512<long> x0 = Vector512.Load((long*)(source + i + 0));
            Vector512<long> x1 = Vector512.Load((long*)(source + i + 64));
            Vector512<long> x2 = Vector512.Load((long*)(source + i + 128));
            Vector512<long> x3 = Vector512.Load((long*)(source + i + 192));
            x0.StoreAlignedNonTemporal((long*)(destination + i + 0));
            x1.StoreAlignedNonTemporal((long*)(destination + i + 64));
            x2.StoreAlignedNonTemporal((long*)(destination + i + 128));
            x3.StoreAlignedNonTemporal((long*)(destination + i + 192));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy256(byte* source, byte* destination, long bytes)
    {
        for (long i = 0; i < bytes; i += 128)
        {
            Vector256<long> x0 = Vector256.Load((long*)(source + i + 0));
            Vector256<long> x1 = Vector256.Load((long*)(source + i + 32));
            Vector256<long> x2 = Vector256.Load((long*)(source + i + 64));
            Vector256<long> x3 = Vector256.Load((long*)(source + i + 96));
            x0.StoreAlignedNonTemporal((long*)(destination + i + 0));
            x1.StoreAlignedNonTemporal((long*)(destination + i + 32));
            x2.StoreAlignedNonTemporal((long*)(destination + i + 64));
            x3.StoreAlignedNonTemporal((long*)(destination + i + 96));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Copy128(byte* source, byte* destination, long bytes)
    {
        for (long i = 0; i < bytes; i += 64)
        {
            Vector128<long> x0 = Vector128.Load((long*)(source + i + 0));
            Vector128<long> x1 = Vector128.Load((long*)(source + i + 16));
            Vector128<long> x2 = Vector128.Load((long*)(source + i + 32));
            Vector128<long> x3 = Vector128.Load((long*)(source + i + 48));
            x0.StoreAlignedNonTemporal((long*)(destination + i + 0));
            x1.StoreAlignedNonTemporal((long*)(destination + i + 16));
            x2.StoreAlignedNonTemporal((long*)(destination + i + 32));
            x3.StoreAlignedNonTemporal((long*)(destination + i + 48));
        }
    }
}
