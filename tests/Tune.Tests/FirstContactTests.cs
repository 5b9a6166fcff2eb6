using Picograd.Algorithms.Operators;

namespace Picograd.Tests;

/// <summary>Help, hints at what was meant, and tables on terminals.</summary>
public sealed class FirstContactTests
{
    [Fact]
    public void Help_lists_every_operator_by_group()
    {
        string help = ToolRun.Line("--help").Succeeded();
        foreach (var (group, operators) in OperatorLibrary.Groups)
        {
            int at = help.IndexOf($"\n  {group} ", StringComparison.Ordinal);
            Assert.True(at >= 0, $"no group {group}");
            foreach (var definition in operators)
                Assert.Contains($" {definition.Name}", help[at..]);
        }
        Assert.All(help.Split('\n').Where(l => l.StartsWith("  ")), l => Assert.InRange(l.TrimEnd().Length, 1, 100));
        Assert.Equal(OperatorLibrary.All, OperatorLibrary.Groups.SelectMany(g => g.Operators));
    }

    [Fact]
    public void Keys_of_an_operator_are_told_with_their_meaning()
    {
        foreach (string line in new[] { "operators attention", "op attention --help", "show attention b=2 --help" })
        {
            string text = ToolRun.Line(line).Succeeded();
            foreach (var key in OperatorLibrary.Find("attention")!.Keys)
            {
                Assert.Contains($"{key.Name}=", text);
                Assert.Contains(key.Doc, text);
            }
            Assert.Contains("such as attention b=2 h=2 tq=5 tk=7 d=3", text);
        }
        string all = ToolRun.Line("operators").Succeeded();
        Assert.All(OperatorLibrary.All, o => Assert.Contains($"  {o.Name} ", all));
        ToolRun.Line("operators atention").Refused("unknown operator 'atention' (did you mean attention?)");
    }

    [Theory]
    [InlineData("reprot", "'reprot' is not a command (did you mean report?)", "commands of 'tune' are")]
    [InlineData("BENCH", "'BENCH' is not a command (did you mean bench?)")]
    [InlineData("matmul m=3", "'matmul' is not a command (did you mean tune op matmul …?)")]
    [InlineData("db lst", "'lst' is not a command (did you mean list?)", "commands of 'tune db' are")]
    [InlineData("targets --treads 2", "'--treads' is not an option", "(did you mean --threads?)")]
    [InlineData("show tanh n=8 --pases", "unknown option '--pases' (did you mean --passes?)")]
    [InlineData("show matmull m=3", "unknown operator 'matmull' (did you mean matmul?)")]
    [InlineData("show layer_norm rows=3", "unknown operator 'layer_norm' (did you mean layernorm?)")]
    [InlineData("show softmax row=3 cols=5", "softmax: unknown key 'row' (did you mean rows?)", "keys are rows")]
    [InlineData("show matmul M=3 n=3 k=3", "matmul: unknown key 'M' (did you mean m?)")]
    [InlineData("show matmul m=3 n=3 k=3 dtype=float32", "dtype=float32 is not allowed (did you mean f32?)")]
    [InlineData("show matmul m=3 n=3 k=3 dtype=half", "(did you mean f16?)", "allowed: one of f32")]
    [InlineData("show matmul m=3 n=3 k=3 dtype=b16", "(did you mean f16, bf16 or i16?)")]
    [InlineData("show matmul m=3 n=3 k=3 act=rellu", "act=rellu is not allowed (did you mean relu?)")]
    [InlineData("db list --operator matml", "unknown operator 'matml' (did you mean matmul?)")]
    [InlineData("completion zhs", "SHELL is 'zhs' (did you mean zsh?)", "one of bash, zsh, pwsh")]
    public void Who_mistypes_is_told_what_may_have_been_meant(string line, params string[] parts) =>
        ToolRun.Line(line).Refused(parts);

    [Theory]
    [InlineData("show frobnicate n=3")]
    [InlineData("bogus")]
    [InlineData("show matmul m=3 n=3 k=3 q=7")]
    [InlineData("show matmul m=3 n=3 k=3 dtype=complex64")]
    public void What_is_near_to_nothing_gets_no_hint(string line) =>
        Assert.DoesNotContain("did you mean", ToolRun.Line(line).Error);

    private static Tune.TextTable Table()
    {
        var table = new Tune.TextTable("operator", ">time", "source");
        table.Add("attention b=2 h=12 tq=1024 tk=1024 d=64 causal=1", "1.23 ms", "near schedule of another shape");
        table.Add("tanh n=8", null, "default");
        return table;
    }

    [Fact]
    public void A_table_that_is_not_for_a_terminal_has_a_row_a_line()
    {
        using var text = new StringWriter();
        Table().Write(new Tune.PlainTextWriter(text), "  ");
        Assert.Equal(
            """
              operator                                             time  source
              attention b=2 h=12 tq=1024 tk=1024 d=64 causal=1  1.23 ms  near schedule of another shape
              tanh n=8                                                -  default

            """.ReplaceLineEndings(),
            text.ToString()
        );
    }

    [Theory]
    [InlineData(200)]
    [InlineData(92)]
    [InlineData(80)]
    [InlineData(60)]
    [InlineData(40)]
    [InlineData(20)]
    public void A_table_fits_its_terminal_and_loses_nothing(int width)
    {
        using var text = new StringWriter();
        Table().Write(new Tune.PlainTextWriter(text) { Width = width }, "  ");
        string[] lines = text.ToString().TrimEnd().Split('\n');
        if (width >= 40)
            Assert.All(lines, l => Assert.InRange(l.TrimEnd().Length, 1, width));
        if (width >= 92)
            Assert.Equal(3, lines.Length);
        foreach (
            string word in "attention b=2 h=12 tq=1024 causal=1 1.23 ms near another shape tanh - default".Split(' ')
        )
            Assert.Contains(word, text.ToString());
    }
}
