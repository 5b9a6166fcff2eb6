using System.CommandLine;
using Picograd.Algorithms;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Warnings;
using Picograd.Lower.Cuda;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;

namespace Picograd.Tune;

/// <summary><c>tune show SPEC</c>: the schedule of an operator at every stage of its way to machine code.</summary>
internal static class ShowCommand
{
    public static Command Create(ToolConsole console)
    {
        var spec = SpecWords.Argument(optional: true);
        var algorithm = AlgorithmOption.Create();
        var passes = new Option<bool>("--passes") { Description = "The nest after each pass of the compiler" };
        var why = new Option<bool>("--why") { Description = "Which rule, with which choices, wrote each step" };
        var asm = new Option<bool>("--asm") { Description = "The machine code" };
        var trace = new Option<string?>("--trace") { Description = "A schedule written by hand", HelpName = "FILE" };
        var threads = CommonOptions.Threads();
        var db = CommonOptions.Db();
        var target = CommonOptions.Target();
        var command = new Command("show", "Shows trace, nest, passes and machine code of an operator")
        {
            spec,
            passes,
            asm,
            why,
            trace,
            threads,
            target,
            db,
            algorithm,
        };
        command.SetAction(parsed =>
        {
            var wanted = AlgorithmOption.Problem(parsed, spec, algorithm);
            var on = Targets.Named(parsed, target);
            string? hand = parsed.GetValue(trace);
            if (on.IsCuda && Targets.CudaMissing() is { } missing)
            {
                CudaText.ShowWithoutDevice(
                    console,
                    wanted,
                    hand,
                    missing,
                    parsed.GetValue(passes),
                    parsed.GetValue(asm)
                );
                return TuneCommand.Success;
            }
            int count = CommonOptions.ThreadsOf(parsed, threads);
            using var kernels = new ServedKernels(
                parsed.GetValue(db),
                count,
                untuned: hand is not null,
                notes: console.Error,
                backend: on.IsCuda ? new CudaBackend(Targets.Gpu(on)) : null
            );
            var backend = kernels.Backend;
            var (nest, origin) = Choose(wanted, hand);
            console.Out.WriteLine($"{wanted}: {origin}, {backend.Target.Fingerprint}");
            ShowNest(console.Out, nest);
            if (parsed.GetValue(why))
                ScheduleOrigin.Show(console.Out, wanted, nest, backend.Target, parsed.GetValue(db));
            if (backend is CpuBackend cpu)
                ShowWarnings(console.Out, nest, cpu);
            if (parsed.GetValue(passes))
                ShowPasses(console.Out, nest, Targets.Passes(backend));
            if (parsed.GetValue(asm))
                ShowCode(console.Out, nest, backend);
            if (on.IsCuda)
                TellOtherArchitectures(console.Error, wanted, parsed.GetValue(db), backend.Target);
            return TuneCommand.Success;
        });
        return command;
    }

    /// <summary>Winners of other GPUs are never served; who has some and wonders is told.</summary>
    private static void TellOtherArchitectures(TextWriter to, Problem spec, string? db, TargetInfo target)
    {
        string address = TuneDbLocation.Resolve(db);
        if (!TuneDatabase.IsThere(address))
            return;
        using var store = TuneDatabase.OpenForUse(address, TuneDbMode.ReadOnly);
        foreach (string note in OtherTargets.Notes(store, spec, target))
            to.WriteLine($"tune: {note}");
    }

    private static (LoopNest Nest, string Origin) Choose(Problem spec, string? trace)
    {
        if (trace is not null)
            return (Trace.Parse(TextFile.Read("--trace", trace)).Replay(spec.Algorithm), $"trace {trace}");
        var kernel = Dispatcher.Resolve(spec);
        string notes = kernel.Notes.Any() ? $" ({string.Join("; ", kernel.Notes)})" : "";
        return (kernel.Nest, $"{kernel.SourceName} schedule{notes}");
    }

    internal static void ShowNest(TextWriter to, LoopNest nest)
    {
        Heading(to, "trace");
        to.WriteLine(Trace.Of(nest).ToString().TrimEnd());
        Heading(to, "nest");
        to.WriteLine(NestPrinter.Print(nest).TrimEnd());
    }

    private static void ShowWarnings(TextWriter to, LoopNest nest, CpuBackend backend)
    {
        try
        {
            var warnings = ScheduleWarnings.Of(nest, backend);
            if (warnings.Count > 0)
                Heading(to, "warnings");
            foreach (var warning in warnings)
                to.WriteLine($"{warning} ({Figures.Percent(warning.Share)} of the work)");
        }
        catch (LoweringException e)
        {
            Heading(to, "warnings");
            to.WriteLine($"refused: the back end cannot compile this nest: {e.Message}");
        }
    }

    internal static void ShowPasses(
        TextWriter to,
        LoopNest nest,
        IEnumerable<(string Name, Func<LoopNest, LoopNest> Run)> passes
    )
    {
        string before = NestPrinter.Print(nest);
        foreach (var (name, run) in passes)
        {
            try
            {
                nest = run(nest);
            }
            catch (LoweringException e)
            {
                throw new FailureException($"pass {name} refuses the nest: {e.Message}");
            }
            string after = NestPrinter.Print(nest);
            Heading(to, after == before ? $"after {name} (unchanged)" : $"after {name}");
            if (after != before)
                to.WriteLine(after.TrimEnd());
            before = after;
        }
    }

    /// <exception cref="FailureException">The back end refuses the nest.</exception>
    internal static void ShowCode(TextWriter to, LoopNest nest, IBackend backend)
    {
        try
        {
            if (backend is CudaBackend cuda)
            {
                CudaText.Show(to, cuda.CompileText(nest));
                return;
            }
            using var kernel = ((CpuBackend)backend).Compile(nest);
            for (int i = 0; i < kernel.Methods.Count; i++)
            {
                // Bodies of parallel loops are methods of their own, made before the entry that starts them.
                bool isEntry = i == kernel.Methods.Count - 1;
                var code = NativeCode.Of(kernel.Methods[i]);
                ulong bytes = code[^1].NextIP - code[0].IP;
                Heading(
                    to,
                    $"machine code of {(isEntry ? "the kernel" : $"parallel body {i + 1}")}: {code.Count} instructions, {bytes} bytes"
                );
                Disassembly.Write(to, code);
            }
        }
        catch (LoweringException e)
        {
            throw new FailureException($"the back end refuses the nest: {e.Message}");
        }
    }

    internal static void Heading(TextWriter to, string text)
    {
        to.WriteLine();
        to.WriteLine($"--- {text}");
    }
}
