using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Picograd.Algorithms.Functions;

namespace Picograd.Lower.Cpu;

/// <summary>
/// Functions of angles of Float32 beyond <see cref="ScalarFunctions.AngleRange"/>, for vector code, which calls this where a lane is: lanes in the
/// range keep the value that they have, the others get that of the runtime's Float64 function, which reduces exactly.
/// </summary>
public static unsafe class FarAngles
{
    /// <summary>The method (values near zero, arguments, pointer to the function of doubles) → values for a vector width.</summary>
    internal static MethodInfo Method(int bits) => typeof(FarAngles).GetMethod($"Far{bits}")!;

    public static Vector128<float> Far128(Vector128<float> near, Vector128<float> x, nint function)
    {
        Replace((float*)&near, (float*)&x, Vector128<float>.Count, (delegate* <double, double>)function);
        return near;
    }

    public static Vector256<float> Far256(Vector256<float> near, Vector256<float> x, nint function)
    {
        Replace((float*)&near, (float*)&x, Vector256<float>.Count, (delegate* <double, double>)function);
        return near;
    }

    public static Vector512<float> Far512(Vector512<float> near, Vector512<float> x, nint function)
    {
        Replace((float*)&near, (float*)&x, Vector512<float>.Count, (delegate* <double, double>)function);
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
}
