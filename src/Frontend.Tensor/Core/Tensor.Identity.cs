using System.ComponentModel;
using System.Runtime.CompilerServices;

namespace Picograd;

public sealed partial class Tensor
{
    private const string NotElements =
        "== and != tell whether two tensors are the same object. Use Eq or Ne for their elements, ReferenceEquals for objects, "
        + "'is null' for null.";

    /// <summary>Whether both are the same object. In PyTorch this compares elements, so the compiler warns of it.</summary>
    [Obsolete(NotElements)]
    public static bool operator ==(Tensor? a, Tensor? b) => ReferenceEquals(a, b);

    /// <inheritdoc cref="op_Equality(Tensor, Tensor)"/>
    [Obsolete(NotElements)]
    public static bool operator !=(Tensor? a, Tensor? b) => !ReferenceEquals(a, b);

    // Comparing with the word null is no mistake: it finds these, which the compiler does not warn of.

    /// <summary>Whether there is no tensor.</summary>
    [OverloadResolutionPriority(1)]
    public static bool operator ==(Tensor? tensor, Nothing? nothing) => tensor is null;

    /// <summary>Whether there is a tensor.</summary>
    [OverloadResolutionPriority(1)]
    public static bool operator !=(Tensor? tensor, Nothing? nothing) => tensor is not null;

    /// <summary>Whether there is no tensor.</summary>
    [OverloadResolutionPriority(1)]
    public static bool operator ==(Nothing? nothing, Tensor? tensor) => tensor is null;

    /// <summary>Whether there is a tensor.</summary>
    [OverloadResolutionPriority(1)]
    public static bool operator !=(Nothing? nothing, Tensor? tensor) => tensor is not null;

    /// <summary>Whether it is this very object; elements are compared by <see cref="Eq"/>.</summary>
    public override bool Equals(object? obj) => ReferenceEquals(this, obj);

    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);

    /// <summary>What <c>null</c> is where a tensor is compared with it; there is none.</summary>
    [EditorBrowsable(EditorBrowsableState.Never)]
    public sealed class Nothing
    {
        private Nothing() { }
    }
}
