using Picograd.Lower.Cpu.Runtime;
using Picograd.Models;
using Xunit;

namespace Picograd.Tests;

public class MemoryTests
{
    private static long Live => CpuMemory.Statistics.LiveBytes;

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }

    [Fact]
    public void AScopeFreesWhatWasMadeInside()
    {
        Tensor kept;
        Tensor a;
        Tensor b;
        Collect();
        long before = Live;
        using (Tensor.Scope())
        {
            a = Tensor.Zeros(1 << 20);
            b = a[..10];
            kept = Tensor.Ones(3).Keep();
            Assert.True(Live >= before + (4 << 20));
        }
        Assert.True(a.IsDisposed && b.IsDisposed);
        Assert.Equal([1.0, 1, 1], kept.ToDoubles());
        Assert.True(Live < before + 4096);
        kept.Dispose();
    }

    [Fact]
    public void ScopesNestAndTensorsEscape()
    {
        Tensor escaped;
        Tensor inner;
        Tensor outer;
        using (Tensor.Scope())
        {
            outer = Tensor.Zeros(1);
            using (var scope = Tensor.Scope())
            {
                inner = Tensor.Zeros(1);
                escaped = scope.Escape(outer + 1);
            }
            Assert.True(inner.IsDisposed);
            Assert.Equal(1, escaped.Item());
        }
        Assert.True(outer.IsDisposed && escaped.IsDisposed);
        var first = Tensor.Scope();
        var second = Tensor.Scope();
        Assert.Throws<InvalidOperationException>(first.Dispose);
        second.Dispose();
        first.Dispose();
        first.Dispose();
    }

    [Fact]
    public void ParametersGradientsAndStateOutliveScopes()
    {
        var model = new CharMlp(5, new CharMlpOptions(2, 3, 4, 6), seed: 1);
        var optimizer = new Adam(model.Parameters, 0.01);
        var contexts = Tensor.From<long>([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1], [6, 2]);
        var targets = Tensor.From<long>([0, 1, 2, 3, 4, 0]);
        for (int i = 0; i < 3; i++)
            model.Step(contexts, targets, optimizer);
        Assert.All(model.Parameters, p => Assert.False(p.IsDisposed || p.Grad!.IsDisposed));
    }

    [Fact]
    public void TrainingStepsDoNotGrow()
    {
        var model = new CharMlp(5, new CharMlpOptions(2, 3, 4, 6), seed: 1);
        var optimizer = new SGD(model.Parameters, 0.1, momentum: 0.9);
        var contexts = Tensor.From<long>([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1], [6, 2]);
        var targets = Tensor.From<long>([0, 1, 2, 3, 4, 0]);
        for (int i = 0; i < 3; i++)
            model.Step(contexts, targets, optimizer);
        Collect();
        long before = Live;
        CpuMemory.ResetPeak();
        for (int i = 0; i < 50; i++)
        {
            model.Step(contexts, targets, optimizer);
            Assert.InRange(Live, before - 65536, before + 1024);
        }
        Assert.InRange(CpuMemory.Statistics.PeakBytes, before, before + 65536);
    }

    [Fact]
    public void DroppedTensorsAreCollected()
    {
        long before = Live;
        Drop();
        Collect();
        Assert.InRange(Live, 0, before + (1 << 20));

        static void Drop()
        {
            for (int i = 0; i < 20; i++)
                _ = Tensor.Zeros(1 << 18) + 1;
        }
    }

    [Fact]
    public void ABufferWhoseOwnerDisposesOfItInAFinalizerGoesBackOnce()
    {
        const long Bytes = 77 << 10;
        CpuMemory.Trim();
        Drop();
        Collect();
        var buffers = Enumerable.Range(0, 200).Select(_ => CpuBuffer.Rent(Bytes)).ToList();
        Assert.Equal(buffers.Count, buffers.Select(b => b.Address).Distinct().Count());
        buffers.ForEach(b => b.Dispose());

        static void Drop()
        {
            for (int i = 0; i < 100; i++)
                _ = new Owner(CpuBuffer.Rent(Bytes));
        }
    }

    private sealed class Owner(CpuBuffer buffer)
    {
        ~Owner() => buffer.Dispose();
    }

    [Fact]
    public void BackwardFreesGradientsOnTheWay()
    {
        const int N = 1 << 18;
        var x = Tensor.Zeros(N).RequiresGrad_();
        var y = x;
        for (int i = 0; i < 20; i++)
            y = y * 0.5;
        var loss = y.Sum();
        Collect();
        long before = Live;
        CpuMemory.ResetPeak();
        loss.Backward();
        // At any time there are the gradient that comes in, the one that goes out, and one of the expanded sum.
        Assert.InRange(CpuMemory.Statistics.PeakBytes - before, 4 * N, 3 * 4 * N + 65536);
        GC.KeepAlive(y);
    }

    [Fact]
    public void TheCollectorIsToldOfMemory()
    {
        // Nothing else is allocated here, so a collection can only come from the memory that tensors report. The memory is
        // never touched; 2,000 tensors would be 8 GB.
        CpuMemory.Trim();
        long collections = GC.CollectionCount(0);
        int made = 0;
        while (GC.CollectionCount(0) == collections && made < 2000)
        {
            _ = Tensor.Empty(1 << 20);
            made++;
        }
        Assert.InRange(made, 1, 1999);
        Collect();
        Assert.True(Live < 1L << 30);
    }
}
