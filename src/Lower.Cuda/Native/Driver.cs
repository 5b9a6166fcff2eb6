using System.Runtime.InteropServices;

namespace Picograd.Lower.Cuda.Native;

/// <summary>Numbers of the driver's errors that are told apart.</summary>
internal static class DriverError
{
    public const int None = 0;
    public const int OutOfMemory = 2;
    public const int NoDevice = 100;

    /// <summary>The process is ending and the driver has already shut down.</summary>
    public const int Deinitialized = 4;
}

/// <summary>The CUDA driver (libcuda), bound at run time and initialised.</summary>
public sealed unsafe partial class Driver
{
    private static readonly Lock Sync = new();
    private static (Driver? Library, string? WhyNot)? _found;

    /// <summary>Where it was loaded from.</summary>
    public string Path { get; }

    /// <summary>The newest CUDA that the driver knows: 12.4.</summary>
    public Version Version { get; private set; } = new(0, 0);

    /// <summary>GPUs that it sees.</summary>
    public int DeviceCount { get; private set; }

    /// <summary>NVIDIA's driver on this machine, looked for once; null with a clause that says what is missing.</summary>
    public static Driver? TryLoad(out string? whyNot)
    {
        lock (Sync)
        {
            _found ??= Find();
            whyNot = _found.Value.WhyNot;
            return _found.Value.Library;
        }
    }

    /// <summary>A library of the driver's interface at a path, say that of the emulator.</summary>
    /// <exception cref="CudaException">It cannot be loaded, lacks a function, or does not start.</exception>
    public static Driver Open(string path) =>
        Start(
            LibraryFinder.LoadFile(path)
                ?? throw new CudaException("load the driver", $"'{path}' is not a library that can be loaded here")
        );

    private static (Driver?, string?) Find()
    {
        if (LibraryFinder.LoadDriver(out string? whyNot) is not { } library)
            return (null, whyNot);
        try
        {
            return (Start(library), null);
        }
        catch (CudaException e)
        {
            return (null, $"the NVIDIA driver '{library.Path}' does not start: {e.Message}");
        }
    }

    private static Driver Start(LoadedLibrary library)
    {
        var driver = new Driver(library);
        int code = driver.Init(0);
        // Without a GPU the libraries that machines with GPUs hand to containers still load.
        if (code == DriverError.NoDevice)
            return driver;
        driver.Check(code, "cuInit");
        int version;
        driver.Check(driver.DriverGetVersion(&version), "cuDriverGetVersion");
        driver.Version = new Version(version / 1000, version % 1000 / 10);
        int count;
        driver.Check(driver.DeviceGetCount(&count), "cuDeviceGetCount");
        driver.DeviceCount = count;
        return driver;
    }

    /// <summary>Throws where a call failed.</summary>
    /// <param name="code">What it returned.</param>
    /// <param name="call">Its name.</param>
    /// <param name="context">What it was for; may be empty.</param>
    /// <exception cref="CudaException">The code is not 0.</exception>
    internal void Check(int code, string call, string? context = null)
    {
        if (code != DriverError.None)
            Throw(code, call, context);
    }

    private void Throw(int code, string call, string? context)
    {
        string text = Describe(code);
        throw new CudaException(call, string.IsNullOrEmpty(context) ? text : $"{text}; {context}", code);
    }

    /// <summary>Name and meaning of an error, as the driver tells them.</summary>
    internal string Describe(int code)
    {
        byte* name;
        byte* meaning;
        if (GetErrorName(code, &name) != DriverError.None || GetErrorString(code, &meaning) != DriverError.None)
            return "an error that the driver has no name for";
        return $"{Marshal.PtrToStringUTF8((nint)name)} ({Marshal.PtrToStringUTF8((nint)meaning)})";
    }
}
