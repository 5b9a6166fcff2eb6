using Picograd.Data;
using Xunit;

namespace Picograd.Tests;

/// <summary>Samples of other types than tensors, as torch.utils.data.default_collate takes them.</summary>
public class CollateTests
{
    private sealed class Labelled : Dataset<(Tensor X, int Label)>
    {
        public override long Count => 5;

        public override (Tensor X, int Label) this[long index] => (Tensor.Full([2], index), (int)index * 3);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void A_tensor_and_an_int_become_two_tensors(int workers)
    {
        var loader = new DataLoader<(Tensor X, int Label), (Tensor X, Tensor Label)>(
            new Labelled(),
            batchSize: 2,
            numWorkers: workers
        );
        var batches = loader.ToList();
        Assert.Equal(3, batches.Count);
        Assert.Equal([2, 2], batches[0].X.Shape.ToArray());
        Assert.Equal(DType.Int64, batches[1].Label.DType);
        Assert.Equal([6.0, 9], batches[1].Label.ToDoubles());
        var error = Assert.Throws<ArgumentException>(() => new DataLoader<(Tensor, int)>(new Labelled()).First());
        Assert.Contains("DataLoader<(Tensor, Int32), (Tensor, Tensor)>", error.Message);
    }

    [Fact]
    public void Numbers_become_tensors_of_their_kind()
    {
        Tensor Of<T>(params T[] samples) => Collate.Default<T, Tensor>(samples);
        Assert.Equal((DType.Int64, 2), (Of(1, 2).DType, Of(1, 2).Size(0)));
        Assert.Equal(DType.Int64, Of((byte)1, (byte)2).DType);
        Assert.Equal(DType.Float64, Of(1.5, 2).DType);
        Assert.Equal(DType.Float32, Of(1.5f, 2).DType);
        Assert.Equal(DType.Bool, Of(true, false).DType);
        var stacked = Of(new float[] { 1, 2, 3 }, [4, 5, 6]);
        Assert.Equal((DType.Float32, "[2, 3]"), (stacked.DType, stacked.Shape.ToString()));
        Assert.Equal(
            [2, 1, 2],
            Of(
                new int[,]
                {
                    { 1, 2 },
                },
                new int[,]
                {
                    { 3, 4 },
                }
            )
                .Shape.ToArray()
        );
    }

    [Fact]
    public void Trees_are_gone_through()
    {
        var samples = Enumerable
            .Range(0, 3)
            .Select(i => new Dictionary<string, object>
            {
                ["image"] = Tensor.Full([2], i),
                ["label"] = i,
                ["name"] = $"n{i}",
                ["pair"] = (i * 1.0, new List<object> { i, Tensor.Ones(1) }),
            })
            .ToList();
        var batch = Collate.Default(samples);
        Assert.Equal([3, 2], ((Tensor)batch["image"]).Shape.ToArray());
        Assert.Equal([0.0, 1, 2], ((Tensor)batch["label"]).ToDoubles());
        Assert.Equal(["n0", "n1", "n2"], (string[])batch["name"]);
        var (number, list) = ((Tensor, List<object>))batch["pair"];
        Assert.Equal([3], number.Shape.ToArray());
        Assert.Equal([3, 1], ((Tensor)list[1]).Shape.ToArray());
        var byNumber = Collate.Default<Dictionary<int, float>, System.Collections.IDictionary>([
            new() { [7] = 1 },
            new() { [7] = 2 },
        ]);
        Assert.Equal([1.0, 2], ((Tensor)byNumber[7]!).ToDoubles());
        var typed = Collate.Default<Dictionary<string, int>, Dictionary<string, Tensor>>([
            new() { ["a"] = 1 },
            new() { ["a"] = 5 },
        ]);
        Assert.Equal([1.0, 5], typed["a"].ToDoubles());
        var nested = Collate.Default<(Tensor, (int, bool)), (Tensor, (Tensor, Tensor))>([
            (Tensor.Ones(1), (1, true)),
            (Tensor.Ones(1), (2, false)),
        ]);
        Assert.Equal([1.0, 2], nested.Item2.Item1.ToDoubles());
        var eight = Collate.Default<
            (int, int, int, int, int, int, int, int),
            (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)
        >([(1, 2, 3, 4, 5, 6, 7, 8)]);
        Assert.Equal(8, eight.Item8.Item());
        Assert.Equal(
            [2, 3],
            Collate
                .Default<Tensor[]>([
                    [Tensor.Ones(3)],
                    [Tensor.Ones(3)],
                ])[0]
                .Shape.ToArray()
        );
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        void Refused<T>(string why, params T[] samples) =>
            Assert.Contains(why, Assert.Throws<ArgumentException>(() => Collate.Default<T, object>(samples)).Message);
        Refused("several types", (object)1, "a");
        Refused("null", (object?)null);
        Refused("collate function", new Version(1, 2));
        Refused("different numbers", new List<int> { 1 }, [1, 2]);
        Refused("no 'a'", new Dictionary<string, int> { ["a"] = 1 }, new() { ["b"] = 1 });
        Refused<int>("no samples");
    }

