using System.Collections.Immutable;

namespace Picograd.Schedules.Ir;

/// <summary>
/// Several stores at once: all indices and values are evaluated before anything is stored. What a tuple-valued
/// reduction lowers to.
/// </summary>
public sealed record StoreAll(ImmutableArray<Store> Stores) : Stmt;
