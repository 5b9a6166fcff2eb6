using System.Collections.Immutable;

namespace Picograd.Lower.Cpu.Warnings;

/// <summary>A property of a compiled loop nest that costs time and that primitives can mend.</summary>
/// <param name="Kind">One of <see cref="Kinds"/>.</param>
/// <param name="Problem">What the code does, in one clause.</param>
/// <param name="Place">The loops around it, outermost first, by the names that the lowered nest has.</param>
/// <param name="Share">Of the kernel's estimated work, 0 to 1.</param>
/// <param name="Mend">The primitives that would mend it.</param>
public sealed record ScheduleWarning(WarningKind Kind, string Problem, string Place, double Share, string Mend)
{
    public const string TestInInnerLoop = "test-in-inner-loop";
    public const string SpilledRegisters = "spilled-registers";
    public const string SumsInMemory = "sums-in-memory";
    public const string ScalarInnerLoop = "scalar-inner-loop";
    public const string StridedVector = "strided-vector";
    public const string SerialVector = "serial-vector";

    /// <summary>Every warning that there is.</summary>
    public static ImmutableArray<WarningKind> Kinds { get; } =
    [
        new(
            TestInInnerLoop,
            "a condition on loop variables is evaluated in every iteration of an inner loop",
            "decompose_reduction; split … tail=peel, or a factor that divides; decompose_padding"
        ),
        new(
            SpilledRegisters,
            "an inner loop needs more registers than there are, or a register buffer is memory",
            "smaller tiles; reverse_compute_at the copy of a register buffer into the loops over tiles"
        ),
        new(
            SumsInMemory,
            "a reduction loads and stores its sums in every iteration",
            "cache_write … register, with the loop of the reduction around a tile of sums"
        ),
        new(
            ScalarInnerLoop,
            "an inner loop computes one element at a time, and could compute vectors",
            "reorder and vectorize; rfactor where the inner loop is a reduction"
        ),
        new(
            StridedVector,
            "the lanes of a vector are loaded or stored one by one",
            "vectorize another loop; unroll as many as there are lanes, which transposes in registers; cache_read and transform_layout"
        ),
        new(
            SerialVector,
            "a loop that is marked vector runs one element at a time, since vectors cannot hold what is in it",
            "vectorize another loop, along which the accesses run through memory"
        ),
    ];

    public string Name => Kind.Name;

    public override string ToString() => $"{Name}: {Problem}, in {Place}; {Mend}";

    internal static WarningKind KindOf(string name) => Kinds.First(k => k.Name == name);
}

/// <summary>A kind of warning: its name, what it means and the primitives that mend it.</summary>
public sealed record WarningKind(string Name, string Meaning, string Mends);
