using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>The CUDA text of each of <see cref="DeviceOps"/>: a call of a function of the prelude.</summary>
internal static class DeviceOpTexts
{
    private static readonly Dictionary<DeviceInstruction, Func<StmtWriter, DeviceOp, string>> Table = new()
    {
        [DeviceOps.CopyAsync] = Copy,
        [DeviceOps.CommitCopies] = (w, _) => $"{w.Kernel.Use("cp_async_commit")}();",
        [DeviceOps.WaitCopies] = (w, op) => $"{w.Kernel.Use("cp_async_wait")}<{op.Numbers[0]}>();",
        [DeviceOps.FenceProxy] = (w, _) => $"{w.Kernel.Use("fence_proxy_async")}();",
        [DeviceOps.FenceProducts] = (w, _) => $"{w.Kernel.Use("wgmma_fence")}();",
        [DeviceOps.CommitProducts] = (w, _) => $"{w.Kernel.Use("wgmma_commit")}();",
        [DeviceOps.WaitProducts] = (w, op) => $"{w.Kernel.Use("wgmma_wait")}<{op.Numbers[0]}>();",
        [DeviceOps.MakeBarrier] = (w, op) => $"{w.Kernel.Use("mbarrier_init")}({Barrier(w, op, 0)}, {Value(w, op)});",
        [DeviceOps.FenceBarriers] = (w, _) => $"{w.Kernel.Use("mbarrier_fence_init")}();",
        [DeviceOps.Arrive] = (w, op) => $"{w.Kernel.Use("mbarrier_arrive")}({Barrier(w, op, 0)});",
        [DeviceOps.Expect] = (w, op) => $"{w.Kernel.Use("mbarrier_expect_tx")}({Barrier(w, op, 0)}, {Value(w, op)});",
        [DeviceOps.WaitBarrier] = (w, op) => $"{w.Kernel.Use("mbarrier_wait")}({Barrier(w, op, 0)}, {Value(w, op)});",
        [DeviceOps.CopyBox] = Box,
        [DeviceOps.RaiseRegisters] = (w, op) => $"{w.Kernel.Use("setmaxnreg_inc")}<{op.Numbers[0]}>();",
        [DeviceOps.LowerRegisters] = (w, op) => $"{w.Kernel.Use("setmaxnreg_dec")}<{op.Numbers[0]}>();",
    };

    /// <summary>The line of an instruction.</summary>
    /// <exception cref="LoweringException">unsupported: the table has none; async-copy, bulk-copy: not what it can do.</exception>
    public static string Of(StmtWriter writer, DeviceOp op) =>
        Table.TryGetValue(op.Instruction, out var text)
            ? text(writer, op)
            : throw new LoweringException("unsupported", $"there is no CUDA text for {op.Instruction}");

    private static string Value(StmtWriter w, DeviceOp op) => w.Values.Write(w.Kernel.Simplify(op.Values[0]));

    private static string Barrier(StmtWriter w, DeviceOp op, int operand) =>
        "(unsigned long long*)" + Address(w, op.Operands[operand]);

    private static string Address(StmtWriter w, DeviceOperand operand) =>
        "&" + w.Access.Element(operand.Buffer, operand.Place);

    private static string Copy(StmtWriter w, DeviceOp op)
    {
        var (to, from) = (op.Operands[0], op.Operands[1]);
        int size = to.Buffer.Type.Size();
        int bytes = checked((int)to.Elements * size);
        if (bytes is not (4 or 8 or 16) || to.Buffer.Type != from.Buffer.Type)
            throw new LoweringException(
                "async-copy",
                $"{op} moves {bytes} bytes; asynchronous copies move 4, 8 or 16 bytes as they are"
            );
        w.Kernel.Touch(from.Buffer, bytes);
        string addresses = $"{Address(w, to)}, {Address(w, from)}";
        var valid = op.Values.IsEmpty ? null : w.Kernel.Simplify(op.Values[0]);
        return valid is null || valid.IsConst(to.Elements)
            ? $"{w.Kernel.Use($"cp_async_{bytes}")}({addresses});"
            : $"{w.Kernel.Use($"cp_async_{bytes}_zfill")}({addresses}, {w.Values.Write(w.Kernel.Simplify(valid * size))});";
    }

    private static string Box(StmtWriter w, DeviceOp op)
    {
        var (to, from) = (op.Operands[0], op.Operands[1]);
        string tile = w.Access.Unswizzled(to.Buffer, to.Place);
        var at = string.Join(", ", from.Place.Reverse().Select(e => w.Values.Write(w.Kernel.Simplify(e))));
        string function = w.Kernel.Use($"bulk_load_{from.Buffer.Rank}d");
        return $"{function}({tile}, &{w.Kernel.Maps[TensorMap.Of(op)]}, {Barrier(w, op, 2)}, {at});";
    }
}
