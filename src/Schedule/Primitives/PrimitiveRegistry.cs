namespace Picograd.Schedules;

/// <summary>All primitives by name.</summary>
public static class PrimitiveRegistry
{
    public static IReadOnlyDictionary<string, Primitive> All { get; } =
        new Primitive[]
        {
            // One a line, by name.
            new ComputeInline(),
            new Split(),
            new TransformLayout(),
        }.ToDictionary(p => p.Name);

    public static Primitive Get(string name) =>
        All.TryGetValue(name, out var primitive)
            ? primitive
            : throw new ScheduleException(
                null,
                null,
                $"unknown primitive '{name}'",
                string.Join(", ", All.Keys.Order(StringComparer.Ordinal))
            );
}
