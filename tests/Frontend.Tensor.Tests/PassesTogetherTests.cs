using Xunit;

namespace Picograd.Tests;

/// <summary>Passes of gradients at the same time, within each other, and after one that failed: none sees another's gradients.</summary>
public class PassesTogetherTests
{
    private static Tensor Leaf(params double[] values) => Tensor.From(values).RequiresGrad_();

    // So that threads are in their passes at the same time.
    private static void Together(int threads, Action<int> run)
    {
        using var start = new Barrier(threads);
        var errors = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        var all = Enumerable
            .Range(0, threads)
            .Select(i => new Thread(() =>
            {
                try
                {
                    start.SignalAndWait();
                    run(i);
                }
                catch (Exception e)
                {
                    errors.Enqueue(e);
                }
            }))
            .ToList();
        all.ForEach(t => t.Start());
        all.ForEach(t => t.Join());
        Assert.True(errors.IsEmpty, errors.IsEmpty ? "" : errors.First().ToString());
    }

    [Fact]
    public void Threads_ask_for_gradients_of_one_leaf()
    {
        var shared = Leaf(1, 2, 3);
        Together(
            4,
            thread =>
            {
                for (int i = 0; i < 200; i++)
                {
                    double factor = 1000 * thread + i;
                    var y = (shared * factor + shared * 2).Sum();
                    var grad = Autograd.Grad(y, shared);
                    Assert.Equal([factor + 2, factor + 2, factor + 2], grad.ToDoubles());
                }
            }
        );
        Assert.Null(shared.Grad);
    }

    [Fact]
    public void Threads_go_through_one_graph_that_is_kept()
    {
        var x = Leaf(1, 2, 3);
        var hidden = (x * x).Exp().Log() + x;
        Together(
            4,
            thread =>
            {
                for (int i = 0; i < 100; i++)
                {
                    double factor = 100 * thread + i;
                    var grad = Autograd.Grad((hidden * factor).Sum(), x, retainGraph: true);
                    double[] found = grad.ToDoubles();
                    for (int k = 0; k < 3; k++)
                        Assert.Equal(factor * (2 * (k + 1) + 1), found[k], 1e-9 * (1 + Math.Abs(found[k])));
                }
            }
        );
    }

    [Fact]
    public void Threads_add_to_one_leaf()
    {
        var shared = Leaf(1, 2, 3);
        var given = Tensor.From([1.0, 1.0, 1.0]);
        Together(
            4,
            thread =>
            {
                for (int i = 0; i < 100; i++)
                {
                    if (i % 2 == 0)
                        (shared * 2 + shared).Sum().Backward();
                    else
                        (shared * 3).Backward(given);
                }
            }
        );
        Assert.Equal([1200, 1200, 1200], shared.Grad!.ToDoubles());
        Assert.Equal([1, 1, 1], given.ToDoubles());
    }

    [Fact]
    public void A_hook_may_ask_for_gradients_of_the_same_nodes()
    {
        var x = Leaf(3);
        var y = x * x;
        double within = 0;
        y.RegisterHook(_ =>
        {
            using var mode = Tensor.EnableGrad();
            within = Autograd.Grad(x * 5 + x * x, x).Item();
        });
        var z = y + x * 7;
        Assert.Equal(13, Autograd.Grad(z, x).Item());
        Assert.Equal(11, within);
    }

    [Fact]
    public void A_hook_may_go_through_the_graph_of_its_own_pass()
    {
        var x = Leaf(3);
        var shared = x * x;
        var late = shared * 2;
        double within = 0;
        late.RegisterHook(_ =>
        {
            within = Autograd.Grad(shared, x, retainGraph: true).Item();
        });
        Assert.Equal(6 + 12, Autograd.Grad(shared + late, x).Item());
        Assert.Equal(6, within);
    }

    private sealed class Pair : MultiOutputFunction
    {
        public override Tensor[] Forward(FunctionContext context, params Tensor[] inputs) =>
            [inputs[0] * 2, inputs[0] * 3];

        public override Tensor?[] Backward(FunctionContext context, Tensor?[] gradients) =>
            [gradients[0]! * 2 + gradients[1]! * 3];
    }

    [Fact]
    public void A_pass_that_fails_leaves_no_gradient_of_a_result()
    {
        var x = Leaf(1);
        var pair = new Pair().Apply(x);
        bool fails = true;
        // The gradient of the second result has come when the hook of the first one throws.
        pair[0]
            .RegisterHook(_ =>
            {
                if (fails)
                    throw new InvalidOperationException("on purpose");
            });
        var (first, second) = (pair[0] * 10, pair[1] * 10);
        Assert.Throws<InvalidOperationException>(() => (second + first).Backward(retainGraph: true));
        fails = false;
        // Only the first result takes part; what came to the second one was of the pass that failed.
        first.Backward(retainGraph: true);
        Assert.Equal(20, x.Grad!.Item());
        x.Grad = null;
        second.Backward();
        Assert.Equal(30, x.Grad!.Item());
    }

