using Picograd.Lower.Cpu.Machine;

namespace Picograd.Tests;

/// <summary>The vector widths that this machine can run.</summary>
internal static class Widths
{
    public static IEnumerable<int> All => new[] { 128, 256, 512 }.Where(bits => bits <= CpuTarget.NativeVectorBits);
}
