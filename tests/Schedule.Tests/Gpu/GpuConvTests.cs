using System.Collections.Immutable;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Rules.Gpu;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Gpu;

/// <summary>Convolutions by tiles in shared memory: odd sizes, steps, distances, groups, rims of zeros, epilogues.</summary>
public class GpuConvTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("conv2d n=2 c=3 h=8 w=8 oc=4 kh=3 kw=3 pad=1")]
    [InlineData("conv2d n=1 c=4 h=9 w=11 oc=6 kh=3 kw=3")]
    [InlineData("conv2d n=2 c=2 h=13 w=7 oc=5 kh=3 kw=3 stride=2 pad=1")]
    [InlineData("conv2d n=1 c=2 h=12 w=11 oc=4 kh=3 kw=2 dil=2 pad=2")]
    [InlineData("conv2d n=1 c=6 h=7 w=8 oc=8 kh=3 kw=3 pad=1 groups=2")]
    [InlineData("conv2d n=1 c=8 h=6 w=6 oc=8 kh=1 kw=1 bias=1")]
    [InlineData("conv2d n=1 c=3 h=8 w=6 oc=4 kh=3 kw=3 pad=1 bias=1 dtype=f16")]
    public void Tiles_are_right(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var subject = new Interpreted(algorithm, spec.MakeInputs(3));
        var rule = new GpuConvRule();
        var random = new Random(text.Length);
        var knobs = rule.Knobs(algorithm, Targets.H100);
        Assert.Contains(knobs, k => k is { Name: "tiled", Default: 1 });
        for (int i = 0; i < 4; i++)
        {
            var choices = knobs.ToImmutableSortedDictionary(
                k => k.Name,
                k => i == 0 || k.Name == "tiled" ? k.Default : k.Values[random.Next(k.Values.Length)]
            );
            string what = string.Join(" ", choices.Select(c => $"{c.Key}={c.Value}"));
            var nest = StoragePlacement.Run(rule.Apply(algorithm, Targets.H100, choices));
            if (i == 0)
                output.WriteLine($"{nest}");
            if (subject.Wrong(nest, i) is { } wrong)
                Assert.Fail($"{what}: {wrong}");
        }
    }
}
