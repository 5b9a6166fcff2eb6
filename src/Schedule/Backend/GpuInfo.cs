namespace Picograd.Schedules.Backend;

/// <summary>What rules, cost models and checks need to know of an NVIDIA GPU.</summary>
/// <param name="Architecture">What the compiler is told: sm_80, sm_90a, ….</param>
/// <param name="Major">Compute capability, major number.</param>
/// <param name="Minor">Compute capability, minor number.</param>
/// <param name="Multiprocessors">Streaming multiprocessors.</param>
/// <param name="SharedBytesPerBlock">Most dynamic shared memory that a block may ask for (opt-in).</param>
/// <param name="SharedBytesPerMultiprocessor">Shared memory of one multiprocessor.</param>
/// <param name="RegistersPerMultiprocessor">32-bit registers of one multiprocessor.</param>
/// <param name="ThreadsPerMultiprocessor">Most resident threads of one multiprocessor.</param>
/// <param name="L2Bytes">Second-level cache.</param>
/// <param name="ClockGhz">Highest clock of the multiprocessors, 10⁹ cycles a second.</param>
/// <param name="MemoryGbps">Bandwidth of device memory by its data sheet, 10⁹ bytes a second.</param>
public sealed record GpuInfo(
    string Architecture,
    int Major,
    int Minor,
    int Multiprocessors,
    long SharedBytesPerBlock,
    long SharedBytesPerMultiprocessor,
    int RegistersPerMultiprocessor,
    int ThreadsPerMultiprocessor,
    long L2Bytes,
    double ClockGhz,
    double MemoryGbps
)
{
    public const int WarpSize = 32;

    public const int MaxThreadsPerBlock = 1024;

    /// <summary>Whether 16-byte asynchronous copies and tf32 / bf16 tensor cores are there.</summary>
    public bool HasAsyncCopy => Major >= 8;

    /// <summary>Whether warpgroup matrix products, bulk tensor copies and clusters are there (compiled for sm_90a).</summary>
    public bool HasWarpgroupMma => Major == 9;

    /// <summary>A100 SXM, 80 GB: NVIDIA's data sheet and programming guide.</summary>
    public static GpuInfo A100 { get; } =
        new("sm_80", 8, 0, 108, 166_912, 167_936, 65_536, 2_048, 40L << 20, 1.41, 2_039);

    /// <summary>H100 SXM: NVIDIA's data sheet and programming guide.</summary>
    public static GpuInfo H100 { get; } =
        new("sm_90a", 9, 0, 132, 232_448, 233_472, 65_536, 2_048, 50L << 20, 1.98, 3_350);

    /// <summary>H200: as <see cref="H100"/> with faster memory.</summary>
    public static GpuInfo H200 { get; } = H100 with { L2Bytes = 60L << 20, MemoryGbps = 4_800 };
}
