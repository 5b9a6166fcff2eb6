using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cpu;

/// <summary>
/// sin and cos of Float32 beyond <see cref="ExpandMath.SinCosRange"/>, for vector code, which calls this where a lane is: lanes in the
/// range keep the value that they have, the others get that of the runtime's Float64 function, which reduces exactly.
/// </summary>
public static unsafe class FarAngles
{
    /// <summary>The method (values near zero, arguments) → values for a vector width.</summary>
    internal static MethodInfo Method(UnaryOp kind, int bits) => typeof(FarAngles).GetMethod($"{kind}{bits}")!;

    public static Vector128<float> Sin128(Vector128<float> near, Vector128<float> x)
    {
        Sin((float*)&near, (float*)&x, Vector128<float>.Count);
        return near;
    }

    public static Vector256<float> Sin256(Vector256<float> near, Vector256<float> x)
    {
        Sin((float*)&near, (float*)&x, Vector256<float>.Count);
        return near;
    }

    public static Vector512<float> Sin512(Vector512<float> near, Vector512<float> x)
    {
        Sin((float*)&near, (float*)&x, Vector512<float>.Count);
        return near;
    }

    public static Vector128<float> Cos128(Vector128<float> near, Vector128<float> x)
    {
        Cos((float*)&near, (float*)&x, Vector128<float>.Count);
        return near;
    }

    public static Vector256<float> Cos256(Vector256<float> near, Vector256<float> x)
    {
        Cos((float*)&near, (float*)&x, Vector256<float>.Count);
        return near;
    }

    public static Vector512<float> Cos512(Vector512<float> near, Vector512<float> x)
    {
        Cos((float*)&near, (float*)&x, Vector512<float>.Count);
        return near;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Sin(float* values, float* angles, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (!(MathF.Abs(angles[i]) <= (float)ExpandMath.SinCosRange))
                values[i] = (float)Math.Sin(angles[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Cos(float* values, float* angles, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (!(MathF.Abs(angles[i]) <= (float)ExpandMath.SinCosRange))
                values[i] = (float)Math.Cos(angles[i]);
        }
    }
}
