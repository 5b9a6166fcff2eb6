namespace Picograd.Tests;

/// <summary>Bad usage: each case checks the reason that is given.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData("", "a command is missing", "show, targets")]
    [InlineData("bogus", "'bogus' is not a command", "show, targets")]
    [InlineData("db", "a command is missing", "list, show, why, verify, export, import, merge, certify, copy, prune")]
    [InlineData("db frob", "'frob' is not a command", "list, show, why")]
    [InlineData("db list --frob", "'--frob' is not an option", "--db")]
    [InlineData("db import", "FILE is missing")]
    [InlineData("db list --db", "--db")]
    [InlineData("db list --operator frob", "--operator is 'frob', an unknown operator", "known are matmul")]
    [InlineData("db prune", "prune removes nothing by itself", "--older-than")]
    [InlineData("db prune --older-than soon", "--older-than is 'soon'", "a whole number from 0")]
    [InlineData("targets --threads 0", "--threads is '0'", "a whole number from 1 to")]
    [InlineData("targets --threads -1", "--threads is '-1'", "a whole number from 1 to")]
    [InlineData("targets --threads many", "--threads is 'many'", "a whole number from 1 to")]
    [InlineData("targets --threads 100000", "--threads is '100000'", "a whole number from 1 to")]
    [InlineData("show", "SPEC is missing", "matmul m=256 n=3072 k=768")]
    [InlineData("show tanh n=8 --frob", "unknown option '--frob'", "--passes")]
    [InlineData("bench nowhere --target cuda:x", "--target is 'cuda:x', an unknown target")]
    [InlineData(
        "show tanh n=8 --target tpu",
        "--target is 'tpu', an unknown target",
        "allowed are cpu, cuda and cuda:N"
    )]
    [InlineData("show tanh n=8 exp n=8", "SPEC names 2 operators", "this command takes one")]
    public void Bad_usage_is_refused_with_its_reason(string line, params string[] parts) =>
        ToolRun.Line(line).Refused(parts);

    [Theory]
    [InlineData("frobnicate n=5", "unknown operator 'frobnicate'", "known are matmul")]
    [InlineData("matmul m=5 n=5", "matmul: k (length of the dot products) is missing")]
    [InlineData("matmul m=-5 n=5 k=5", "matmul: m=-5 is negative", "a whole number from 1 to")]
    [InlineData("matmul m=0 n=5 k=5", "matmul: m=0 is zero", "a whole number from 1 to")]
    [InlineData("matmul m=1099511627777 n=5 k=5", "matmul: m=1099511627777 is too large", "a whole number from 1 to")]
    [InlineData("matmul m=2000000000 n=2000000000 k=1", "would take more than", "the most that a tensor may have")]
    [InlineData("matmul m=x n=5 k=5", "matmul: m=x is not a whole number")]
    [InlineData("matmul m=5 n=5 k=5 q=1", "matmul: unknown key 'q'", "keys are m, n, k")]
    [InlineData("matmul m=5 m=5 n=5 k=5", "matmul: m is given twice")]
    [InlineData("matmul m=5 n=5 k=5 ta=2", "ta=2 is not allowed", "0 or 1")]
    [InlineData("matmul m=5 n=5 k 5", "'k' is not a key=value pair")]
    public void A_malformed_operator_is_refused_with_its_reason(string spec, params string[] parts)
    {
        ToolRun.Line($"show {spec}").Refused(parts);
        // The same as one quoted text.
        ToolRun.Of("show", spec).Refused(parts);
    }

    [Fact]
    public void A_trace_that_is_none_is_refused()
    {
        using var folder = new TempFolder();
        ToolRun.Of("show", "tanh n=8", "--trace", folder["missing"]).Refused("--trace", "there is no such file");
        ToolRun.Of("show", "tanh n=8", "--trace", folder[""]).Refused("--trace", "is a folder");
        ToolRun.Of("show", "tanh n=8", "--trace", "").Refused("--trace is empty");
        string text = folder.Write("text", "hello\n");
        ToolRun.Of("show", "tanh n=8", "--trace", text).Refused("this is not a trace", "picograd-trace 1");
        File.WriteAllBytes(folder["bytes"], [0xff, 0xfe, 0x80, 0x00]);
        ToolRun.Of("show", "tanh n=8", "--trace", folder["bytes"]).Refused("--trace", "not text in UTF-8");
        string zero = folder.Write("zero", "picograd-trace 1\n\0\n");
        ToolRun.Of("show", "tanh n=8", "--trace", zero).Refused("--trace", "control characters");
    }

    [Fact]
    public void A_trace_of_a_newer_version_is_refused()
    {
        using var folder = new TempFolder();
        string trace = folder.Write("trace", "picograd-trace 99\ninputs X\nstage Y(i)\n");
        ToolRun.Of("show", "tanh n=8", "--trace", trace).Refused("the trace has version 99, newer than version 1");
    }

    [Fact]
    public void A_trace_that_does_not_fit_is_refused_with_the_nest()
    {
        using var folder = new TempFolder();
        string other = folder.Write("other", "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\n");
        ToolRun
            .Of("show", "tanh n=8", "--trace", other)
            .Refused("the trace does not fit the algorithm", "2 inputs (A, B)");
        string split = folder.Write("split", "picograd-trace 1\ninputs A, B\nstage C(m, n, k)\na, b = split C.q 4\n");
        var run = ToolRun.Of("show", "matmul m=8 n=8 k=8", "--trace", split);
        Assert.Equal(2, run.Code);
        Assert.Contains("step 1 'a, b = split C.q 4' is refused", run.Error);
        Assert.Contains("C.q", run.Error);
        Assert.Contains("for C.m in 0..8", run.Error);
    }
}
