using Picograd.Baselines;
using Picograd.Lower.Cuda;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Tune;

/// <summary>What the kernels of a target are compared with.</summary>
internal sealed class BaselineSet
{
    private readonly HandCudaBaseline? _ladder;

    private BaselineSet(IReadOnlyList<IBaseline> all, HandCudaBaseline? ladder = null) =>
        (All, _ladder) = (all, ladder);

    public IReadOnlyList<IBaseline> All { get; }

    /// <summary>Whether the target is the CUDA emulator.</summary>
    public bool IsEmulated { get; private init; }

    /// <summary>What cannot be compared with here and how to get it, one sentence each.</summary>
    public IEnumerable<string> Missing => All.Where(b => !b.IsAvailable).Select(b => b.Missing);

    /// <summary>Those that read and write the memory of a target.</summary>
    public static BaselineSet For(ITuningTarget target)
    {
        if (target.Backend is not CudaBackend { Device: { } device } backend)
            return new BaselineSet([new HandBaseline(), new OpenBlasBaseline()]);
        var hand = new HandCudaBaseline(device, backend.Compiler);
        return new BaselineSet([hand, new CublasLtBaseline(device), new CudnnBaseline(device)], hand)
        {
            IsEmulated = device.IsEmulated,
        };
    }

    /// <summary>Steps on the way to a hand-written kernel, the simplest first; empty where there are none.</summary>
    public IEnumerable<(string Name, Action Run)> Ladder(OperatorCase operatorCase) =>
        _ladder?.Ladder(operatorCase) ?? [];
}
