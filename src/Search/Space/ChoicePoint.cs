using System.Collections.Immutable;

namespace Picograd.Search.Space;

/// <summary>Choices of one rule; not yet a program.</summary>
/// <param name="rule">The rule.</param>
/// <param name="at">For every knob of it which of its values.</param>
internal sealed class ChoicePoint(RuleSpace rule, ImmutableArray<int> at)
{
    private string? _text;

    public RuleSpace Rule => rule;

    public ImmutableArray<int> At => at;

    /// <summary>Equal for equal points.</summary>
    public string Text =>
        _text ??=
            rule.Name
            + string.Concat(Values.OrderBy(v => v.Key, StringComparer.Ordinal).Select(v => $" {v.Key}={v.Value}"));

    /// <summary>A value for every knob, by its name.</summary>
    public IEnumerable<KeyValuePair<string, long>> Values =>
        rule.Knobs.Select((k, i) => KeyValuePair.Create(k.Name, k.Values[at[i]]));

    public ChoicePoint With(int knob, int value) => at[knob] == value ? this : new(rule, at.SetItem(knob, value));

    /// <summary>The choices of another point of the rule where they are finer than a level.</summary>
    public ChoicePoint Completed(ChoicePoint other, int level) =>
        new(rule, [.. at.Select((value, i) => rule.Knobs[i].Level > level ? other.At[i] : value)]);

    public override string ToString() => Text;
}
