using System.Globalization;
using System.Runtime.InteropServices;
using Picograd.Lower.Cuda.Native;
using Picograd.Schedules.Backend;

namespace Picograd.Lower.Cuda.Runtime;

/// <summary>What a GPU is, as its driver tells.</summary>
/// <param name="Name">NVIDIA H100 80GB HBM3.</param>
/// <param name="Gpu">What schedules are made for.</param>
/// <param name="TotalBytes">Device memory.</param>
/// <param name="MemoryMhz">Clock of the device memory.</param>
/// <param name="Driver">The newest CUDA that the driver knows.</param>
/// <param name="Nvrtc">The compiler.</param>
public sealed record CudaProperties(
    string Name,
    GpuInfo Gpu,
    long TotalBytes,
    double MemoryMhz,
    Version Driver,
    Version Nvrtc
)
{
    // CUdevice_attribute.
    private const int ClockKilohertz = 13;
    private const int MultiprocessorCount = 16;
    private const int MemoryClockKilohertz = 36;
    private const int MemoryBusBits = 37;
    private const int L2CacheBytes = 38;
    private const int ThreadsPerMultiprocessor = 39;
    private const int ComputeMajor = 75;
    private const int ComputeMinor = 76;
    private const int SharedPerMultiprocessor = 81;
    private const int RegistersPerMultiprocessor = 82;
    private const int SharedPerBlockOptIn = 97;

    /// <summary>
    /// Stable text of what changes code or its timing: architecture, model, multiprocessors, clock of the memory. Not driver and compiler,
    /// see <see cref="Toolchain"/>.
    /// </summary>
    public string Fingerprint =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"cuda;{Gpu.Architecture};{Slug(Name)};sms={Gpu.Multiprocessors};mem={MemoryMhz:0}"
        );

    /// <summary>Driver and compiler, as records tell them.</summary>
    public string Toolchain => $"driver={Driver},nvrtc={Nvrtc}";

    /// <summary>What the compiler is told for a compute capability: on Hopper with the instructions that only it has.</summary>
    public static string ArchitectureOf(int major, int minor) =>
        string.Create(CultureInfo.InvariantCulture, $"sm_{major}{minor}{(major == 9 ? "a" : "")}");

    internal static unsafe CudaProperties Read(Driver driver, Nvrtc nvrtc, int ordinal)
    {
        int handle;
        driver.Check(driver.DeviceGet(&handle, ordinal), "cuDeviceGet", $"cuda:{ordinal}");
        int device = handle;
        byte* name = stackalloc byte[256];
        driver.Check(driver.DeviceGetName(name, 256, device), "cuDeviceGetName");
        nuint total;
        driver.Check(driver.DeviceTotalMem(&total, device), "cuDeviceTotalMem");
        int major = Of(ComputeMajor);
        int minor = Of(ComputeMinor);
        double memoryKilohertz = Of(MemoryClockKilohertz);
        var gpu = new GpuInfo(
            ArchitectureOf(major, minor),
            major,
            minor,
            Of(MultiprocessorCount),
            Of(SharedPerBlockOptIn),
            Of(SharedPerMultiprocessor),
            Of(RegistersPerMultiprocessor),
            Of(ThreadsPerMultiprocessor),
            Of(L2CacheBytes),
            Of(ClockKilohertz) / 1e6,
            // Two transfers a clock.
            2 * memoryKilohertz * 1e3 * Of(MemoryBusBits) / 8 / 1e9
        );
        if (CudaProbe.CannotCompile(nvrtc, gpu.Architecture) is { } why)
            throw new CudaException($"open cuda:{ordinal}", why);
        return new CudaProperties(
            Marshal.PtrToStringUTF8((nint)name) ?? "unknown",
            gpu,
            (long)total,
            memoryKilohertz / 1e3,
            driver.Version,
            nvrtc.Version
        );

        int Of(int attribute)
        {
            int value;
            driver.Check(
                driver.DeviceGetAttribute(&value, attribute, device),
                "cuDeviceGetAttribute",
                string.Create(CultureInfo.InvariantCulture, $"attribute {attribute}")
            );
            return value;
        }
    }

    private static string Slug(string name) =>
        string.Join(
            '-',
            name.ToLowerInvariant().Split((char[])[' ', ';', '=', ','], StringSplitOptions.RemoveEmptyEntries)
        );
}
