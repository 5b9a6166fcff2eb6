using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Xunit;

namespace Picograd.Tests.Primitives;

/// <summary>The before / after that each primitive documents is what it does, and docs/primitives.md shows it.</summary>
public class ExampleTests
{
    private const string Update = "PICOGRAD_UPDATE";

    public static TheoryData<string> Names => [.. PrimitiveRegistry.All.Keys.Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Example_gives_the_nest_it_shows(string name)
    {
        var primitive = PrimitiveRegistry.Get(name);
        Assert.True(primitive.Example is not null, $"primitive {name} has no example");
        var example = primitive.Example;
        Assert.Equal(name, Step.Parse(example.Step).Primitive);
        string result = Lines(example.Result().ToString());
        Assert.True(
            Lines(example.After) == result,
            $"the example of {name} shows another nest than it gives:\n{result}"
        );
        Assert.NotEqual(Lines(example.After), Lines(example.Before().ToString()));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Example_replays_from_its_trace(string name)
    {
        var example = PrimitiveRegistry.Get(name).Example;
        Assert.True(example is not null, $"primitive {name} has no example");
        var nest = example.Result();
        var trace = Trace.Of(nest);
        var again = Trace.Parse(trace.ToString()).Replay(SampleAlgorithms.All[example.Sample]());
        Assert.Equal(nest.ToString(), again.ToString());
        Assert.Equal(trace, Trace.Of(again));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Form_and_requirements_are_written_down(string name)
    {
        var primitive = PrimitiveRegistry.Get(name);
        Assert.Contains(name, primitive.Usage.Split(' '));
        Assert.EndsWith(".", primitive.Requirements.Trim());
        Assert.Equal(name, primitive.Name);
    }

    [Fact]
    public void Documentation_is_up_to_date()
    {
        string path = Path.Combine(Root(), "docs", "primitives.md");
        string text = PrimitiveDocs.Markdown();
        if (Environment.GetEnvironmentVariable(Update) == "1")
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, text);
        }
        Assert.True(
            File.Exists(path) && File.ReadAllText(path).ReplaceLineEndings("\n") == text,
            $"docs/primitives.md is not what the primitives say; run the tests once with {Update}=1 to write it"
        );
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Picograd.slnx")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new InvalidOperationException("the tests do not run within the repository");
    }

    private static string Lines(string text) => text.ReplaceLineEndings("\n").Trim('\n');
}
