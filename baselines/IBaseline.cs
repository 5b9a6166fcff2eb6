using System.Diagnostics.CodeAnalysis;

namespace Picograd.Baselines;

/// <summary>A library of kernels that reports compare ours with.</summary>
public interface IBaseline
{
    /// <summary>The name in reports: <c>hand</c>, <c>openblas</c>.</summary>
    string Lib { get; }

    /// <summary>Whether the library can be used on this machine.</summary>
    bool IsAvailable { get; }

    /// <summary>Where <see cref="IsAvailable"/> is false, one sentence: what is missing and how to get it. Else empty.</summary>
    string Missing { get; }

    /// <summary>
    /// Makes an action that runs the operator once on the case's memory, as often as it is called. False where the library
    /// has no such operator or is not available.
    /// </summary>
    /// <exception cref="ArgumentException">The operator is known, but an attribute, input or output is missing or wrong.</exception>
    bool TryCreate(OperatorCase operatorCase, [NotNullWhen(true)] out Action? run);
}

/// <summary>All baselines of this machine's kind, available or not.</summary>
public static class BaselineRegistry
{
    /// <summary>Hand-written kernels first, then system libraries.</summary>
    public static IReadOnlyList<IBaseline> All { get; } = [new HandBaseline(), new OpenBlasBaseline()];
}
