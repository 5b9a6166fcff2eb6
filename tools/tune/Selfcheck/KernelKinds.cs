using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Tune;

/// <summary>What kinds of kernels there are of a GPU's special instructions, and which of them a kernel is.</summary>
internal static class KernelKinds
{
    private const string Cooperative = "cp.async";
    private const string Bulk = "bulk copies (TMA)";
    private const string Clusters = "clusters";
    private const string Registers = "registers handed on between warps";
    private const string Shuffles = "sums over lanes";
    private const string Attention = "attention on tensor cores";

    private static readonly string[] Types = ["bf16", "f16", "tf32"];

    /// <summary>All that a target has.</summary>
    public static IReadOnlyList<string> Of(TargetInfo target)
    {
        if (target.Gpu is not { } gpu)
            return [];
        var kinds = new List<string> { Shuffles };
        if (gpu.HasAsyncCopy)
            kinds.AddRange([
                .. Types.Select(t => $"mma {t}"),
                .. Types.Select(t => $"ldmatrix {t}"),
                Cooperative,
                Attention,
            ]);
        if (gpu.HasWarpgroupMma)
            kinds.AddRange([.. Types.Select(t => $"wgmma {t}"), Bulk, Registers, Clusters]);
        return kinds;
    }

    /// <summary>Those that a kernel is of.</summary>
    /// <param name="form">Kernel form.</param>
    /// <param name="isAttention">Whether the operator is attention.</param>
    public static IEnumerable<string> In(LoopNest form, bool isAttention)
    {
        foreach (var stmt in form.Body.Nodes())
        {
            switch (stmt)
            {
                case Call call:
                    // mma.m16n8k16.bf16, ldmatrix.a.x4.trans.bf16, wgmma.m64n128k8.tf32, wgmma.m64n128k16.f16.bn
                    string[] parts = call.Intrinsic.Name.Split('.');
                    if (parts.FirstOrDefault(Types.Contains) is { } type)
                        yield return $"{parts[0]} {type}";
                    if (isAttention && parts[0] == "mma")
                        yield return Attention;
                    break;
                case DeviceOp { Queue: DeviceQueue.Copies, Step: QueueStep.Begin }:
                    yield return Cooperative;
                    break;
                case DeviceOp { Queue: DeviceQueue.Barriers, Step: QueueStep.Begin }:
                    yield return Bulk;
                    break;
                case DeviceOp { Instruction.MovesRegisters: true }:
                    yield return Registers;
                    break;
                case LaneReduce:
                    yield return Shuffles;
                    break;
                case For { Kind: LoopKind.Cluster }:
                    yield return Clusters;
                    break;
                default:
                    break;
            }
        }
    }
}
