using System.Diagnostics;
using Picograd.Search;
using Picograd.Search.Worker;
using Xunit;

namespace Picograd.Tests;

/// <summary>An interrupt ends a certification that is under way, which then is no verdict.</summary>
public sealed class InterruptedCertificationTests : IDisposable
{
    private readonly WorkerProcess _process = new(
        new WorkerCommand("dotnet", [Path.Combine(AppContext.BaseDirectory, "Picograd.Search.Tests.Worker.dll")])
    );

    public void Dispose() => _process.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void It_ends_soon_and_is_refused(bool atOnce)
    {
        var task = Machine.Task("matmul m=8 n=16 k=24");
        using var interrupt = new CancellationTokenSource();
        using var runner = new WorkerRunner(task, _process, seed: 1)
        {
            CertifyCancel = atOnce ? interrupt.Token : default,
            CertifySoon = interrupt.Token,
        };
        runner.Prepare();
        interrupt.CancelAfter(200);
        long start = Stopwatch.GetTimestamp();
        // Each call of it takes ten seconds, and there are a dozen of them.
        var refused = runner.Certify(Machine.Tiled(task, "slow"));
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Assert.False(refused.Ok);
        Assert.True(refused.IsRefused);
        Assert.Equal("interrupted", refused.Detail);
        Assert.InRange(seconds, atOnce ? 0 : Tuner.Grace.TotalSeconds, 30);
        // What begins afterwards has a little time, or none.
        int starts = _process.Starts;
        var next = runner.Certify(Machine.Tiled(task));
        Assert.Equal(!atOnce, next.Ok);
        Assert.Equal(starts + (atOnce ? 0 : 1), _process.Starts);
    }
}
