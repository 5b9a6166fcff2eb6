using System.Collections.Immutable;

namespace Picograd.Schedules.Recipes;

/// <summary>What was chosen of a rule's knobs for one algorithm; the default of what was not.</summary>
public sealed class Choices
{
    private readonly IReadOnlyDictionary<string, long> _given;
    private readonly Func<ImmutableArray<Knob>> _offered;
    private ImmutableArray<Knob> _knobs;

    /// <param name="given">Values by knob; any may be missing.</param>
    /// <param name="offered">The knobs offered, asked for where something is missing.</param>
    public Choices(IReadOnlyDictionary<string, long> given, Func<ImmutableArray<Knob>> offered) =>
        (_given, _offered) = (given, offered);

    public long this[NumberKnob knob] => Of(knob.Name) ?? knob.Absent;

    public bool this[SwitchKnob knob] => Of(knob.Name) == 1;

    private long? Of(string name)
    {
        if (_given.TryGetValue(name, out long value))
            return value;
        if (_knobs.IsDefault)
            _knobs = _offered();
        return _knobs.FirstOrDefault(k => k.Name == name)?.Default;
    }
}
