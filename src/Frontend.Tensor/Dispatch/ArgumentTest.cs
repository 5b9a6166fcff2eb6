using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Guards;

namespace Picograd.Dispatch;

/// <summary>
/// A <see cref="Guard"/> on an argument as dispatch tests it at every call: the address is a multiple of a number of bytes, or (where
/// the sizes of all arguments are given instead) the argument shares no byte with another.
/// </summary>
internal sealed record ArgumentTest(int Argument, int Alignment, ImmutableArray<long> Sizes = default)
{
    /// <summary>Whether addresses meet the assumption.</summary>
    public unsafe bool Holds(nint* arguments)
    {
        nint begin = arguments[Argument];
        if (Sizes.IsDefault)
            return begin % Alignment == 0;
        nint end = begin + (nint)Sizes[Argument];
        for (int i = 0; i < Sizes.Length; i++)
        {
            if (i != Argument && begin < arguments[i] + (nint)Sizes[i] && arguments[i] < end)
                return false;
        }
        return true;
    }

    /// <summary>
    /// The test of a guard; null for one that holds by construction: every argument of a kernel is dense, and what is served within a
    /// range was found to lie in it.
    /// </summary>
    /// <param name="text">The guard.</param>
    /// <param name="named">The algorithm under the names that the guard uses.</param>
    /// <param name="served">The same of the shape that is served, with constant extents.</param>
    /// <param name="test">The test.</param>
    /// <returns>False for a guard that this version cannot check, with which a record must not be used.</returns>
    public static bool TryMake(string text, Algorithm named, Algorithm served, out ArgumentTest? test)
    {
        test = null;
        switch (Guard.TryParse(text))
        {
            case Guard.Contiguous:
                return true;
            case Guard.Range range:
                return named.Parameters.Any(p => p.Name == range.Parameter && range.Min <= p.Min && p.Max <= range.Max);
            case Guard.Align align when IndexOf(align.Argument) is >= 0 and var argument:
                test = new ArgumentTest(argument, align.Bytes);
                return true;
            case Guard.Disjoint disjoint when IndexOf(disjoint.Argument) is >= 0 and var argument:
                // What an output replaces is the same memory, and not read by kernels.
                var replaced = served.ReplacedBy(served.Arguments[argument]);
                long?[] sizes = [.. served.Arguments.Select(a => a == replaced ? 0 : a.ConstantSize() * a.Type.Size())];
                if (sizes.Any(s => s is null))
                    return false;
                test = new ArgumentTest(argument, 1, [.. sizes.Select(s => s!.Value)]);
                return true;
            default:
                return false;
        }

        int IndexOf(string name) =>
            named
                .Arguments.Select((a, i) => (a.Name, i))
                .Where(a => a.Name == name)
                .Select(a => a.i)
                .FirstOrDefault(-1);
    }
}
