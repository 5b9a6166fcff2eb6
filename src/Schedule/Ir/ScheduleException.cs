using System.Text;
using Picograd.Schedules.Primitives;

namespace Picograd.Schedules.Ir;

/// <summary>
/// A primitive's refusal. The message says why, what would be legal, and shows the nest with the offending line marked.
/// </summary>
public sealed class ScheduleException : Exception
{
    public ScheduleException(LoopNest? nest, Stmt? at, string reason, string? legal = null, string? primitive = null)
        : base(Compose(nest, at, reason, legal, primitive))
    {
        Nest = nest;
        At = at;
        Reason = reason;
        Legal = legal;
        Primitive = primitive;
    }

    public LoopNest? Nest { get; }

    public Stmt? At { get; }

    /// <summary>Why, in one sentence that names the loop, block or buffer.</summary>
    public string Reason { get; }

    /// <summary>What would be accepted instead.</summary>
    public string? Legal { get; }

    public string? Primitive { get; }

    private static string Compose(LoopNest? nest, Stmt? at, string reason, string? legal, string? primitive)
    {
        var text = new StringBuilder();
        if (primitive is not null)
            text.Append(primitive).Append(": ");
        text.Append(reason);
        if (legal is not null)
            text.AppendLine().Append("legal: ").Append(legal);
        if (nest is not null)
            text.AppendLine().Append(NestPrinter.Print(nest, at));
        return text.ToString();
    }
}
