using System.Diagnostics;

namespace Picograd.Graphs;

/// <summary>The line of a program from which the library was called.</summary>
internal static class UserLine
{
    /// <summary><c>Program.cs:42</c> of whoever is on the stack and not the library; the method where there are no lines, else empty.</summary>
    public static string Here()
    {
        var frames = new StackTrace(1, fNeedFileInfo: false).GetFrames();
        for (int i = 0; i < frames.Length; i++)
        {
            if (frames[i].GetMethod() is not { } method || method.Module.Assembly == typeof(UserLine).Assembly)
                continue;
            string? name = method.Module.Assembly.GetName().Name;
            if (name is null || name.StartsWith("System.", StringComparison.Ordinal))
                continue;
            var frame = new StackFrame(1 + i, needFileInfo: true);
            return frame.GetFileName() is { } file
                ? $"{Path.GetFileName(file)}:{frame.GetFileLineNumber()}"
                : $"{method.DeclaringType?.Name}.{method.Name}";
        }
        return "";
    }
}
