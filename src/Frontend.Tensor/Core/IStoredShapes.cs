using System.Diagnostics.CodeAnalysis;

namespace Picograd;

/// <summary>Tensors by name whose shapes are known before they are read.</summary>
internal interface IStoredShapes
{
    bool TryGetShape(string name, [NotNullWhen(true)] out long[]? shape);
}
