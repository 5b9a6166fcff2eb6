using System.Collections.Immutable;
using System.Text;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Interpret;

public enum SanitizerKind
{
    /// <summary>An index outside of [0, extent) of its dimension.</summary>
    OutOfBounds,

    /// <summary>A block axis bound to a value outside of [0, extent).</summary>
    AxisOutOfRange,

    /// <summary>A read of an element that nothing has written.</summary>
    UnwrittenRead,

    /// <summary>At the end of the program an element of an output was not written.</summary>
    UnwrittenOutput,

    /// <summary>Two iterations of a concurrent loop touch an element, one writes it, and no barrier is between them.</summary>
    Race,

    /// <summary>An element in shared memory is used while an asynchronous copy to it has not been waited for.</summary>
    PendingCopy,

    /// <summary>A barrier that not all threads of its scope reach.</summary>
    DivergentBarrier,
}

/// <summary>A program did what it must not. The message shows the nest with the statement marked.</summary>
public sealed class SanitizerException : Exception
{
    internal SanitizerException(
        SanitizerKind kind,
        string what,
        Buffer? buffer,
        ImmutableArray<long> index,
        ImmutableArray<(string Loop, long Value)> loops,
        LoopNest nest,
        Stmt? at
    )
        : base(Compose(kind, what, loops, nest, at))
    {
        Kind = kind;
        Buffer = buffer;
        Index = index;
        Loops = loops;
        Nest = nest;
        At = at;
    }

    public SanitizerKind Kind { get; }

    /// <summary>The buffer touched; null for a barrier or an axis.</summary>
    public Buffer? Buffer { get; }

    /// <summary>Index of the element; empty for a barrier, the value for an axis.</summary>
    public IReadOnlyList<long> Index { get; }

    /// <summary>Values of the loops around the statement, outermost first.</summary>
    public IReadOnlyList<(string Loop, long Value)> Loops { get; }

    /// <summary>The nest that ran (with storage placed).</summary>
    public LoopNest Nest { get; }

    /// <summary>The statement; null at the end of the program.</summary>
    public Stmt? At { get; }

    private static string Compose(
        SanitizerKind kind,
        string what,
        ImmutableArray<(string Loop, long Value)> loops,
        LoopNest nest,
        Stmt? at
    )
    {
        var text = new StringBuilder();
        text.Append(kind).Append(": ").Append(what);
        if (!loops.IsEmpty)
            text.Append(" where ").AppendJoin(", ", loops.Select(l => $"{l.Loop}={l.Value}"));
        text.AppendLine().Append(NestPrinter.Print(nest, at));
        return text.ToString();
    }
}
