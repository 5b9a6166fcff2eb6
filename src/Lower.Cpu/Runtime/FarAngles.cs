using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Picograd.Algorithms.Functions;

namespace Picograd.Lower.Cpu.Runtime;

/// <summary>
/// Functions of angles beyond <see cref="ScalarFunctions.AngleRange"/> (Float32) and <see cref="ScalarFunctions.AngleRangeFloat64"/>, for vector code,
/// which calls this where a lane is: lanes in the range keep the value that they have, the others get that of the runtime's
/// Float64 function, which reduces exactly.
/// </summary>
public static unsafe class FarAngles
{
    /// <summary>The method (values near zero, arguments, pointer to the function of doubles) → values for a type of vectors.</summary>
    internal static MethodInfo Method(Type vector) =>
        typeof(FarAngles).GetMethod(nameof(Far), [vector, vector, typeof(nint)])!;

    public static Vector128<float> Far(Vector128<float> near, Vector128<float> x, nint function)
    {
        Replace((float*)&near, (float*)&x, Vector128<float>.Count, (delegate* <double, double>)function);
        return near;
    }

    public static Vector128<double> Far(Vector128<double> near, Vector128<double> x, nint function)
    {
        Replace((double*)&near, (double*)&x, Vector128<double>.Count, (delegate* <double, double>)function);
        return near;
    }

    public static Vector256<float> Far(Vector256<float> near, Vector256<float> x, nint function)
    {
        Replace((float*)&near, (float*)&x, Vector256<float>.Count, (delegate* <double, double>)function);
        return near;
    }

    public static Vector256<double> Far(Vector256<double> near, Vector256<double> x, nint function)
    {
        Replace((double*)&near, (double*)&x, Vector256<double>.Count, (delegate* <double, double>)function);
        return near;
    }

    public static Vector512<float> Far(Vector512<float> near, Vector512<float> x, nint function)
    {
        Replace((float*)&near, (float*)&x, Vector512<float>.Count, (delegate* <double, double>)function);
        return near;
    }

    public static Vector512<double> Far(Vector512<double> near, Vector512<double> x, nint function)
    {
        Replace((double*)&near, (double*)&x, Vector512<double>.Count, (delegate* <double, double>)function);
        return near;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Replace(float* values, float* angles, int count, delegate* <double, double> function)
    {
        for (int i = 0; i < count; i++)
        {
            if (!(MathF.Abs(angles[i]) <= (float)ScalarFunctions.AngleRange))
                values[i] = (float)function(angles[i]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Replace(double* values, double* angles, int count, delegate* <double, double> function)
    {
        for (int i = 0; i < count; i++)
        {
            if (!(Math.Abs(angles[i]) <= ScalarFunctions.AngleRangeFloat64))
                values[i] = function(angles[i]);
        }
    }
}
