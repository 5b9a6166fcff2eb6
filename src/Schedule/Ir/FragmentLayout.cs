using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;

namespace Picograd.Schedules.Ir;

/// <summary>
/// A digit of a lane's or register's number: it has Extent values, and each one more moves on by Row rows or Column
/// columns of the tile. One of Row and Column is 0.
/// </summary>
public readonly record struct FragmentDigit(int Extent, int Row, int Column);

/// <summary>
/// Which lane of a warp (or warpgroup) holds which element of a tile in which of its registers. Lane and register
/// numbers are written in mixed radix, least digit first, and each digit is a step along rows or columns, so that both
/// directions are short index expressions. Every element is held exactly once.
/// </summary>
/// <remarks>
/// A register is one element here. Elements of 16 bits are packed: registers 2j and 2j+1 are the lower and the upper
/// half of 32-bit word j. The operand of an instruction that takes addresses has a layout too: the lane gives the address
/// of its register 0, and the others follow in memory (along columns).
/// </remarks>
public sealed record FragmentLayout
{
    /// <exception cref="ArgumentException">Digits that leave elements out or hold one twice.</exception>
    public FragmentLayout(string name, ImmutableArray<FragmentDigit> lane, ImmutableArray<FragmentDigit> register)
    {
        Name = name;
        Lane = lane;
        Register = register;
        var all = lane.Concat(register).ToList();
        if (all.Any(d => d.Extent < 2 || (d.Row == 0) == (d.Column == 0)))
            throw new ArgumentException(
                $"layout {name}: each digit has two values or more and runs along rows or along columns"
            );
        Lanes = lane.Aggregate(1, (n, d) => n * d.Extent);
        Registers = register.Aggregate(1, (n, d) => n * d.Extent);
        Rows = Extent(all.Where(d => d.Row > 0).Select(d => (d.Row, d.Extent)), "rows");
        Columns = Extent(all.Where(d => d.Column > 0).Select(d => (d.Column, d.Extent)), "columns");
    }

    public string Name { get; }

    /// <summary>Digits of the lane's number, least first.</summary>
    public ImmutableArray<FragmentDigit> Lane { get; }

    /// <summary>Digits of the register's number, least first.</summary>
    public ImmutableArray<FragmentDigit> Register { get; }

    /// <summary>
    /// Lanes that hold the tile: 32 for a warp, 128 for a warpgroup. Of address operands also 8 or 16; lane numbers count
    /// modulo this.
    /// </summary>
    public int Lanes { get; }

    /// <summary>Elements that each lane holds.</summary>
    public int Registers { get; }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Row of the element that a lane (0 ≤ lane) holds in a register (0 ≤ register &lt; Registers).</summary>
    public Expr RowOf(Expr lane, Expr register) => Place(lane, register, d => d.Row);

    /// <summary>Its column.</summary>
    public Expr ColumnOf(Expr lane, Expr register) => Place(lane, register, d => d.Column);

    /// <summary>Lane that holds an element of the tile.</summary>
    public Expr LaneOf(Expr row, Expr column) => Number(Lane, row, column);

    /// <summary>Register in which it holds it.</summary>
    public Expr RegisterOf(Expr row, Expr column) => Number(Register, row, column);

    /// <summary>Row and column of an element, as numbers.</summary>
    public (int Row, int Column) ElementAt(int lane, int register)
    {
        int row = 0;
        int column = 0;
        foreach (var (digit, value) in Values(Lane, lane).Concat(Values(Register, register)))
        {
            row += value * digit.Row;
            column += value * digit.Column;
        }
        return (row, column);
    }

    /// <summary>Lane and register of an element, as numbers.</summary>
    public (int Lane, int Register) HolderOf(int row, int column) =>
        (Number(Lane, row, column), Number(Register, row, column));

    /// <summary>
    /// Whether a tile of this layout is tiles of the other side by side, one after the other in the registers, so that one
    /// buffer serves instructions of both.
    /// </summary>
    public bool Extends(FragmentLayout other) =>
        Lane.SequenceEqual(other.Lane)
        && Register.Length >= other.Register.Length
        && Register.Take(other.Register.Length).SequenceEqual(other.Register)
        && Register.Skip(other.Register.Length).All(d => d.Row % other.Rows == 0 && d.Column % other.Columns == 0);

    /// <summary>Equal digits; names do not matter.</summary>
    public bool Equals(FragmentLayout? other) =>
        other is not null && Lane.SequenceEqual(other.Lane) && Register.SequenceEqual(other.Register);

    public override int GetHashCode() => Lane.Concat(Register).Aggregate(Lane.Length, HashCode.Combine);

    public override string ToString() => $"{Name} ({Rows}x{Columns})";

    private Expr Place(Expr lane, Expr register, Func<FragmentDigit, int> step)
    {
        Expr place = 0;
        foreach (var (number, digits) in new[] { (lane, Lane), (register, Register) })
        {
            long weight = 1;
            foreach (var digit in digits)
            {
                if (step(digit) != 0)
                    place += Op.Mod(Op.FloorDiv(number, weight), digit.Extent) * step(digit);
                weight *= digit.Extent;
            }
        }
        return place;
    }

    private static Expr Number(ImmutableArray<FragmentDigit> digits, Expr row, Expr column)
    {
        Expr number = 0;
        long weight = 1;
        foreach (var digit in digits)
        {
            var along = digit.Row > 0 ? row : column;
            number += Op.Mod(Op.FloorDiv(along, digit.Row + digit.Column), digit.Extent) * weight;
            weight *= digit.Extent;
        }
        return number;
    }

    private static int Number(ImmutableArray<FragmentDigit> digits, int row, int column)
    {
        int number = 0;
        int weight = 1;
        foreach (var digit in digits)
        {
            number += (digit.Row > 0 ? row : column) / (digit.Row + digit.Column) % digit.Extent * weight;
            weight *= digit.Extent;
        }
        return number;
    }

    private static IEnumerable<(FragmentDigit Digit, int Value)> Values(
        ImmutableArray<FragmentDigit> digits,
        int number
    )
    {
        foreach (var digit in digits)
        {
            yield return (digit, number % digit.Extent);
            number /= digit.Extent;
        }
    }

    // Digits along one direction are those of the position in a mixed radix: then each position comes once.
    private int Extent(IEnumerable<(int Step, int Extent)> digits, string direction)
    {
        int next = 1;
        foreach (var (step, extent) in digits.OrderBy(d => d.Step))
        {
            if (step != next)
                throw new ArgumentException(
                    $"layout {Name}: a digit steps {step} {direction} where {next} is the next step that is not covered"
                );
            next *= extent;
        }
        return next;
    }
}
