using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Native;

/// <summary>A call to the driver or to NVRTC failed: names the call, the error and what it was for.</summary>
public sealed class CudaException : TargetException
{
    /// <param name="call">The function: cuLaunchKernel.</param>
    /// <param name="problem">The error's name and meaning, and what it was for.</param>
    /// <param name="code">As the function returned it; 0 where none did.</param>
    public CudaException(string call, string problem, int code = 0)
        : base(
            ReasonOf(code),
            code == 0 ? $"{call}: {problem}" : $"{call} failed with error {code}: {problem}",
            Loses(code)
        )
    {
        Call = call;
        Code = code;
    }

    /// <summary>The function that failed.</summary>
    public string Call { get; }

    /// <summary>The error's number; 0 where no function returned one.</summary>
    public int Code { get; }

    /// <summary>
    /// Errors after which every later call fails the same way, so that the process can do nothing more on the device:
    /// addresses, instructions, time-outs, assertions, failures of launches and of the hardware, and those that the driver
    /// has no name for, which is what it says of a GPU that is gone.
    /// </summary>
    internal static bool Loses(int code) =>
        code is 214 or 220 or 226 or 700 or 702 or 709 or 710 or (>= 714 and <= 719) or 999;

    private static string ReasonOf(int code) =>
        code switch
        {
            DriverError.OutOfMemory => "out-of-memory",
            209 => "other-architecture",
            214 or 220 or 226 => "uncorrectable-memory-error",
            700 => "illegal-address",
            701 => "launch-out-of-resources",
            702 => "launch-timeout",
            714 => "hardware-stack-error",
            715 => "illegal-instruction",
            716 => "misaligned-address",
            717 => "invalid-address-space",
            718 => "invalid-program-counter",
            719 => "launch-failed",
            _ => "cuda-error",
        };
}

/// <summary>The device has no such memory, even after the pool was emptied: says what was asked, what is free and in all.</summary>
public sealed class CudaOutOfMemoryException(long asked, long free, long total, long pooled)
    : OutOfMemoryException(
        $"{asked} bytes of device memory were asked for, but of {total} bytes {free} are free"
            + $" ({pooled} bytes are held by this process's buffers)"
    )
{
    public long AskedBytes { get; } = asked;

    public long FreeBytes { get; } = free;

    public long TotalBytes { get; } = total;
}
