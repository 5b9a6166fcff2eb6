using Picograd.Lower.Cpu.Runtime;
using Xunit;

namespace Picograd.Tests;

/// <summary>Objects of memory serve again where a scope ends: never while somebody has them, and never twice at once.</summary>
public class RecyclingTests
{
    [Fact]
    public void What_is_alive_keeps_its_elements_whatever_is_freed_around_it()
    {
        var failures = new List<Exception>();
        var threads = Enumerable.Range(0, 4).Select(t => new Thread(() => Churn(new Random(t)))).ToList();
        void Churn(Random random)
        {
            try
            {
                var alive = new List<(Tensor Tensor, float Value)>();
                for (int step = 0; step < 400; step++)
                {
                    using (var scope = Tensor.Scope())
                    {
                        var outer = Tensor.Full([random.Next(1, 40)], step);
                        using (var inner = Tensor.Scope())
                        {
                            for (int i = 0; i < 8; i++)
                                Make(random, inner, alive, 1000 * step + i);
                        }
                        Assert.Equal(step, outer.Max().Item());
                        Make(random, scope, alive, 1000 * step + 9);
                    }
                    foreach (var (tensor, value) in alive)
                        Assert.Equal([value, value], [tensor.Min().Item<float>(), tensor.Max().Item<float>()]);
                    if (alive.Count > 30)
                        alive.RemoveRange(0, random.Next(1, 20));
                    if (step % 100 == 0)
                        GC.Collect();
                }
            }
            catch (Exception e)
            {
                lock (failures)
                    failures.Add(e);
            }
        }
        threads.ForEach(t => t.Start());
        threads.ForEach(t => t.Join());
        Assert.Empty(failures);
    }

    // Some live on: kept, escaped and then dropped to the finalizer, as a view of what a scope frees, or as a gradient.
    private static void Make(Random random, TensorScope scope, List<(Tensor, float)> alive, float value)
    {
        var made = Tensor.Full([random.Next(1, 40)], value);
        switch (random.Next(6))
        {
            case 0:
                alive.Add((made.Keep(), value));
                break;
            case 1:
                alive.Add((made[..1].Keep(), value));
                break;
            case 2:
                made.Dispose();
                made.Dispose();
                break;
            case 3:
                scope.Escape(made);
                break;
            case 4:
                var leaf = Tensor.Ones(made.Size(0)).RequiresGrad_();
                (leaf * made).Sum().Backward();
                alive.Add((leaf.Grad!.Keep(), value));
                break;
        }
    }

    [Fact]
    public void A_finalizer_of_ones_own_may_free_tensors()
    {
        for (int round = 0; round < 20; round++)
        {
            Drop();
            GC.Collect();
            using (Tensor.Scope())
            {
                // Taken while the finalizers run.
                var made = Enumerable.Range(0, 50).Select(i => Tensor.Full([16], i)).ToList();
                GC.WaitForPendingFinalizers();
                var later = Enumerable.Range(0, 50).Select(i => Tensor.Full([16], 100 + i)).ToList();
                Assert.All(made, (t, i) => Assert.Equal(i, t.Max().Item()));
                Assert.All(later, (t, i) => Assert.Equal(100 + i, t.Min().Item()));
            }
        }
    }

    private static void Drop()
    {
        for (int i = 0; i < 50; i++)
            _ = new Owner();
    }

    private sealed class Owner
    {
        private readonly Tensor _tensor = Tensor.Zeros(16);

        ~Owner()
        {
            using var scope = Tensor.Scope();
            _ = _tensor[..2];
            _tensor.Dispose();
        }
    }

    [Fact]
    public void A_buffer_that_was_given_back_with_its_object_serves_again()
    {
        var first = CpuBuffer.Rent(1000);
        first.Recycle();
        Assert.True(first.IsDisposed);
        // Once is enough: given back twice it would have two owners.
        first.Recycle();
        first.Dispose();
        var others = Enumerable.Range(0, 2000).Select(_ => CpuBuffer.Rent(1000)).ToList();
        Assert.Equal(others.Count, others.Cast<object>().Distinct(ReferenceEqualityComparer.Instance).Count());
        Assert.Equal(others.Count, others.Select(b => b.Address).Distinct().Count());
        others.ForEach(b => b.Recycle());
    }
}
