using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;

namespace Picograd.Lower.Cpu.Machine;

/// <summary>
/// What the CPU back end must know of a machine: vector width and registers, fused multiply-add, cores and caches. It is a
/// plain value: code generation reads this and nothing else, so a narrower machine can be imitated with
/// <c>target with { VectorBits = 256 }</c>.
/// </summary>
public sealed record CpuTarget
{
    /// <summary>The environment variable that narrows the vectors of <see cref="Detect"/>: 128, 256 or 512.</summary>
    public const string VectorBitsVariable = "PICOGRAD_VECTOR_BITS";

    private readonly int _vectorBits = NativeVectorBits;

    /// <summary>The widest vectors, in bits, that .NET accelerates on this machine: 512, 256 or 128.</summary>
    public static int NativeVectorBits { get; } =
        Vector512.IsHardwareAccelerated && Avx512F.IsSupported && Avx512F.VL.IsSupported ? 512
        : Avx2.IsSupported && Fma.IsSupported ? 256
        : 128;

    /// <summary>Instruction set family: <c>x64</c>, <c>arm64</c> or another name of .NET's, lower case.</summary>
    public string Architecture { get; init; } = RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();

    /// <summary>The processor's name as the system states it.</summary>
    public string Model { get; init; } = "unknown";

    /// <summary>Width of the vectors to generate code for, in bits: 128, 256 or 512, at most <see cref="NativeVectorBits"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Another width, or one that this machine lacks.</exception>
    public int VectorBits
    {
        get => _vectorBits;
        init
        {
            if (value is not (128 or 256 or 512) || value > NativeVectorBits)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(VectorBits),
                    $"VectorBits is {value}, but this machine allows {AllowedBits()}."
                );
            }
            _vectorBits = value;
        }
    }

    /// <summary>Vector registers that code of this width can count on: 32 with AVX-512 and on Arm64, else 16.</summary>
    public int VectorRegisters => VectorBits == 512 || Architecture == "arm64" ? 32 : 16;

    /// <summary>Whether a·b + c is one instruction with one rounding.</summary>
    public bool HasFma { get; init; } = Fma.IsSupported || AdvSimd.IsSupported;

    /// <summary>Physical cores that this process may use: the number of threads where none is named. No part of fingerprints.</summary>
    public int Cores { get; init; } = PhysicalCores.Count;

    /// <summary>Level 1 data cache of one core, in bytes.</summary>
    public long L1Bytes { get; init; } = 32 << 10;

    /// <summary>Level 2 cache of one core, in bytes.</summary>
    public long L2Bytes { get; init; } = 512 << 10;

    /// <summary>Level 3 cache that a core can reach, in bytes; 0 where there is none.</summary>
    public long L3Bytes { get; init; } = 8 << 20;

    /// <summary>Vector width in 32-bit floats.</summary>
    public int VectorFloats => VectorBits / 32;

    /// <summary>The name that fingerprints use for the vector extension at this width.</summary>
    public string VectorExtension =>
        (Architecture, VectorBits) switch
        {
            ("arm64", _) => "neon",
            (_, 512) => "avx512",
            (_, 256) => "avx2",
            ("x64" or "x86", _) => "sse",
            _ => "vector128",
        };

    /// <summary>
    /// Reads this machine, and <see cref="VectorBitsVariable"/>. What cannot be read has a common value: 32 KiB, 512 KiB and
    /// 8 MiB of cache, model "unknown".
    /// </summary>
    /// <exception cref="InvalidOperationException">The variable names a width that does not exist or that this machine lacks.</exception>
    public static CpuTarget Detect()
    {
        string? forced = Environment.GetEnvironmentVariable(VectorBitsVariable);
        var caches = CacheSizes.Read();
        return new CpuTarget
        {
            VectorBits = string.IsNullOrEmpty(forced) ? NativeVectorBits : ParseVectorBits(forced),
            Model = ProcessorName.Read(),
            L1Bytes = caches.L1,
            L2Bytes = caches.L2,
            L3Bytes = caches.L3,
        };
    }

    /// <summary>
    /// A stable text of everything on which a schedule's code or speed depends, for keys of stored results, such as
    /// <c>cpu;x64;amd-epyc-f26m2;avx512;fma;l1=48k;l2=1m;threads=1</c>.
    /// </summary>
    /// <param name="threads">Threads that kernels may use; at least 1.</param>
    public string Fingerprint(int threads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        string fma = HasFma ? "fma" : "nofma";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"cpu;{Architecture};{ProcessorName.Slug(Model)};{VectorExtension};{fma};l1={Size(L1Bytes)};l2={Size(L2Bytes)};threads={threads}"
        );
    }

    internal static int ParseVectorBits(string text)
    {
        if (
            int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int bits)
            && bits is 128 or 256 or 512
            && bits <= NativeVectorBits
        )
        {
            return bits;
        }
        throw new InvalidOperationException(
            $"The environment variable {VectorBitsVariable} is '{text}', but this machine allows {AllowedBits()}."
        );
    }

    private static string AllowedBits() =>
        NativeVectorBits switch
        {
            512 => "128, 256 or 512",
            256 => "128 or 256",
            _ => "128",
        };

    private static string Size(long bytes) =>
        bytes >= 1 << 20 && bytes % (1 << 20) == 0 ? $"{bytes >> 20}m" : $"{bytes >> 10}k";
}
