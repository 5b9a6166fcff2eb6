using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests.Cuda;

/// <summary>Winners of this kind of GPU that were found with another driver or compiler.</summary>
public sealed class OtherDriverTests : IDisposable
{
    private static readonly OperatorSpec Spec = OperatorSpec.Parse("exp n=777");

    private readonly Device _device = EmulatedGpu.Require();
    private readonly MemoryTuneStore _store = new();

    public void Dispose()
    {
        Dispatcher.Refresh();
        _store.Dispose();
    }

    private TargetInfo Target => Dispatcher.TargetOf(_device);

    private TuneRecord Record(string toolchain, string? target = null)
    {
        var algorithm = Spec.Build();
        var rule = ScheduleRules.For(algorithm, Target).Single(r => r.Name == "gpu-plain");
        var choices = rule.Defaults(algorithm, Target).ToDictionary();
        choices["threads"] = 64;
        var record = TestRecords.Of(Spec, Target, Trace.Of(rule.Apply(algorithm, Target, choices)).ToString(), 1, 2);
        return record with
        {
            Key = record.Key with { Target = target ?? record.Key.Target },
            Provenance = record.Provenance with { RuntimeVersion = TuneTargets.RuntimeText(".NET 10", toolchain) },
        };
    }

    private DispatchedKernel Resolve(TuneRecord record)
    {
        _store.Put(record);
        Dispatcher.UseOn(_device, _store, new CudaBackend(CudaDevice.Open(_device.Index)));
        var x = Tensor.From([.. Enumerable.Range(0, 777).Select(i => i / 400f)], [777]);
        float[] found = x.ToDevice(_device).Exp().ToArray<float>();
        float[] expected = x.Exp().ToArray<float>();
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], found[i], 1e-4);
        return Dispatcher.Resolve(Spec, _device);
    }

    [SkippableFact]
    public void The_same_driver_s_is_exact() =>
        Assert.Equal(KernelSource.Exact, Resolve(Record(Target.Toolchain)).Source);

    [SkippableFact]
    public void Another_driver_s_is_not_served_before_it_is_certified_again_and_that_is_said()
    {
        var kernel = Resolve(Record("driver=11.4,nvrtc=11.4"));
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains(kernel.Notes, n => n.Contains("driver=11.4,nvrtc=11.4") && n.Contains(Target.Toolchain));
    }

    [SkippableFact]
    public void One_under_the_text_of_an_older_version_is_found()
    {
        string old = $"{Target.Fingerprint.Replace(";mem=", ";mhz=1980;mem=")};driver=11.4;nvrtc=11.4";
        var record = Record(Target.Toolchain, old);
        Assert.Equal(KernelSource.Exact, Resolve(record).Source);
    }

    [SkippableFact]
    public void What_waits_for_certification_is_not_served()
    {
        var waiting = Record("driver=11.4,nvrtc=11.4") with { Certified = false };
        Assert.Equal(KernelSource.Default, Resolve(waiting).Source);
    }

    [SkippableTheory]
    [InlineData("sms=", "sms=7")]
    [InlineData("mem=", "mem=7")]
    public void Another_machine_s_is_not_served(string part, string other)
    {
        string target = string.Join(';', Target.Fingerprint.Split(';').Select(p => p.StartsWith(part) ? other : p));
        Assert.NotEqual(Target.Fingerprint, target);
        Assert.Equal(KernelSource.Default, Resolve(Record(Target.Toolchain, target)).Source);
    }
}
