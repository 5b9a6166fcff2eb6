using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Passes;

/// <summary>
/// How positions along one direction (rows or columns) of a fragment's tile are spread: the digits of the lane's number and
/// of the register's number that step along it. Weight is what a digit counts in the number, Step what it moves on.
/// </summary>
internal sealed record FragmentDirection(
    ImmutableArray<(long Weight, long Extent, long Step)> Lane,
    ImmutableArray<(long Weight, long Extent, long Step)> Register,
    long Period
)
{
    public static FragmentDirection Rows(FragmentLayout layout) =>
        new(Digits(layout.Lane, d => d.Row), Digits(layout.Register, d => d.Row), layout.Rows);

    public static FragmentDirection Columns(FragmentLayout layout) =>
        new(Digits(layout.Lane, d => d.Column), Digits(layout.Register, d => d.Column), layout.Columns);

    /// <summary>What a lane adds to the positions of its elements.</summary>
    public Expr Offset(Expr lane) =>
        Lane.Aggregate((Expr)0, (sum, d) => sum + Op.Mod(Op.FloorDiv(lane, d.Weight), d.Extent) * d.Step);

    /// <summary>What a position adds to the register's number.</summary>
    public Expr Number(Expr position) =>
        Register.Aggregate((Expr)0, (sum, d) => sum + Op.Mod(Op.FloorDiv(position, d.Step), d.Extent) * d.Weight);

    /// <summary>
    /// The direction with the longer period, if equal positions along both are with equal lanes; null where they are not.
    /// </summary>
    public FragmentDirection? Join(FragmentDirection other)
    {
        var (small, big) = Period <= other.Period ? (this, other) : (other, this);
        return
            big.Period % small.Period == 0
            && small.Lane.Order().SequenceEqual(big.Lane.Order())
            && small.Register.All(s => big.Register.Any(b => b.Step == s.Step && b.Extent >= s.Extent))
            ? big
            : null;
    }

    /// <summary>The same with registers numbered by this direction alone, from a weight on.</summary>
    public FragmentDirection Alone(long weight)
    {
        var digits = ImmutableArray.CreateBuilder<(long, long, long)>();
        foreach (var (_, extent, step) in Register.OrderBy(d => d.Step))
        {
            digits.Add((weight, extent, step));
            weight *= extent;
        }
        return this with { Register = digits.ToImmutable() };
    }

    /// <summary>Registers that a tile needs along this direction.</summary>
    public long Registers => Register.Aggregate(1L, (n, d) => n * d.Extent);

    private static ImmutableArray<(long, long, long)> Digits(
        ImmutableArray<FragmentDigit> digits,
        Func<FragmentDigit, int> step
    )
    {
        var found = ImmutableArray.CreateBuilder<(long, long, long)>();
        long weight = 1;
        foreach (var digit in digits)
        {
            if (step(digit) > 0)
                found.Add((weight, digit.Extent, step(digit)));
            weight *= digit.Extent;
        }
        return found.ToImmutable();
    }
}
