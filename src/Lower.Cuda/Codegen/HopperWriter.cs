using System.Collections.Immutable;
using System.Globalization;
using Picograd.Algorithms;
using Picograd.Schedules;

namespace Picograd.Lower.Cuda;

/// <summary>Writes the statements and instructions that only Hopper GPUs have.</summary>
internal static class HopperWriter
{
    /// <summary>Rows of <see cref="IntrinsicTexts"/> for warpgroup matrix instructions.</summary>
    public static IEnumerable<KeyValuePair<string, IntrinsicText>> Texts =>
        WarpgroupMatmuls.All.Select(i => KeyValuePair.Create<string, IntrinsicText>(i.Name, Matmul));

    /// <summary>Writes a statement; false where it is none of Hopper's.</summary>
    public static bool Write(StmtWriter writer, Stmt stmt)
    {
        var kernel = writer.Kernel;
        string Value(Expr? e) => writer.Values.Write(kernel.Simplify(e!));
        string Barrier(Buffer barriers, Expr index) =>
            "(unsigned long long*)&" + writer.Access.Element(barriers, [index]);
        string? line = stmt switch
        {
            ProxyFence => $"{kernel.Use("fence_proxy_async")}();",
            WarpgroupSync { Step: WarpgroupStep.Fence } => $"{kernel.Use("wgmma_fence")}();",
            WarpgroupSync { Step: WarpgroupStep.Commit } => $"{kernel.Use("wgmma_commit")}();",
            WarpgroupSync w => $"{kernel.Use("wgmma_wait")}<{w.Pending}>();",
            RegisterLimit { Raise: true } r => $"{kernel.Use("setmaxnreg_inc")}<{r.Registers}>();",
            RegisterLimit r => $"{kernel.Use("setmaxnreg_dec")}<{r.Registers}>();",
            MBarrier { Step: MBarrierStep.FenceInit } => $"{kernel.Use("mbarrier_fence_init")}();",
            MBarrier { Step: MBarrierStep.Init } m =>
                $"{kernel.Use("mbarrier_init")}({Barrier(m.Barriers, m.Index)}, {Value(m.Value)});",
            MBarrier { Step: MBarrierStep.Arrive } m =>
                $"{kernel.Use("mbarrier_arrive")}({Barrier(m.Barriers, m.Index)});",
            MBarrier { Step: MBarrierStep.Expect } m =>
                $"{kernel.Use("mbarrier_expect_tx")}({Barrier(m.Barriers, m.Index)}, {Value(m.Value)});",
            MBarrier m => $"{kernel.Use("mbarrier_wait")}({Barrier(m.Barriers, m.Index)}, {Value(m.Value)});",
            BulkCopy c => Bulk(c),
            _ => null,
        };
        if (line is null)
            return false;
        writer.Line(line);
        return true;

        string Bulk(BulkCopy copy)
        {
            string to = writer.Access.Unswizzled(copy.To, copy.Place);
            var at = string.Join(", ", copy.Source.Reverse().Select(Value));
            string function = kernel.Use(string.Create(CultureInfo.InvariantCulture, $"bulk_load_{copy.From.Rank}d"));
            return $"{function}({to}, &{kernel.Maps[MapOf(copy)]}, {Barrier(copy.Barriers, copy.Barrier)}, {at});";
        }
    }

    /// <summary>The tensor map that a copy goes by; equal for copies that can share one.</summary>
    /// <exception cref="LoweringException">bulk-copy: the buffer or the box cannot be described by one.</exception>
    public static TensorMap MapOf(BulkCopy copy)
    {
        var buffer = copy.From;
        LoweringException Refuse(string why) =>
            new("bulk-copy", $"{buffer.Name} cannot be copied in bulk to {copy.To.Name}: {why}");
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
        int swizzle = copy.To.Swizzle is null ? 0 : copy.To.Swizzle.Value.RowBytes;
        if (copy.To.Swizzle is not null && swizzle == 0)
            throw Refuse($"{copy.To.Name} is swizzled by {copy.To.Swizzle}, and bulk copies know 128b, 64b and 32b");
        if (copy.Box.Any(b => b is < 1 or > 256))
            throw Refuse($"a box of {string.Join("x", copy.Box)} elements; each is 1 to 256");
        int inner = copy.Box[^1] * buffer.Type.Size();
        if (inner % 16 != 0 || (swizzle > 0 && inner > swizzle))
            throw Refuse(
                $"rows of the box have {inner} bytes; multiples of 16{(swizzle > 0 ? $" up to {swizzle}" : "")} are possible"
            );
        return new TensorMap(
            buffer,
            string.Join(",", sizes),
            string.Join(",", strides),
            string.Join(",", copy.Box.Reverse()),
            swizzle
        );
    }

    // c += a · b on the warpgroup's registers and two tiles in shared memory.
    private static void Matmul(Call call, IntrinsicWriter writer)
    {
        var (a, b) = (writer.Operand(1), writer.Operand(2));
        long columns = ((IntImm)call.Intrinsic.Operands[0].Shape[1]).Value;
        string transposes =
            call.Buffers[1].Type.Size() == 2 ? $"<{(a.Transposed ? 1 : 0)}, {(b.Transposed ? 1 : 0)}>" : "";
        string function = writer.Use(call.Intrinsic.DeviceFunction!);
        writer.Line(
            $"{function}{transposes}(*(float (*)[{columns / 2}])&{writer.Element(0)}, {Descriptor(1, a)}, {Descriptor(2, b)}, 1);"
        );

        string Descriptor(int operand, WgmmaOperand o) =>
            $"{writer.Use("wgmma_descriptor")}({writer.Unswizzled(operand)}, {o.LeadingBytes}, {o.StrideBytes}, {o.Mode})";
    }
}

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
}
