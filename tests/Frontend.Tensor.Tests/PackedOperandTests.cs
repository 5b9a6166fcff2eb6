using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests;

/// <summary>Copies of weights that are kept beside them: the same bits, never of what a weight was before, and freed with it.</summary>
public class PackedOperandTests : IDisposable
{
    public PackedOperandTests() => OnThreads(1);

    private static void OnThreads(int threads) =>
        Dispatcher.Use(null, count => new CpuBackend(CpuTarget.Detect(), count), threads);

    public void Dispose() => Setup.UseEvaluator();

    // Kernels are made on another thread after some hundred calls.
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(20);

    private static Tensor Some(int seed, params long[] shape)
    {
        var random = new Random(seed);
        long count = shape.Aggregate(1L, (n, e) => n * e);
        return Tensor.From<float>([.. Enumerable.Range(0, (int)count).Select(_ => random.NextSingle() - 0.5f)], shape);
    }

    // Calls until the weight is kept, all of the same bits; returns these.
    private static float[] UntilKept(Func<Tensor> run, Tensor weight)
    {
        float[] first = run().ToArray<float>();
        var until = DateTime.UtcNow + Longest;
        while (PackedOperands.Count(weight.Storage) == 0)
        {
            Assert.True(DateTime.UtcNow < until, "no copy was kept");
            using var scope = Tensor.Scope();
            Assert.Equal(first, run().ToArray<float>());
        }
        // On the copy.
        for (int i = 0; i < 3; i++)
            Assert.Equal(first, run().ToArray<float>());
        return first;
    }

    public static TheoryData<string> Kinds { get; } = ["linear", "convolution", "transposed", "part", "bf16"];