    private sealed class Slow(int count, Action<int> read) : IterableDataset<Tensor>
    {
        public override IEnumerator<Tensor> GetEnumerator()
        {
            for (int i = 0; i < count; i++)
            {
                read(Environment.CurrentManagedThreadId);
                yield return Tensor.From((long)i);
            }
        }
    }

    [Fact]
    public void A_stream_is_read_ahead_by_another_thread()
    {
        int own = Environment.CurrentManagedThreadId;
        int reads = 0;
        var dataset = new Slow(
            1000,
            thread =>
            {
                Assert.NotEqual(own, thread);
                Interlocked.Increment(ref reads);
            }
        );
        int seen = 0;
        foreach (var batch in new DataLoader<Tensor>(dataset, 2, numWorkers: 1, prefetchFactor: 3))
        {
            Assert.Equal([2.0 * seen, 2 * seen + 1], batch.ToDoubles());
            if (++seen == 1)
                // Three batches in the queue and one that waits for room, and no more.
                Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref reads) >= 8, 10_000));
            Assert.InRange(Volatile.Read(ref reads), 2 * seen, 2 * (seen + 5));
            if (seen == 20)
                break;
        }
        int after = Volatile.Read(ref reads);
        Thread.Sleep(30);
        Assert.Equal(after, Volatile.Read(ref reads));
    }

    [Fact]
    public void What_fails_in_a_stream_comes_where_it_failed()
    {
        int at = 0;
        var dataset = new Slow(10, _ => _ = ++at == 6 ? throw new FormatException("broken") : 0);
        var loader = new DataLoader<Tensor>(dataset, 2, numWorkers: 2);
        int batches = 0;
        var error = Assert.Throws<DataLoaderException>(() =>
        {
            foreach (var _ in loader)
                batches++;
        });
        Assert.Equal((2, 5L), (batches, error.Index));
    }

    [Theory]
    [InlineData(5, 4, 2, 2, 0, 1)]
    [InlineData(7, 4, 2, 2, 2, 1)]
    [InlineData(3, 2, 2, 5, 0, -1)]
    public void The_middle_is_where_torchvision_has_it(int h, int w, int height, int width, int top, int left)
    {
        // (5 - 2) / 2 and (7 - 2) / 2 are halves, which go to even numbers: 2 and 2.
        var x = (Tensor.Arange(h * w).To(DType.Float32) + 1).Reshape(1, h, w);
        var crop = Transforms.CenterCrop(height, width)(x);
        Assert.Equal([1, height, width], crop.Shape.ToArray());
        double expected = left < 0 ? 0 : (top == 0 && h == 5 ? 2 : top) * w + left + 1;
        Assert.Equal(expected, crop[0, 0, 0].Item());
        if (left < 0)
            // One zero in front, two behind.
            Assert.Equal([0.0, 1, 2, 0, 0], crop[0, 0].ToDoubles());
    }

    [Fact]
    public void Files_that_cannot_be_written_are_as_before()
    {
        using var folder = new Folder();
        Wav.Save(Tensor.Zeros(100), folder["a.wav"], 8000);
        byte[] before = File.ReadAllBytes(folder["a.wav"]);
        Assert.ThrowsAny<Exception>(() => Wav.Save(Tensor.Zeros(100), folder["a.wav"], 0));
        Assert.ThrowsAny<Exception>(() => Wav.Save(Tensor.Zeros([70_000, 1]), folder["a.wav"], 8000));
        Assert.Equal(before, File.ReadAllBytes(folder["a.wav"]));
        ImageFile.Save(Tensor.Zeros([1, 2, 2]), folder["a.png"]);
        Plots.Loss(folder["a.svg"], [1, 2]);
        string[] names = [.. Directory.GetFiles(Path.GetDirectoryName(folder["a"])!).Select(Path.GetFileName)!];
        Assert.Equal(["a.png", "a.svg", "a.wav"], names.Order());
        Assert.Equal(8000, Wav.Load(folder["a.wav"]).SampleRate);
    }
}
