using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>
/// How a warpgroup matrix instruction finds an operand in shared memory (PTX ISA, "Matrix descriptor"; CUTLASS
/// mma_sm90_desc.hpp): the address of its first element, before swizzling, and two strides in bytes.
/// </summary>
/// <param name="Transposed">Rows in memory run along m or n instead of k.</param>
/// <param name="LeadingBytes">From one panel to the next, where rows run along m or n; else of no meaning (1).</param>
/// <param name="StrideBytes">From one group of eight rows to the next.</param>
/// <param name="Mode">1, 2, 3: swizzles of 128, 64, 32 bytes.</param>
internal sealed record WgmmaOperand(bool Transposed, long LeadingBytes, long StrideBytes, int Mode)
{
    // Rows that one pattern of the swizzle covers.
    private const int GroupRows = 8;

    /// <summary>Of operand 1 (a) or 2 (b) of a call.</summary>
    /// <param name="simplifier">Knows the ranges of the variables around.</param>
    /// <exception cref="LoweringException">wgmma-operand: the tile does not lie as the instruction wants it.</exception>
    public static WgmmaOperand Of(Call call, int operand, Simplifier simplifier)
    {
        var buffer = call.Buffers[operand];
        var (row, column) = (call.Dims[operand][0], call.Dims[operand][1]);
        // Declared as [k, m] or [k, n] where rows in memory run along these.
        bool transposed = call.Intrinsic.Name.Split('.').Contains(operand == 1 ? "am" : "bn");
        if (buffer.Swizzle is not { RowBytes: > 0 and var width })
            throw Refuse("it is not swizzled by 128b, 64b or 32b");
        if (column != buffer.Rank - 1 || row != buffer.Rank - 2)
            throw Refuse($"its tile runs along dimensions {row} and {column}, not along the last two");
        long rowBytes = Constant(buffer.Shape[^1]) * buffer.Type.Size();
        if (rowBytes != width && buffer.Panel is null)
            throw Refuse($"its rows have {rowBytes} bytes, and the swizzle is that of rows of {width} bytes");
        long rows = Constant(buffer.Shape[^2]);
        if (rows % GroupRows != 0)
            throw Refuse($"it has {rows} rows, which is no multiple of {GroupRows}");
        if (!Divides(GroupRows, row))
            throw Refuse(
                $"its tile begins at row {call.Origins[operand][row]}, which is not always a multiple of {GroupRows}"
            );
        long columns = ((IntImm)call.Intrinsic.Operands[operand].Shape[1]).Value;
        long inRow = transposed ? width / buffer.Type.Size() : columns;
        if (transposed && columns % inRow != 0 && columns > inRow)
            throw Refuse($"its tile has {columns} columns, and panels have {inRow}");
        if (!Divides(inRow, column))
            throw Refuse(
                $"its tile begins at column {call.Origins[operand][column]}, which is not always a multiple of {inRow}"
            );
        int mode = width switch
        {
            128 => 1,
            64 => 2,
            _ => 3,
        };
        return new WgmmaOperand(transposed, transposed ? rows * width : 16, GroupRows * width, mode);

        bool Divides(long number, int dim) =>
            Divisibility.Divides(number, simplifier.Visit(call.Origins[operand][dim]));

        long Constant(Expr e) =>
            e is IntImm i ? i.Value : throw Refuse($"its shape [{string.Join(", ", buffer.Shape)}] is not constant");

        LoweringException Refuse(string why) =>
            new(
                "wgmma-operand",
                $"{call.Intrinsic.Name} cannot take operand {call.Intrinsic.Operands[operand].Name}, {buffer.Name}: {why}"
            );
    }
}
