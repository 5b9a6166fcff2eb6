using System.Runtime.InteropServices;

namespace Picograd.Tests;

public sealed class ShowTests
{
    private const string Split = "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\nm0, m1 = split C.m 4\n";

    [Fact]
    public void Shows_source_trace_and_nest()
    {
        using var folder = new TempFolder();
        string text = ToolRun.Of("show", "matmul m=8 n=16 k=4", "--trace", folder.Write("t", Split)).Succeeded();
        Assert.StartsWith("matmul m=8 n=16 k=4: trace ", text);
        Assert.Contains("--- trace\npicograd-trace 1\n", text);
        Assert.Contains("split C.m 4", text);
        Assert.Contains("--- nest\nfor ", text);
        Assert.DoesNotContain("--- after", text);
        Assert.DoesNotContain("machine code", text);
    }

    [Fact]
    public void Passes_show_each_pass_and_say_where_nothing_moved()
    {
        string text = ToolRun.Line("show matmul m=8 n=16 k=4 --passes --db /nowhere/none").Error;
        Assert.Contains("/nowhere", text);
        using var folder = new TempFolder();
        text = ToolRun.Of("show", "matmul m=8 n=16 k=4", "--trace", folder.Write("t", Split), "--passes").Succeeded();
        Assert.Contains("--- after lower-blocks\n", text);
        Assert.Contains("--- after legalize-vectors (unchanged)", text);
        Assert.Contains("--- after unroll", text);
    }

    [SkippableFact]
    public void Asm_shows_the_code_of_the_kernel()
    {
        Skip.If(RuntimeInformation.ProcessArchitecture != Architecture.X64, "the decoder reads x64 code only");
        using var folder = new TempFolder();
        string text = ToolRun
            .Of("show", "matmul m=8 n=16 k=4", "--trace", folder.Write("t", Split), "--asm")
            .Succeeded();
        Assert.Contains("machine code of the kernel", text);
        var code = text[text.IndexOf("machine code", StringComparison.Ordinal)..].TrimEnd().Split('\n');
        Assert.Contains("push", code[1]);
        Assert.EndsWith("ret", code[^1]);
        Assert.Contains(code, line => line.StartsWith('L') && line.EndsWith(':'));
        Assert.Contains(code, line => line.Contains("mulss") || line.Contains("fmadd") || line.Contains("mulps"));
    }

    [SkippableFact]
    public void Asm_shows_parallel_bodies_too()
    {
        Skip.If(RuntimeInformation.ProcessArchitecture != Architecture.X64, "the decoder reads x64 code only");
        Skip.If(Environment.ProcessorCount < 2, "one thread has no parallel bodies");
        using var folder = new TempFolder();
        string trace = folder.Write("t", "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\nparallel C.m\n");
        string text = ToolRun
            .Of("show", "matmul m=8 n=16 k=4", "--trace", trace, "--asm", "--threads", "2")
            .Succeeded();
        Assert.Contains("machine code of parallel body 1", text);
        Assert.Contains("machine code of the kernel", text);
    }

    [Fact]
    public void An_operator_without_a_record_is_shown_on_its_default_schedule()
    {
        using var folder = new TempFolder();
        using (TuneDb.TuneDatabase.Open(folder["db"])) { }
        string text = ToolRun.Of("show", "sum rows=9 cols=7 axis=1", "--db", folder["db"]).Succeeded();
        Assert.StartsWith("sum rows=9 cols=7 axis=1: default schedule", text);
    }

    private static string Tile(int rows) =>
        $"""
            picograd-trace 1
            inputs A, B
            stage C(m, n, k)
            reg, copy = cache_write C register
            mo, mi = split C.m {rows} tail=none
            no, ni = split C.n 32 tail=none
            reorder mo no C.k mi ni
            unroll mi
            vectorize ni
            reverse_compute_at copy no
            decompose_reduction C C.k
            """;

    [Fact]
    public void A_schedule_that_costs_time_is_warned_of_by_name()
    {
        using var folder = new TempFolder();
        const string spec = "matmul m=512 n=512 k=512";
        string plain = folder.Write("plain", "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\n");
        string text = ToolRun.Of("show", spec, "--trace", plain).Succeeded();
        Assert.Matches(
            @"--- warnings\nscalar-inner-loop: C\.k computes one element at a time .*, in C\.m > C\.n > .*; reorder C\.n .* \([0-9]+ % of the work\)\n",
            text
        );
        string good = ToolRun.Of("show", spec, "--trace", folder.Write("good", Tile(4))).Succeeded();
        Assert.DoesNotContain("--- warnings", good);
    }

    [Fact]
    public void A_nest_that_cannot_be_compiled_is_said_to_be_none()
    {
        using var folder = new TempFolder();
        // The copy of the register buffer is not brought into the loops over tiles: all of C in registers.
        string trace = folder.Write("t", Tile(8).Replace("reverse_compute_at copy no\n", ""));
        string text = ToolRun.Of("show", "matmul m=512 n=512 k=512", "--trace", trace).Succeeded();
        Assert.Contains("--- warnings\nrefused: the back end cannot compile this nest: unroll-too-large", text);
    }

    /// <summary>Accumulators are counted on the nest; what the JIT does with too many is seen in its code.</summary>
    [SkippableFact]
    public void Spilled_registers_are_in_the_machine_code()
    {
        Skip.If(Lower.Cpu.Machine.CpuTarget.NativeVectorBits < 512, "tiles of 512-bit vectors are looked at");
        Skip.If(RuntimeInformation.ProcessArchitecture != Architecture.X64, "the decoder reads x64 code only");
        using var folder = new TempFolder();
        foreach (var (rows, spills) in new[] { (4, false), (8, false), (16, true) })
        {
            string text = ToolRun
                .Of("show", "matmul m=512 n=512 k=512", "--asm", "--trace", folder.Write("t", Tile(rows)))
                .Succeeded();
            Assert.Equal(spills, text.Contains("spilled-registers: ", StringComparison.Ordinal));
            var moves = text.Split('\n').Where(l => l.Contains("zmm") && (l.Contains("[rsp") || l.Contains("[rbp")));
            Assert.Equal(spills, moves.Any());
        }
    }
}
