using Picograd.Schedules.Backend;

namespace Picograd.Tests.Gpu;

/// <summary>GPUs that rules are asked for schedules for.</summary>
internal static class Targets
{
    public static TargetInfo A100 { get; } = Of(GpuInfo.A100);

    public static TargetInfo H100 { get; } = Of(GpuInfo.H100);

    private static TargetInfo Of(GpuInfo gpu) =>
        new("cuda", $"cuda {gpu.Architecture}", 0, 0, gpu.Multiprocessors, 0, gpu.L2Bytes, 0) { Gpu = gpu };
}
