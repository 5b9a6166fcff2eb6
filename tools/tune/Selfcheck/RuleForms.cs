using System.Globalization;
using Picograd.Schedules.Recipes;
using Picograd.Schedules.Rules;

namespace Picograd.Tune;

/// <summary>
/// Choices that make other code than a rule's default: each is checked on every operator of the check that the rule applies
/// to, where random choices would meet some of them only by luck.
/// </summary>
internal static class RuleForms
{
    private static readonly Dictionary<string, string[]> ByRule = new()
    {
        ["gpu-warpgroup-matmul"] =
        [
            "bulk=1 consumers=1 bm=64 bn=64 stages=2",
            "bulk=1 consumers=2 bm=128 bn=64 stages=3",
            "bulk=1 persistent=1 group=2",
            "bulk=1 split_k=2",
            "bulk=0 stages=3",
            "bulk=0 stages=2 consumers=2 bm=128 bn=64",
        ],
        ["gpu-tensor-matmul"] =
        [
            "bm=64 bn=64 wm=32 wn=32 stages=1 swizzle=0 pad=1",
            "bm=64 bn=64 wm=32 wn=32 stages=3 swizzle=1",
            "bm=32 bn=64 wm=16 wn=32 stages=2 swizzle=0 pad=0 split_k=2",
        ],
        ["gpu-tensor-attention"] = ["hold=0", "bq=16 bk=16", "skip=0"],
        ["gpu-matmul"] = ["stages=1", "stages=2"],
    };

    /// <summary>The default with other values for some of a rule's knobs; those that are the default already are left out.</summary>
    public static IEnumerable<Dictionary<string, long>> Of(ScheduleRule rule, IReadOnlyList<Knob> knobs)
    {
        var standard = knobs.ToDictionary(k => k.Name, k => k.Default);
        foreach (string form in ByRule.GetValueOrDefault(rule.Name, []))
        {
            var values = form.Split(' ')
                .Select(word => word.Split('='))
                .Select(word => (Name: word[0], Value: long.Parse(word[1], CultureInfo.InvariantCulture)))
                .ToList();
            // A knob that this shape does not have, or not with this value, makes another form of it.
            if (values.Any(v => knobs.All(k => k.Name != v.Name || !k.Values.Contains(v.Value))))
                continue;
            var chosen = new Dictionary<string, long>(standard);
            foreach (var (name, value) in values)
                chosen[name] = value;
            if (values.Any(v => standard[v.Name] != v.Value))
                yield return chosen;
        }
    }
}
