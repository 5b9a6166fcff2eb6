namespace Picograd;

/// <summary>
/// On a field or a property of a <see cref="Module"/>: what it holds is no part of the module. A teacher that must not be
/// trained, the module around this one, a table that is kept but neither saved nor moved.
/// </summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property)]
public sealed class UnregisteredAttribute : Attribute;