    [Fact]
    public void Hooks_of_a_leaf_cost_passes_of_others_nothing()
    {
        static long Cost(Tensor leaf, bool planned = false)
        {
            void Pass()
            {
                var y = leaf;
                for (int i = 0; i < 20; i++)
                    y = y * 2 + 1;
                y.Sum().Backward(inputs: planned ? [leaf] : null);
            }
            Pass();
            Pass();
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (int i = 0; i < 10; i++)
                Pass();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        // Nothing is computed, so that what is allocated is the passes' own.
        static Tensor OnMeta() => Tensor.Ones([2], DType.Float64, Device.Meta).RequiresGrad_();
        var other = Leaf(5);
        using var hook = other.RegisterHook(g => g * 2);
        using var after = other.RegisterPostAccumulateGradHook(_ => { });
        (other * 2).Backward();
        Assert.Equal(4, other.Grad!.Item());
        // A plan of 40 nodes has more than 3 KB.
        long planned = Cost(OnMeta(), planned: true);
        Assert.InRange(Cost(OnMeta()), 0, planned - 10 * 3000);
        var hooked = OnMeta();
        hooked.RegisterHook(g => g).Dispose();
        Assert.InRange(Cost(hooked), 0, planned - 10 * 3000);
    }

    [Fact]
    public void Hooks_of_leaves_run_once_with_all_that_comes_as_soon_as_it_is_there()
    {
        var (early, late, plain) = (Leaf(2), Leaf(3), Leaf(4));
        var order = new List<string>();
        var first = early * plain;
        first.RegisterHook(_ => order.Add("first"));
        var second = first * late;
        var third = second * late + second * plain;
        late.RegisterHook(g => order.Add($"late {g.Item()}"));
        early.RegisterPostAccumulateGradHook(t => order.Add($"early {t.Grad!.Item()}"));
        third.Backward(retainGraph: true);
        // d(early plain late (late + plain)): by late, early plain (2 late + plain) = 80, before what comes earlier is gone through.
        Assert.Equal(["late 80", "first", "early 84"], order);
        Assert.Equal([80, 84, 66], new[] { late, early, plain }.Select(t => t.Grad!.Item()));
        order.Clear();
        third.Backward();
        Assert.Equal(["late 80", "first", "early 168"], order);
        Assert.Equal([160, 168, 132], new[] { late, early, plain }.Select(t => t.Grad!.Item()));
    }

    [Fact]
    public void A_hooked_leaf_may_be_the_root()
    {
        var x = Leaf(2);
        x.RegisterHook(g => g * 3);
        x.Backward();
        Assert.Equal(3, x.Grad!.Item());
    }

    [Fact]
    public void Slopes_of_sizes_that_nothing_depends_on_throw_nothing()
    {
        // All windows lie on padding.
        var x = Tensor.Randn([1, 1, 2, 2]).RequiresGrad_();
        var w = Tensor.Randn([1, 1, 1, 1]).RequiresGrad_();
        void Pass() => F.ConvTranspose2d(x, w, stride: 2, padding: 1).Sum().Backward();
        Pass();
        int thrown = 0;
        int thread = Environment.CurrentManagedThreadId;
        void Count(object? sender, System.Runtime.ExceptionServices.FirstChanceExceptionEventArgs e)
        {
            if (Environment.CurrentManagedThreadId == thread)
                thrown++;
        }
        AppDomain.CurrentDomain.FirstChanceException += Count;
        try
        {
            Pass();
            Assert.Equal(new double[4], x.Grad!.ToDoubles());
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= Count;
        }
        Assert.Equal(0, thrown);
    }

    [Fact]
    public void Vmap_does_not_take_draws_of_other_threads_for_its_own()
    {
        var one = Func.Vmap(x =>
        {
            // Another thread draws while the function runs.
            var other = new Thread(() => Tensor.Rand(3));
            other.Start();
            other.Join();
            return x * 2;
        });
        Assert.Equal([2, 4], one(Tensor.From([1.0, 2.0])).ToDoubles());
        // Where it is called once a sample.
        var each = Func.Vmap(x =>
        {
            var other = new Thread(() => Tensor.Rand(3));
            other.Start();
            other.Join();
            return x * x.Item();
        });
        Assert.Equal([1, 4], each(Tensor.From([1.0, 2.0])).ToDoubles());
        var draws = Func.Vmap(x => x + Tensor.Rand(1));
        Assert.Contains(
            "random operation",
            Assert.Throws<InvalidOperationException>(() => draws(Tensor.From([1.0, 2.0]))).Message
        );
    }
}
