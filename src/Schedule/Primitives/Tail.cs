using Picograd.Schedules.Guards;

namespace Picograd.Schedules.Primitives;

/// <summary>What happens to the iterations of a split loop beyond a multiple of the factor.</summary>
public enum Tail
{
    /// <summary>There are none: the factor must divide the extent.</summary>
    None,

    /// <summary>A predicate on the block.</summary>
    Guard,

    /// <summary>As Guard; lowering cuts the outer loop so that only its last part tests.</summary>
    Peel,

    /// <summary>As Guard, meant for a vectorised inner loop: the predicate becomes a lane mask.</summary>
    Predicate,

    /// <summary>The last tile starts earlier and computes some points twice.</summary>
    ShiftInwards,

    /// <summary>Whole tiles are computed; only intermediates, which grow to a multiple, may be written.</summary>
    Pad,
}
