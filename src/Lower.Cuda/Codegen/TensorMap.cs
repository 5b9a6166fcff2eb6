using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>What a tensor map is of, as text, so that equal ones compare equal; innermost dimensions first.</summary>
internal sealed record TensorMap(Buffer Buffer, string Extents, string StrideBytes, string Box, int SwizzleBytes)
{
    public TensorMapArgument ToArgument() =>
        new(
            Buffer,
            [.. Numbers(Extents)],
            [.. Numbers(StrideBytes)],
            [.. Numbers(Box).Select(n => (int)n)],
            SwizzleBytes
        );

    private static IEnumerable<long> Numbers(string list) =>
        list.Split(',', StringSplitOptions.RemoveEmptyEntries).Select(n => long.Parse(n, CultureInfo.InvariantCulture));

    /// <summary>The maps of all copies of boxes in a kernel.</summary>
    public static IEnumerable<TensorMap> In(Stmt body) =>
        body.Nodes()
            .OfType<DeviceOp>()
            .Where(d => d.Instruction.Operands.Contains(OperandAccess.ReadBox))
            .Select(Of)
            .Distinct();

    /// <summary>The tensor map that a copy goes by; equal for copies that can share one.</summary>
    /// <exception cref="LoweringException">bulk-copy: the buffer or the box cannot be described by one.</exception>
    public static TensorMap Of(DeviceOp copy)
    {
        var (to, buffer, box) = (copy.Operands[0].Buffer, copy.Operands[1].Buffer, copy.Operands[1].Tile);
        LoweringException Refuse(string why) =>
            new("bulk-copy", $"{buffer.Name} cannot be copied in bulk to {to.Name}: {why}");
        if (buffer.Rank is < 1 or > 3)
            throw Refuse($"it has {buffer.Rank} dimensions, and bulk copies have 1 to 3");
        var extents = buffer
            .Shape.Reverse()
            .Select(e => (e as IntImm)?.Value ?? throw Refuse($"its extent {e} is not constant"));
        ImmutableArray<long> sizes = [.. extents];
        var strides = ImmutableArray.CreateBuilder<long>();
        if (!buffer.Strides.IsDefault && buffer.Strides[^1] != 1)
            throw Refuse("elements of its last dimension are not neighbours");
        long dense = buffer.Type.Size();
        for (int d = buffer.Rank - 1; d > 0; d--)
        {
            dense *= sizes[buffer.Rank - 1 - d];
            long bytes = buffer.Strides.IsDefault ? dense : buffer.Strides[d - 1] * buffer.Type.Size();
            if (bytes % 16 != 0)
                throw Refuse($"rows of dimension {d - 1} are {bytes} bytes apart, which is no multiple of 16");
            strides.Add(bytes);
        }
        int swizzle = to.Swizzle is null ? 0 : to.Swizzle.Value.RowBytes;
        if (to.Swizzle is not null && swizzle == 0)
            throw Refuse($"{to.Name} is swizzled by {to.Swizzle}, and bulk copies know 128b, 64b and 32b");
        if (box.Any(b => b is < 1 or > 256))
            throw Refuse($"a box of {string.Join("x", box)} elements; each is 1 to 256");
        long inner = box[^1] * buffer.Type.Size();
        if (inner % 16 != 0 || (swizzle > 0 && inner > swizzle))
            throw Refuse(
                $"rows of the box have {inner} bytes; multiples of 16{(swizzle > 0 ? $" up to {swizzle}" : "")} are possible"
            );
        return new TensorMap(
            buffer,
            string.Join(",", sizes),
            string.Join(",", strides),
            string.Join(",", box.Reverse()),
            swizzle
        );
    }
}
