using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Globalization;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Passes;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;

namespace Picograd.Lower.Cuda;

/// <summary>A nest as text and machine code, without a device to run it on.</summary>
/// <param name="Program">The text and its launches.</param>
/// <param name="Compiled">What NVRTC made of it.</param>
public sealed record CudaCompilation(CudaProgram Program, CompileResult Compiled);

/// <summary>
/// The CUDA back end: nest → passes → CUDA C → cubin → kernel on a device. Without a device it stops at the cubin
/// (<see cref="CompileOnly(GpuInfo, Nvrtc, ICubinCache?)"/>). Thread-safe.
/// </summary>
public sealed class CudaBackend : IBackend, IAheadCompiler
{
    /// <summary>What emitted code takes for granted of arguments: vector accesses of 16 bytes, bulk copies.</summary>
    public const int ArgumentAlignment = 16;

    private readonly CudaDevice? _device;
    private readonly CudaCompiler _compiler;
    private readonly bool _prune;

    /// <summary>Compilations by key that run or were refused, so that what was compiled ahead is not compiled again.</summary>
    private readonly ConcurrentDictionary<string, Lazy<CompileResult>> _pending = [];

    /// <param name="device">Where kernels run.</param>
    /// <param name="cache">Of cubins; one of the process's own where null.</param>
    /// <param name="prune">Refuse kernels that would run but are not worth timing, as a search wants.</param>
    public CudaBackend(CudaDevice device, ICubinCache? cache = null, bool prune = false)
        : this(
            device,
            device.Info,
            new CudaCompiler(device.Nvrtc, device.Info.Architecture, cache ?? new MemoryCubinCache()),
            device.Properties.Fingerprint,
            prune
        ) { }

    private CudaBackend(CudaDevice? device, GpuInfo gpu, CudaCompiler compiler, string fingerprint, bool prune)
    {
        _device = device;
        _compiler = compiler;
        _prune = prune;
        Gpu = gpu;
        Target = new TargetInfo("cuda", fingerprint, 0, 0, 1, 0, gpu.L2Bytes, 0)
        {
            Gpu = gpu,
            ArgumentAlignment = ArgumentAlignment,
            Toolchain = device?.Properties.Toolchain ?? "",
        };
    }

    /// <summary>A back end without a device, for any GPU that NVRTC compiles for: it makes text, cubins and reports.</summary>
    /// <exception cref="CudaException">NVRTC does not know the architecture.</exception>
    public static CudaBackend CompileOnly(GpuInfo gpu, Nvrtc nvrtc, ICubinCache? cache = null)
    {
        if (CudaProbe.CannotCompile(nvrtc, gpu.Architecture) is { } why)
            throw new CudaException($"compile for {gpu.Architecture}", why);
        return new CudaBackend(
            null,
            gpu,
            new CudaCompiler(nvrtc, gpu.Architecture, cache ?? new MemoryCubinCache()),
            string.Create(CultureInfo.InvariantCulture, $"cuda;{gpu.Architecture};compile-only;nvrtc={nvrtc.Version}"),
            prune: false
        );
    }

    /// <summary>As <see cref="CompileOnly(GpuInfo, Nvrtc, ICubinCache?)"/> with the NVRTC of this machine.</summary>
    /// <exception cref="CudaException">There is none, or it does not know the architecture; says how to get it.</exception>
    public static CudaBackend CompileOnly(GpuInfo gpu)
    {
        var stack = CudaLibraries.Current;
        return stack.Nvrtc is { } nvrtc
            ? CompileOnly(gpu, nvrtc)
            : throw new CudaException($"compile for {gpu.Architecture}", stack.Missing ?? "NVRTC was not found");
    }

    public TargetInfo Target { get; }

    /// <summary>What is compiled for.</summary>
    public GpuInfo Gpu { get; }

    /// <summary>Text → machine code, through the cache of this back end.</summary>
    public CudaCompiler Compiler => _compiler;

    /// <summary>Where kernels run; null for compiling only.</summary>
    public CudaDevice? Device => _device;

    /// <summary>NVRTC runs as many compilations as there are cores.</summary>
    public int Parallelism => Math.Clamp(Environment.ProcessorCount, 1, 16);

    /// <summary>The compiler as one list: name and rewrite of each pass, in order.</summary>
    public ImmutableArray<(string Name, Func<LoopNest, LoopNest> Run)> Passes => CudaLowering.Passes(Gpu);

    ICompiledKernel IBackend.Compile(LoopNest nest) => Compile(nest);

    /// <summary>Lowers, compiles and loads.</summary>
    /// <exception cref="LoweringException">The nest cannot be run, or not well; the reason by name.</exception>
    /// <exception cref="CudaException">The device failed.</exception>
    /// <exception cref="InvalidOperationException">This back end has no device.</exception>
    public CudaKernel Compile(LoopNest nest)
    {
        var device =
            _device
            ?? throw new InvalidOperationException(
                $"a back end that only compiles for {Gpu.Architecture} cannot load kernels"
            );
        var (program, compiled) = CompileText(nest);
        return new CudaKernel(device, program, compiled, Trace.Of(nest).ToString());
    }

    /// <inheritdoc/>
    public LoopNest Lower(LoopNest nest) => CudaLowering.WithoutBarriers(nest, Gpu);

    /// <summary>Lowers and compiles.</summary>
    /// <exception cref="LoweringException">The nest cannot be run, or not well; the reason by name.</exception>
    public CudaCompilation CompileText(LoopNest nest)
    {
        var program = CudaEmitter.Emit(CudaLowering.Run(nest, Gpu), Gpu);
        string key = _compiler.KeyOf(program.Source);
        var work = _pending.GetOrAdd(
            key,
            _ => new Lazy<CompileResult>(
                () => _compiler.Compile(program, _prune),
                LazyThreadSafetyMode.ExecutionAndPublication
            )
        );
        try
        {
            return new CudaCompilation(program, work.Value);
        }
        finally
        {
            // A result is in the cache from now on; a refusal has been told.
            _pending.TryRemove(key, out _);
        }
    }

    /// <inheritdoc/>
    public void CompileAhead(LoopNest nest)
    {
        LoopNest lowered;
        try
        {
            lowered = CudaLowering.Run(nest, Gpu);
        }
        catch (LoweringException)
        {
            // Refused before there was anything to compile, which costs as little the second time.
            return;
        }
        var program = CudaEmitter.Emit(lowered, Gpu);
        var work = _pending.GetOrAdd(
            _compiler.KeyOf(program.Source),
            _ => new Lazy<CompileResult>(
                () => _compiler.Compile(program, _prune),
                LazyThreadSafetyMode.ExecutionAndPublication
            )
        );
        try
        {
            _ = work.Value;
        }
        catch (LoweringException)
        {
            // The lazy value keeps the exception for the call that wants the kernel.
        }
    }
}
