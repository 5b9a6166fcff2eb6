using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

public static class Scopes
{
    /// <summary>As named in traces: global, heap, stack, shared, register, fragment.</summary>
    public static string Text(this Scope scope) => scope.ToString().ToLowerInvariant();
}
