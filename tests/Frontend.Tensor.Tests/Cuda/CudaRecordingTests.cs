using Picograd.Dispatch;
using Xunit;

namespace Picograd.Tests.Cuda;

/// <summary>What ran on a GPU is recorded by the device's own clock.</summary>
public sealed class CudaRecordingTests : IDisposable
{
    public void Dispose() => Dispatcher.StopRecording();

    [SkippableFact]
    public void Calls_on_a_gpu_are_counted_and_timed()
    {
        var device = EmulatedGpu.Require();
        using var x = Tensor.Rand([64], new Generator(1)).ToDevice(device);
        Dispatcher.StartRecording();
        for (int i = 0; i < 3; i++)
            x.Exp().Dispose();
        var exp = Assert.Single(Dispatcher.Recorded, o => o.Spec == "exp n=64");
        Assert.Equal((3L, "cuda:0"), (exp.Calls, exp.Device));
        Assert.Equal(Dispatcher.TargetOf(device).Fingerprint, exp.Target);
        Assert.InRange(exp.Milliseconds, 1e-6, 60_000);
    }
}
