using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;

namespace Picograd.Lower.Cuda.Native;

/// <summary>What NVRTC made of a text.</summary>
/// <param name="Cubin">Machine code; empty where compilation failed.</param>
/// <param name="Log">Errors, warnings and the assembler's figures, as NVRTC wrote them.</param>
/// <param name="Report">The log, read.</param>
public sealed record CompileResult(ImmutableArray<byte> Cubin, string Log, CompileReport Report)
{
    public bool Succeeded => !Cubin.IsDefaultOrEmpty;

    /// <summary>The first line of the log that is an error; null where there is none.</summary>
    public string? FirstError =>
        Log.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .FirstOrDefault(line => line.Contains("error", StringComparison.OrdinalIgnoreCase));
}

/// <summary>
/// NVRTC, NVIDIA's run-time compiler: CUDA C → cubin. Bound at run time, versions 11.2 to 13; needs neither driver nor GPU.
/// Thread-safe: several texts may be compiled at once.
/// </summary>
public sealed unsafe class Nvrtc
{
    private const int Ok = 0;
    private const int InvalidOption = 5;
    private const int CompilationFailed = 6;
    private const int BuiltinsFailed = 7;

    private static readonly Lock Sync = new();
    private static (Nvrtc? Library, string? WhyNot)? _found;

    private readonly string _path;

    /// <summary>An option that only saves time was refused, so all such are left out.</summary>
    private volatile bool _plain;
    private readonly delegate* unmanaged<int, byte*> _getErrorString;
    private readonly delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int> _createProgram;
    private readonly delegate* unmanaged<nint*, int> _destroyProgram;
    private readonly delegate* unmanaged<nint, int, byte**, int> _compileProgram;
    private readonly delegate* unmanaged<nint, nuint*, int> _getCubinSize;
    private readonly delegate* unmanaged<nint, byte*, int> _getCubin;
    private readonly delegate* unmanaged<nint, nuint*, int> _getLogSize;
    private readonly delegate* unmanaged<nint, byte*, int> _getLog;

    private Nvrtc(LoadedLibrary library)
    {
        _path = library.Path;
        nint handle = library.Handle;
        _getErrorString = (delegate* unmanaged<int, byte*>)Export("nvrtcGetErrorString");
        _createProgram = (delegate* unmanaged<nint*, byte*, byte*, int, byte**, byte**, int>)Export(
            "nvrtcCreateProgram"
        );
        _destroyProgram = (delegate* unmanaged<nint*, int>)Export("nvrtcDestroyProgram");
        _compileProgram = (delegate* unmanaged<nint, int, byte**, int>)Export("nvrtcCompileProgram");
        _getCubinSize = (delegate* unmanaged<nint, nuint*, int>)Export("nvrtcGetCUBINSize");
        _getCubin = (delegate* unmanaged<nint, byte*, int>)Export("nvrtcGetCUBIN");
        _getLogSize = (delegate* unmanaged<nint, nuint*, int>)Export("nvrtcGetProgramLogSize");
        _getLog = (delegate* unmanaged<nint, byte*, int>)Export("nvrtcGetProgramLog");
        var version = (delegate* unmanaged<int*, int*, int>)Export("nvrtcVersion");
        int major;
        int minor;
        Check(version(&major, &minor), "nvrtcVersion");
        Version = new Version(major, minor);
        var count = (delegate* unmanaged<int*, int>)Export("nvrtcGetNumSupportedArchs");
        int number;
        Check(count(&number), "nvrtcGetNumSupportedArchs");
        var list = (delegate* unmanaged<int*, int>)Export("nvrtcGetSupportedArchs");
        int[] architectures = new int[number];
        fixed (int* first = architectures)
            Check(list(first), "nvrtcGetSupportedArchs");
        Architectures = [.. architectures];

        void* Export(string name) =>
            NativeLibrary.TryGetExport(handle, name, out nint address)
                ? (void*)address
                : throw new CudaException(
                    "load NVRTC",
                    $"'{library.Path}' has no function {name}; NVRTC 11.2 or newer is needed"
                );
    }

    /// <summary>As NVRTC tells it: 12.4.</summary>
    public Version Version { get; }

    /// <summary>Compute capabilities that it compiles for: 80, 90, ….</summary>
    public ImmutableArray<int> Architectures { get; }

    /// <summary>Where it was loaded from.</summary>
    public string Path => _path;

    /// <summary>Warpgroup instructions (<c>sm_90a</c>) came with 12.0.</summary>
    public bool Supports(string architecture) =>
        TryNumber(architecture, out int number)
        && Architectures.Contains(number)
        && (!architecture.EndsWith('a') || Version.Major >= 12);

    /// <summary>NVIDIA's own NVRTC on this machine, looked for once; null with a clause that says what is missing.</summary>
    public static Nvrtc? TryLoad(out string? whyNot)
    {
        lock (Sync)
        {
            _found ??= Find();
            whyNot = _found.Value.WhyNot;
            return _found.Value.Library;
        }
    }

    /// <summary>
    /// The newest NVRTC of at most a major version, for a driver that is older than the newest one here; null where there
    /// is none, or where an environment variable names the one to use.
    /// </summary>
    internal static Nvrtc? TryLoadUpTo(int major)
    {
        foreach (var library in LibraryFinder.NvrtcsUpTo(major))
        {
            try
            {
                var found = new Nvrtc(library);
                if (found.Version.Major <= major)
                    return found;
            }
            catch (CudaException)
            {
                // Too old to be used; there may be others.
                continue;
            }
        }
        return null;
    }

