using Picograd.Algorithms;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Traces;

namespace Picograd.Tune;

/// <summary>What a schedule becomes on a GPU, for people: CUDA C, launches, registers.</summary>
internal static class CudaText
{
    public static void Show(TextWriter to, CudaCompilation compilation)
    {
        Show(to, compilation.Program);
        ShowCommand.Heading(to, $"compiled: {compilation.Compiled.Cubin.Length} bytes");
        foreach (var kernel in compilation.Compiled.Report.Kernels)
            to.WriteLine(kernel.ToString());
        foreach (var (reason, line) in compilation.Compiled.Report.Problems)
            to.WriteLine($"{reason}: {line}");
    }

    /// <summary>
    /// The schedule for an H100 on a machine that has no GPU: text always, and what the compiler says of it where NVRTC is.
    /// </summary>
    public static void ShowWithoutDevice(
        ToolConsole console,
        Problem spec,
        string? trace,
        string missing,
        bool passes,
        bool asm
    )
    {
        var gpu = GpuInfo.H100;
        console.Error.WriteLine($"tune: shown for an H100 ({gpu.Architecture}), since {missing}");
        var target = new TargetInfo("cuda", $"cuda;{gpu.Architecture}", 0, 0, 1, 0, gpu.L2Bytes, 0) { Gpu = gpu };
        var nest = trace is null
            ? DefaultSchedule.For(spec.Algorithm, target)
            : Trace.Parse(TextFile.Read("--trace", trace)).Replay(spec.Algorithm);
        console.Out.WriteLine(
            $"{spec}: {(trace is null ? "default schedule" : $"trace {trace}")}, {target.Fingerprint}"
        );
        ShowCommand.ShowNest(console.Out, nest);
        if (passes)
            ShowCommand.ShowPasses(console.Out, nest, CudaLowering.Passes(gpu));
        if (!asm)
            return;
        if (CudaLibraries.Current.Nvrtc is { } nvrtc && nvrtc.Supports(gpu.Architecture))
            Show(console.Out, CudaBackend.CompileOnly(gpu, nvrtc).CompileText(nest));
        else
            Show(console.Out, CudaEmitter.Emit(CudaLowering.Run(nest, gpu), gpu));
    }

    private static void Show(TextWriter to, CudaProgram program)
    {
        ShowCommand.Heading(to, "CUDA C");
        to.WriteLine(program.Source.TrimEnd());
        ShowCommand.Heading(to, "launches");
        foreach (var launch in program.Launches)
        {
            to.WriteLine(
                $"{launch.Kernel}: {launch.GridX} × {launch.GridY} × {launch.GridZ} blocks of {launch.Threads} threads, {launch.SharedBytes} bytes of shared memory"
            );
        }
    }
}
