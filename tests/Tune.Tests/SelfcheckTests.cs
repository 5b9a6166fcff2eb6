using System.Text.Json;

namespace Picograd.Tests;

public sealed class SelfcheckTests
{
    [Fact]
    public void Every_line_says_how_many_kernels_were_right()
    {
        string text = ToolRun.Line("selfcheck --only softmax --choices 1").Succeeded();
        Assert.Contains("ok      softmax rows=37 cols=1000 [rows]", text);
        Assert.Contains(" 0 kernels wrong", text);
    }

    [Fact]
    public void Json_has_one_object_a_rule()
    {
        string[] lines = ToolRun
            .Line("selfcheck --only cumsum --choices 0 --json")
            .Succeeded()
            .Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.NotEmpty(lines);
        foreach (string line in lines)
        {
            var root = JsonDocument.Parse(line).RootElement;
            Assert.Contains("cumsum", root.GetProperty("spec").GetString());
            Assert.Equal(1, root.GetProperty("right").GetInt32() + root.GetProperty("refused").GetInt32());
            Assert.Equal(0, root.GetProperty("wrong").GetInt32());
            Assert.InRange(root.GetProperty("worst_error").GetDouble(), 0, 1);
        }
    }

    [Theory]
    [InlineData("selfcheck --only frobnicate", "--only is 'frobnicate'", "no operator of the check")]
    [InlineData("selfcheck --choices many", "--choices is 'many'", "a whole number from 0 to 100")]
    [InlineData("selfcheck --target tpu", "--target is 'tpu'")]
    [InlineData("selfcheck --timeout 0", "--timeout is '0'", "from 1 to 3600")]
    public void Bad_usage_is_refused_with_its_reason(string line, params string[] parts) =>
        ToolRun.Line(line).Refused(parts);
}