    /// <summary>A library of NVRTC's interface at a path, say that of the emulator.</summary>
    /// <exception cref="CudaException">It cannot be loaded or lacks a function.</exception>
    public static Nvrtc Open(string path) =>
        new(
            LibraryFinder.LoadNvrtcFile(path)
                ?? throw new CudaException("load NVRTC", $"'{path}' is not a library that can be loaded here")
        );

    /// <summary>Compiles a text of extern "C" kernels. A text that does not compile is told by the result, not thrown.</summary>
    /// <param name="source">CUDA C; no headers are there.</param>
    /// <param name="name">What errors call the text.</param>
    /// <param name="architecture">sm_80, sm_90a, ….</param>
    /// <param name="options">More options of NVRTC.</param>
    /// <exception cref="CudaException">NVRTC itself failed: an option that it does not know, no memory, no builtins.</exception>
    public CompileResult Compile(string source, string name, string architecture, IReadOnlyList<string>? options = null)
    {
        nint program = 0;
        byte[] text = Terminated(source);
        byte[] title = Terminated(name.EndsWith(".cu", StringComparison.Ordinal) ? name : name + ".cu");
        fixed (byte* textStart = text)
        fixed (byte* titleStart = title)
            Check(_createProgram(&program, textStart, titleStart, 0, null, null), "nvrtcCreateProgram", name);
        try
        {
            var all = OptionsFor(architecture, options);
            int code = Compile(program, all);
            if (code == InvalidOption && !_plain)
            {
                _plain = true;
                all = OptionsFor(architecture, options);
                code = Compile(program, all);
            }
            string log = Log(program, name);
            var report = CompileReport.Parse(log);
            if (code == CompilationFailed)
                return new CompileResult([], log, report);
            if (code == BuiltinsFailed)
            {
                throw new CudaException(
                    "nvrtcCompileProgram",
                    $"NVRTC does not find its builtins; libnvrtc-builtins.so.{Version} must lie beside '{_path}' ({log.Trim()})",
                    code
                );
            }
            if (code != Ok)
                Check(code, "nvrtcCompileProgram", $"{name} with {string.Join(' ', all)}: {log.Trim()}");
            nuint size;
            Check(_getCubinSize(program, &size), "nvrtcGetCUBINSize", name);
            byte[] cubin = new byte[size];
            fixed (byte* first = cubin)
                Check(_getCubin(program, first), "nvrtcGetCUBIN", name);
            return new CompileResult(ImmutableCollectionsMarshal.AsImmutableArray(cubin), log, report);
        }
        finally
        {
            Check(_destroyProgram(&program), "nvrtcDestroyProgram", name);
        }
    }

    /// <summary>The options that a text is compiled with: part of what identifies a cubin.</summary>
    public ImmutableArray<string> OptionsFor(string architecture, IReadOnlyList<string>? more = null)
    {
        var options = ImmutableArray.CreateBuilder<string>();
        options.Add($"--gpu-architecture={architecture}");
        options.Add("-default-device");
        options.Add("--ptxas-options=-v");
        // Leaves out what headers would define: a third of the time of a small kernel.
        if (Version >= new Version(12, 4) && !_plain)
            options.Add("--minimal");
        // Its own cache would make the times that are reported untrue; ours is in the database.
        if (Version >= new Version(12, 9) && !_plain)
            options.Add("--no-cache");
        options.AddRange(more ?? []);
        return options.ToImmutable();
    }

    private int Compile(nint program, ImmutableArray<string> options)
    {
        var handles = new nint[options.Length];
        try
        {
            for (int i = 0; i < options.Length; i++)
                handles[i] = Marshal.StringToCoTaskMemUTF8(options[i]);
            fixed (nint* first = handles)
                return _compileProgram(program, options.Length, (byte**)first);
        }
        finally
        {
            foreach (nint handle in handles)
                Marshal.FreeCoTaskMem(handle);
        }
    }

    private string Log(nint program, string name)
    {
        nuint size;
        Check(_getLogSize(program, &size), "nvrtcGetProgramLogSize", name);
        if (size <= 1)
            return "";
        byte[] text = new byte[size];
        fixed (byte* first = text)
            Check(_getLog(program, first), "nvrtcGetProgramLog", name);
        return Encoding.UTF8.GetString(text).TrimEnd('\0');
    }

    private static (Nvrtc?, string?) Find()
    {
        if (LibraryFinder.LoadNvrtc(out string? whyNot) is not { } library)
            return (null, whyNot);
        try
        {
            return (new Nvrtc(library), null);
        }
        catch (CudaException e)
        {
            return (null, e.Message);
        }
    }

    private void Check(int code, string call, string context = "")
    {
        if (code == Ok)
            return;
        string name = Marshal.PtrToStringUTF8((nint)_getErrorString(code)) ?? "unknown error";
        throw new CudaException(call, context.Length == 0 ? name : $"{name}: {context}", code);
    }

    private static bool TryNumber(string architecture, out int number)
    {
        number = 0;
        return architecture.StartsWith("sm_", StringComparison.Ordinal)
            && int.TryParse(architecture.AsSpan(3).TrimEnd("af"), out number);
    }

    private static byte[] Terminated(string text)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text) + 1];
        Encoding.UTF8.GetBytes(text, bytes);
        return bytes;
    }
}
