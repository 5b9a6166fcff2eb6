using System.Diagnostics;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules;

/// <summary>
/// Says which part of a rule wrote each step of a schedule: the methods of rules and recipes that were at work when a primitive was applied.
/// Asked for by people who look at a schedule; a search does without.
/// </summary>
public static class StepAuthors
{
    [ThreadStatic]
    private static Dictionary<int, string>? _noted;

    /// <summary>Makes a schedule and says who wrote its steps.</summary>
    /// <param name="build">Applies a rule.</param>
    /// <returns>
    /// For each step of the nest's trace the methods, from the rule to what it called: <c>TileRule.Build › LoopRecipes.SplitTile</c>. A method
    /// that the compiler made part of its caller goes by the caller's name.
    /// </returns>
    /// <exception cref="ScheduleException">As <paramref name="build"/> throws.</exception>
    public static (LoopNest Nest, IReadOnlyList<string> Authors) Of(Func<LoopNest> build)
    {
        ArgumentNullException.ThrowIfNull(build);
        var noted = _noted = [];
        try
        {
            var nest = build();
            return (nest, [.. Enumerable.Range(0, nest.Trace.Length).Select(i => noted.GetValueOrDefault(i, ""))]);
        }
        finally
        {
            _noted = null;
        }
    }

    /// <summary>Notes who applies the step that has just been made the last one of a trace; a trace that was reset is noted over.</summary>
    internal static void Note(LoopNest nest)
    {
        if (_noted is { } noted)
            noted[nest.Trace.Length - 1] = Caller();
    }

    private static string Caller()
    {
        var methods = new List<string>();
        foreach (var frame in new StackTrace(fNeedFileInfo: false).GetFrames())
        {
            if (frame.GetMethod() is not { DeclaringType: { } type } method || type == typeof(StepAuthors))
                continue;
            // What is generated for lambdas and iterators lies within the type that they are written in.
            while (type.DeclaringType is { } outer)
                type = outer;
            if (
                type.Namespace?.StartsWith("Picograd.Schedules", StringComparison.Ordinal) != true
                || type.Name == nameof(Rules.ScheduleRule)
            )
                continue;
            bool isPart = type.Namespace.Contains(".Rules") || type.Namespace.Contains(".Recipes");
            string name = $"{type.Name}.{Plain(method.Name)}";
            if (isPart && (methods.Count == 0 || methods[^1] != name))
                methods.Add(name);
        }
        methods.Reverse();
        return string.Join(" › ", methods);
    }

    // Local functions are called <Outer>g__Name|0_1, lambdas <Outer>b__0.
    private static string Plain(string method)
    {
        int local = method.IndexOf(">g__", StringComparison.Ordinal);
        if (local >= 0)
            return method[(local + 4)..].Split('|')[0];
        return method.StartsWith('<') ? method[1..].Split('>')[0]
            : method == ".ctor" ? "new"
            : method;
    }
}
