using Picograd.Calls;

namespace Picograd.Graphs;

/// <summary>
/// Whether two recordings of a function are the same program: the same calls on the same memory, with the same numbers but for those
/// that are known to change. What differs would be frozen otherwise.
/// </summary>
internal static class ProgramComparison
{
    /// <summary>The first difference, as a sentence; null where there is none.</summary>
    public static string? Difference(RecordedProgram a, RecordedProgram b)
    {
        for (int i = 0; i < Math.Min(a.Steps.Length, b.Steps.Length); i++)
        {
            if (Difference(a.Steps[i], b.Steps[i]) is { } sentence)
                return sentence;
        }
        if (a.Steps.Length != b.Steps.Length)
        {
            var longer = a.Steps.Length > b.Steps.Length ? a : b;
            return $"one call had {a.Steps.Length} steps and the next {b.Steps.Length}; "
                + $"{Describe(longer.Steps[Math.Min(a.Steps.Length, b.Steps.Length)])} is in one only";
        }
        if (!a.Results.SequenceEqual(b.Results, new ByResult()))
            return "the results are views of other memory, or other shapes, in the next call";
        if (
            !a
                .Swaps.Select(s => (s.Before.Number, s.After.Number))
                .SequenceEqual(b.Swaps.Select(s => (s.Before.Number, s.After.Number)))
        )
            return "other tensors were changed in place in the next call";
        if (!a.Moves.SequenceEqual(b.Moves))
            return "another number of random numbers was drawn in the next call";
        if (a.Leaves.Length != b.Leaves.Length || !a.Leaves.Zip(b.Leaves).All(l => Ends(l.First, l.Second)))
            return "other tensors had gradients in the next call";
        return null;
    }

    // Leaves that end as they began are no part of it.
    private static bool Ends(Leaf a, Leaf b) =>
        IsSame(a, b) && (a.Made?.Number ?? -1) == (b.Made?.Number ?? -1) && a.After is null == b.After is null;

    private static string? Difference(Step a, Step b)
    {
        switch (a, b)
        {
            case (CallStep x, CallStep y):
                return Difference(x, y);
            case (NumbersStep x, NumbersStep y) when x.Numbers.Title == y.Numbers.Title:
                return null;
            case (ScanStep x, ScanStep y) when x.Scan == y.Scan && x.Found == y.Found:
                return Difference(x.Operand, y.Operand) is { } s ? $"{Describe(a)}: {s}" : null;
            case (ValueStep x, ValueStep y):
                return x.Value != y.Value
                        ? $"{Describe(a)} was {x.Value != 0} in one call and {y.Value != 0} in the next"
                    : Difference(x.Operand, y.Operand) is { } t ? $"{Describe(a)}: {t}"
                    : null;
            default:
                return $"one call had {Describe(a)} where the next had {Describe(b)}";
        }
    }

    private static string? Difference(CallStep a, CallStep b)
    {
        if (!ReferenceEquals(a.Operator, b.Operator) || !a.Words.AsSpan().SequenceEqual(b.Words))
            return $"one call had {Describe(a)} where the next had {Describe(b)}";
        if (a.Operands.Length != b.Operands.Length || !ReferenceEquals(a.Runtime, b.Runtime))
            return $"{Describe(a)} had other operands in the next call";
        if (!Equals(a.Draw, b.Draw))
            return $"{Describe(a)} drew from another generator, or from another place, in the next call";
        for (int i = 0; i < a.Operands.Length; i++)
        {
            bool isLive = a.Live is not null || a.Draw is not null;
            if (Difference(a.Operands[i], b.Operands[i], isLive) is { } sentence)
                return $"{Describe(a)}: {sentence}";
        }
        return null;
    }

    private static string? Difference(Operand a, Operand b, bool isLive = false)
    {
        if (a.Number is { } x && b.Number is { } y)
            return isLive || x.AsSpan().SequenceEqual(y)
                ? null
                : $"a number was {Text(a)} in one call and {Text(b)} in the next; pass it as a tensor";
        if (a.Block is null && b.Block is null)
            return null;
        if (a.Block is not { } p || b.Block is not { } q)
            return "a tensor in one call was a number in the next";
        if (
            p.Kind != q.Kind
            || p.Number != q.Number
            || (p.Bytes != q.Bytes && p.Kind != BlockKind.Argument)
            || a.Version != b.Version
            || a.Offset != b.Offset
        )
            return $"it read or wrote {p} in one call and {q} in the next";
        if (p.Kind == BlockKind.Captured && !ReferenceEquals(p.Storage, q.Storage))
            return "it read or wrote a tensor from outside that is another one in the next call; pass it as an argument";
        if (p.Kind == BlockKind.Argument && p.Argument != q.Argument)
            return "it read or wrote another argument in the next call";
        if (p.Kind == BlockKind.Gradient && !IsSame(p.Leaf!, q.Leaf!))
            return "it read or wrote the gradient of another tensor in the next call";
        if (p.Kind == BlockKind.Constant && !p.Contents.AsSpan().SequenceEqual(q.Contents))
            return "it read values that the host made, which are others in the next call; pass them as an argument";
        return null;
    }

    private static bool IsSame(Leaf a, Leaf b) =>
        a.Argument == b.Argument && (a.Argument >= 0 || ReferenceEquals(a.Tensor, b.Tensor));

    private static string Text(Operand number)
    {
        byte[] given = number.Number!;
        byte[] bytes = new byte[8];
        given.AsSpan(0, Math.Min(8, given.Length)).CopyTo(bytes);
        return given.Length switch
        {
            4 => BitConverter.ToSingle(bytes).ToString(System.Globalization.CultureInfo.InvariantCulture),
            8 => $"0x{BitConverter.ToInt64(bytes):x}",
            _ => Convert.ToHexString(given),
        };
    }

    private static string Describe(Step step) =>
        step switch
        {
            CallStep c => $"{c.Spec}{At(c.Line)}",
            NumbersStep n => n.Numbers.Title,
            ScanStep s => $"the check of indices of {s.Scan.What}{At(s.Line)}",
            ValueStep v => $"a bool that the host looked at{At(v.Line)}",
            _ => step.ToString(),
        };

    private static string At(string line) => line.Length == 0 ? "" : $" at {line}";

    private sealed class ByResult : IEqualityComparer<Result>
    {
        public bool Equals(Result? a, Result? b) =>
            a!.Argument == b!.Argument
            && a.Type == b.Type
            && (a.Block?.Number ?? -1) == (b.Block?.Number ?? -1)
            && a.Layout.Sizes.AsSpan().SequenceEqual(b.Layout.Sizes)
            && a.Layout.Strides.AsSpan().SequenceEqual(b.Layout.Strides)
            && a.Layout.Offset == b.Layout.Offset;

        public int GetHashCode(Result result) => result.Argument;
    }
}
