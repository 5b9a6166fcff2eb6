using Picograd.Algorithms.Operators;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Search;
using Xunit;

namespace Picograd.Tests;

public class IndependentCheckTests
{
    [Theory]
    [InlineData("matmul m=211 n=307 k=24")]
    [InlineData("softmax rows=300 cols=211")]
    public void A_schedule_of_another_rule_comes_first(string text)
    {
        var spec = OperatorSpec.Parse(text);
        var algorithm = spec.Build();
        var target = Machine.Cpu;
        var on = target.Backend.Target;
        var rules = ScheduleRules.For(algorithm, on).ToList();
        Assert.True(rules.Count > 1);
        int checkedRules = 0;
        foreach (var rule in rules)
        {
            // Every other choice than the default ones.
            var choices = rule.Knobs(algorithm, on)
                .ToDictionary(k => k.Name, k => k.Values.FirstOrDefault(v => v != k.Default, k.Default));
            LoopNest nest;
            TuneDb.Certification result;
            try
            {
                nest = rule.Apply(algorithm, on, choices);
                result = new Certifier(spec, target, seed: 3, maxPoints: 2e4).Certify(nest);
            }
            catch (ScheduleException)
            {
                continue;
            }
            if (result.IsRefused)
                continue;
            Assert.True(result.Ok, result.Detail);
            Assert.Contains("all elements beside those of another schedule (", result.Detail);
            Assert.DoesNotContain($"another schedule ({rule.Name}", result.Detail);
            checkedRules++;
        }
        Assert.True(checkedRules > 0);
    }
}
