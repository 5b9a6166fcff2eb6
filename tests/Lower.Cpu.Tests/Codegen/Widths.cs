using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Back ends by vector width and threads; tests skip, by name, the widths that the machine lacks.</summary>
internal static class Widths
{
    public static readonly int[] All = [128, 256, 512];
    private static readonly CpuTarget Machine = CpuTarget.Detect();

    /// <summary>Skips the test where the machine has no vectors of the width.</summary>
    public static CpuBackend Backend(int bits, int threads = 1)
    {
        Skip.If(bits > CpuTarget.NativeVectorBits, $"{bits}-bit vectors are not accelerated on this machine");
        return new CpuBackend(Machine with { VectorBits = bits }, threads);
    }
}
