using Picograd.Algorithms;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>The text of warpgroup matrix instructions.</summary>
internal static class WarpgroupMatmulText
{
    /// <summary>Rows of <see cref="IntrinsicTexts"/>.</summary>
    public static IEnumerable<KeyValuePair<string, IntrinsicText>> All =>
        WarpgroupMatmuls.All.Select(i => KeyValuePair.Create<string, IntrinsicText>(i.Name, Matmul));

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
