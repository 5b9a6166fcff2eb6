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

    // Views of gradients that rules make on their way, too, whether there is a scope or not.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void BackwardKeepsNothingButGradientsOfLeaves(bool inScope)
    {
        const int N = 64;
        const int Batch = 32;
        var weights = Enumerable.Range(0, 6).Select(i => (Tensor.Ones(N, N) * 0.01).RequiresGrad_()).ToArray();
        using var scope = inScope ? Tensor.Scope() : null;
        var x = Tensor.Ones(4, Batch / 4, N);
        foreach (var w in weights)
        {
            var pieces = F.Gelu(F.Linear(x, w)).Split(N / 2, 2);
            x = x + Tensor.Cat([pieces[1], pieces[0]], 2).Transpose(0, 1).Reshape(4, Batch / 4, N);
        }
        var loss = x.Square().Mean();
        Collect();
        long before = Live;
        loss.Backward();
        // Memory is rented in powers of two, at most.
        Assert.InRange(Live - before, 0, 2 * weights.Length * 4 * N * N + 16384);
        GC.KeepAlive(x);
        Assert.All(weights, w => Assert.NotNull(w.Grad));
    }

    // The short form of 10,000 steps of every optimizer, which grow by nothing after the first.
    [Fact]
    public void StepsOfEveryOptimizerDoNotGrow()
    {
        Func<IEnumerable<Tensor>, Optimizer>[] kinds =
        [
            p => new SGD(p, 0.001, momentum: 0.9, nesterov: true),
            p => new AdamW(p),
            p => new Adam(p, amsgrad: true),
            p => new Adagrad(p),
            p => new RMSprop(p),
            p => new Adadelta(p),
            p => new Adamax(p),
            p => new NAdam(p),
            p => new RAdam(p),
            p => new Rprop(p),
            p => new ASGD(p),
            p => new Muon(p.Where(t => t.Rank == 2)),
        ];
        var (x, y) = (Tensor.Ones(2, 3), Tensor.Ones(2, 2));
        foreach (var make in kinds)
        {
            var model = new Sequential(new Linear(3, 4), new Tanh(), new Linear(4, 2));
            var optimizer = make(model.Parameters);
            void Step()
            {
                using var scope = Tensor.Scope();
                optimizer.ZeroGrad();
                F.MseLoss(model.Forward(x), y).Backward();
                optimizer.Step();
            }
            for (int i = 0; i < 3; i++)
                Step();
            Collect();
            long before = Live;
            for (int i = 0; i < 20; i++)
                Step();
            Assert.InRange(Live, before - 65536, before + 1024);
        }
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
