using System.CommandLine;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Schedules;

namespace Picograd.Tune;

/// <summary><c>tune show SPEC</c>: the schedule of an operator at every stage of its way to machine code.</summary>
internal static class ShowCommand
{
    public static Command Create(ToolConsole console)
    {
        var spec = SpecWords.Argument();
        var passes = new Option<bool>("--passes") { Description = "The nest after each pass of the compiler" };
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
            trace,
            threads,
            target,
            db,
        };
        command.SetAction(parsed =>
        {
            var wanted = SpecWords.ParseOne(parsed, spec);
            Targets.RequireCpu(parsed, target);
            using var kernels = new ServedKernels(
                parsed.GetValue(db),
                CommonOptions.ThreadsOf(parsed, threads),
                untuned: parsed.GetValue(trace) is not null,
                notes: console.Error
            );
            var backend = kernels.Backend;
            var (nest, origin) = Choose(wanted, parsed.GetValue(trace));
            console.Out.WriteLine($"{wanted}: {origin}, {backend.Target.Fingerprint}");
            ShowNest(console.Out, nest);
            if (parsed.GetValue(passes))
                ShowPasses(console.Out, nest, backend);
            if (parsed.GetValue(asm))
                ShowCode(console.Out, nest, backend);
            return TuneCommand.Success;
        });
        return command;
    }

    private static (LoopNest Nest, string Origin) Choose(OperatorSpec spec, string? trace)
    {
        if (trace is not null)
            return (Trace.Parse(TextFile.Read("--trace", trace)).Replay(spec.Build()), $"trace {trace}");
        var kernel = Dispatcher.Resolve(spec);
        string notes = string.Concat(kernel.Notes.Select(n => $" ({n})"));
        return (kernel.Nest, $"{kernel.SourceName} schedule{notes}");
    }

    private static void ShowNest(TextWriter to, LoopNest nest)
    {
        Heading(to, "trace");
        to.WriteLine(Trace.Of(nest).ToString().TrimEnd());
        Heading(to, "nest");
        to.WriteLine(NestPrinter.Print(nest).TrimEnd());
    }

    private static void ShowPasses(TextWriter to, LoopNest nest, CpuBackend backend)
    {
        string before = NestPrinter.Print(nest);
        foreach (var (name, run) in backend.Passes)
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

    private static void ShowCode(TextWriter to, LoopNest nest, CpuBackend backend)
    {
        try
        {
            using var kernel = backend.Compile(nest);
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

    private static void Heading(TextWriter to, string text)
    {
        to.WriteLine();
        to.WriteLine($"--- {text}");
    }
}
