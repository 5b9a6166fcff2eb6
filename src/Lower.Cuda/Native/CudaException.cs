namespace Picograd.Lower.Cuda.Native;

/// <summary>A call to the driver or to NVRTC failed: names the call, the error and what it was for.</summary>
public sealed class CudaException : Exception
{
    /// <param name="call">The function: cuLaunchKernel.</param>
    /// <param name="problem">The error's name and meaning, and what it was for.</param>
    /// <param name="code">As the function returned it; 0 where none did.</param>
    public CudaException(string call, string problem, int code = 0)
        : base(code == 0 ? $"{call}: {problem}" : $"{call} failed with error {code}: {problem}")
    {
        Call = call;
        Code = code;
    }

    /// <summary>The function that failed.</summary>
    public string Call { get; }

    /// <summary>The error's number; 0 where no function returned one.</summary>
    public int Code { get; }

    /// <summary>
    /// Whether the context, hence the process, is lost: every later call fails with the same error. 700 illegal address, 702
    /// time-out, 714 hardware stack, 715 illegal instruction, 716 misaligned address, 717 invalid address space, 718 invalid
    /// program counter, 719 launch failure, 710 assertion, 713 and 721 cluster and memory errors of newer drivers.
    /// </summary>
    public bool IsSticky => Code is 700 or 702 or 710 or 713 or (>= 714 and <= 719) or 721;

    public bool IsOutOfMemory => Code == 2;
}