    /// <summary>An input, a weight and what is computed of both.</summary>
    private static (Tensor Weight, Func<Tensor, Tensor> Of) Case(string kind)
    {
        switch (kind)
        {
            case "linear":
                var (x, b) = (Some(1, 200, 203), Some(3, 60));
                return (Some(2, 60, 203), w => F.Linear(x, w, b));
            case "transposed":
                var rows = Some(1, 150, 203);
                return (Some(2, 60, 203).Transpose(0, 1), w => rows.MatMul(w));
            case "part":
                var some = Some(1, 200, 203);
                return (Some(2, 150, 203).Narrow(0, 60, 60), w => F.Linear(some, w));
            case "bf16":
                var half = Some(1, 200, 203).To(DType.BFloat16);
                return (Some(2, 60, 203).To(DType.BFloat16), w => F.Linear(half, w).To(DType.Float32));
            default:
                var image = Some(1, 1, 67, 5, 7);
                return (Some(2, 61, 67, 3, 3), w => F.Conv2d(image, w, padding: 1));
        }
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_kept_copy_gives_the_same_bits_and_goes_with_the_weight(string kind)
    {
        var (weight, of) = Case(kind);
        UntilKept(() => of(weight), weight);
        var storage = weight.Storage;
        weight.Dispose();
        // What a view shows is without a name here, and goes when the garbage collector finds it.
        if (kind is not ("part" or "transposed"))
            Assert.Equal(0, PackedOperands.Count(storage));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_change_in_place_is_seen(string kind)
    {
        var (weight, of) = Case(kind);
        float[] before = UntilKept(() => of(weight), weight);
        // What a weight gives that no kernel has seen.
        float[] Fresh() => of(weight.Clone()).ToArray<float>();
        // A view of a part, the whole, values of another, elements by their places.
        Action[] changes =
        [
            () => weight[3].Fill_(0.25),
            () => weight.Mul_(2),
            () => weight.Copy_(Some(9, [.. weight.Shape])),
            () => weight.Zero_(),
            () => weight.IndexFill_(0, Tensor.From<long>([1, 3]), 0.5),
        ];
        foreach (var change in changes)
        {
            change();
            for (int i = 0; i < 6; i++)
            {
                float[] after = of(weight).ToArray<float>();
                Assert.NotEqual(before, after);
                Assert.Equal(Fresh(), after);
            }
            before = of(weight).ToArray<float>();
        }
        Assert.Equal(1, PackedOperands.Count(weight.Storage));
    }

    [Fact]
    public void Parts_of_one_tensor_have_a_copy_each()
    {
        var (whole, x) = (Some(2, 180, 203), Some(1, 200, 203));
        var parts = Enumerable.Range(0, 3).Select(i => whole.Narrow(0, 60 * i, 60)).ToArray();
        float[][] results = [.. parts.Select(p => F.Linear(x, p.Clone()).ToArray<float>())];
        UntilKept(() => F.Linear(x, parts[0]), parts[0]);
        for (int i = 0; i < 8; i++)
        {
            for (int p = 0; p < parts.Length; p++)
                Assert.Equal(results[p], F.Linear(x, parts[p]).ToArray<float>());
        }
        Assert.Equal(3, PackedOperands.Count(whole.Storage));
        parts[1].Fill_(1);
        results[1] = F.Linear(x, parts[1].Clone()).ToArray<float>();
        for (int i = 0; i < 8; i++)
        {
            for (int p = 0; p < parts.Length; p++)
                Assert.Equal(results[p], F.Linear(x, parts[p]).ToArray<float>());
        }
        Assert.Equal(3, PackedOperands.Count(whole.Storage));
    }

    [Fact]
    public void Many_weights_in_one_memory_have_a_copy_each_and_windows_over_it_do_not_thrash()
    {
        var (whole, x) = (Some(2, 12 * 60, 203), Some(1, 200, 203));
        var parts = Enumerable.Range(0, 12).Select(i => whole.Narrow(0, 60 * i, 60)).ToArray();
        UntilKept(() => F.Linear(x, parts[0]), parts[0]);
        for (int i = 0; i < 8; i++)
        {
            foreach (var part in parts)
                F.Linear(x, part);
        }
        Assert.Equal(12, PackedOperands.Count(whole.Storage));
        foreach (var part in parts)
            Assert.Equal(F.Linear(x, part.Clone()).ToArray<float>(), F.Linear(x, part).ToArray<float>());

        // Copies of overlapping windows would need seven times the memory: as many as there is room for are kept and stay.
        var windows = Enumerable.Range(0, 80).Select(i => whole.Narrow(0, 8 * i, 60)).ToArray();
        float[][] Results() => [.. windows.Select(w => F.Linear(x, w).ToArray<float>())];
        for (int i = 0; i < 6; i++)
            Results();
        int kept = PackedOperands.Count(whole.Storage);
        Assert.InRange(kept, 13, 60);
        float[][] results = Results();
        for (int w = 0; w < windows.Length; w += 7)
            Assert.Equal(F.Linear(x, windows[w].Clone()).ToArray<float>(), results[w]);
        Assert.Equal(kept, PackedOperands.Count(whole.Storage));
        // Those of what was there before make room.
        whole.Mul_(2);
        for (int i = 0; i < 6; i++)
            F.Linear(x, windows[79]);
        Assert.Equal(F.Linear(x, windows[79].Clone()).ToArray<float>(), F.Linear(x, windows[79]).ToArray<float>());
    }

    [Fact]
    public void Weights_that_change_with_every_call_are_not_kept()
    {
        var (weight, of) = Case("linear");
        UntilKept(() => of(weight), weight);
        var trained = Some(5, 60, 203);
        for (int i = 0; i < 20; i++)
        {
            of(trained);
            trained.Add_(0.001);
        }
        Assert.Equal(0, PackedOperands.Count(trained.Storage));
    }

    [Theory]
    [InlineData("linear")]
    [InlineData("convolution")]
    public void Threads_share_a_copy_between_changes(string kind)
    {
        OnThreads(2);
        var (weight, of) = Case(kind);
        UntilKept(() => of(weight), weight);
        for (int round = 0; round < 5; round++)
        {
            weight.Add_(0.125);
            float[] expected = of(weight.Clone()).ToArray<float>();
            var wrong = 0;
            var threads = Enumerable
                .Range(0, 4)
                .Select(_ => new Thread(() =>
                {
                    for (int i = 0; i < 10; i++)
                    {
                        if (!of(weight).ToArray<float>().SequenceEqual(expected))
                            Interlocked.Increment(ref wrong);
                    }
                }))
                .ToList();
            threads.ForEach(t => t.Start());
            threads.ForEach(t => t.Join());
            Assert.Equal(0, wrong);
            Assert.Equal(1, PackedOperands.Count(weight.Storage));
        }
    }

    // Nobody but the table of copies may hold on to what a weight had.
    [Fact]
    public void A_weight_that_is_dropped_is_collected_with_its_copy()
    {
        var storage = KeepOneAndDropIt();
        for (int i = 0; i < 10 && storage.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        Assert.False(storage.IsAlive, "the copy keeps the weight alive");
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static WeakReference KeepOneAndDropIt()
    {
        var (weight, of) = Case("linear");
        UntilKept(() => of(weight), weight);
        return new WeakReference(weight.Storage);
    }
}
