using Picograd.Data;
using Xunit;

namespace Picograd.Tests;

public class DataLoaderTests
{
    private static TensorDataset Numbers(int count) =>
        new(Tensor.Arange(count).To(DType.Float32).Reshape(count, 1), Tensor.Arange(count) * 10);

    /// <summary>Slow for some samples, so that workers finish in another order; draws a number for each.</summary>
    private sealed class Uneven(int count, long fails = -1) : Dataset<(Tensor Index, Tensor Drawn)>
    {
        public override long Count => count;

        public override (Tensor Index, Tensor Drawn) this[long index]
        {
            get
            {
                if (index == fails)
                    throw new FormatException("it is broken");
                if (index % 7 == 0)
                    Thread.Sleep(5);
                return (Tensor.From(index), Tensor.From(SampleRandom.Current.NextDouble()));
            }
        }
    }

    private sealed class Counting(int count, Action? ended = null) : IterableDataset<Tensor>
    {
        public override IEnumerator<Tensor> GetEnumerator()
        {
            try
            {
                for (int i = 0; i < count; i++)
                    yield return Tensor.From((long)i);
            }
            finally
            {
                ended?.Invoke();
            }
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public void Batches_come_in_order_and_the_last_may_be_smaller(int workers)
    {
        var loader = new DataLoader(Numbers(10), batchSize: 4, numWorkers: workers);
        Assert.Equal(3, loader.Count);
        var seen = new List<double>();
        foreach (var (x, y) in loader)
        {
            Assert.Equal([x.Shape[0], 1], x.Shape.ToArray());
            Assert.Equal(y.ToDoubles(), x.ToDoubles().Select(v => v * 10));
            seen.AddRange(x.ToDoubles());
        }
        Assert.Equal(Enumerable.Range(0, 10).Select(i => (double)i), seen);
        Assert.Equal(2, new DataLoader(Numbers(10), batchSize: 4, dropLast: true, numWorkers: workers).Count());
    }

    [Fact]
    public void Any_number_of_workers_gives_the_same_order_and_random_numbers()
    {
        double[] Run(int workers)
        {
            var loader = new DataLoader<(Tensor Index, Tensor Drawn)>(
                new Uneven(50),
                batchSize: 3,
                shuffle: true,
                numWorkers: workers,
                generator: new Generator(5),
                seed: 9
            );
            var all = new List<double>();
            for (int epoch = 0; epoch < 2; epoch++)
            {
                foreach (var (index, drawn) in loader)
                {
                    all.AddRange(index.ToDoubles());
                    all.AddRange(drawn.ToDoubles());
                }
            }
            return [.. all];
        }
        double[] alone = Run(0);
        Assert.Equal(200, alone.Length);
        Assert.True(alone.Distinct().Count() > 140);
        Assert.Equal(alone, Run(1));
        Assert.Equal(alone, Run(4));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void What_fails_names_the_sample(int workers)
    {
        var loader = new DataLoader<(Tensor, Tensor)>(new Uneven(20, fails: 13), batchSize: 4, numWorkers: workers);
        int batches = 0;
        var error = Assert.Throws<DataLoaderException>(() =>
        {
            foreach (var _ in loader)
                batches++;
        });
        Assert.Equal((3, 13L), (batches, error.Index));
        Assert.Contains("sample 13: it is broken", error.Message);
        Assert.IsType<FormatException>(error.InnerException);
    }

    [Fact]
    public void A_loop_that_is_left_leaves_nothing_running()
    {
        bool ended = false;
        int seen = 0;
        foreach (var batch in new DataLoader<Tensor>(new Counting(1_000_000, () => ended = true), 2, numWorkers: 3))
        {
            Assert.Equal([2.0 * seen, 2 * seen + 1], batch.ToDoubles());
            if (++seen == 5)
                break;
        }
        Assert.True(ended);
        var dataset = new Uneven(1000);
        foreach (var _ in new DataLoader<(Tensor, Tensor)>(dataset, numWorkers: 4))
            break;
        Assert.Equal(7, new DataLoader<Tensor>(new Counting(13), batchSize: 2, numWorkers: 1).Count());
        Assert.Equal(6, new DataLoader<Tensor>(new Counting(13), batchSize: 2, dropLast: true).Count());
    }

    [Fact]
    public void Samplers_take_each_sample_once_or_by_weight()
    {
        var generator = new Generator(3);
        Assert.Equal(Enumerable.Range(0, 9).Select(i => (long)i), new RandomSampler(9, generator: generator).Order());
        var sampler = new RandomSampler(30, generator: generator);
        Assert.NotEqual(sampler.ToArray(), sampler.ToArray());
        Assert.Equal(25, new RandomSampler(10, numSamples: 25).Count());
        Assert.Equal(25, new RandomSampler(10, replacement: true, numSamples: 25).Count(i => i is >= 0 and < 10));
        Assert.Equal([3L, 5, 8], new SubsetRandomSampler([5, 3, 8]).Order());
        var weighted = new WeightedRandomSampler([0, 1, 3], 400, generator: generator).ToArray();
        Assert.Equal(0, weighted.Count(i => i == 0));
        Assert.InRange(weighted.Count(i => i == 2), 250, 350);
        var shares = Enumerable.Range(0, 3).Select(r => new DistributedSampler(10, 3, r)).ToArray();
        Assert.All(shares, s => Assert.Equal(4, s.Count()));
        Assert.Equal(10, shares.SelectMany(s => s).Distinct().Count());
        Assert.Equal(
            [
                [0L, 1],
                [2],
            ],
            new BatchSampler(new SequentialSampler(3), 2)
        );
        Assert.Throws<ArgumentException>(() =>
            new DataLoader(Numbers(3), shuffle: true, sampler: new SequentialSampler(3))
        );
    }

    [Fact]
    public void Datasets_are_split_joined_and_cut()
    {
        var data = Numbers(11);
        var parts = Dataset.RandomSplit(data, [0.5, 0.3, 0.2], new Generator(1));
        Assert.Equal([6, 3, 2], parts.Select(p => p.Count));
        Assert.Equal(11, parts.SelectMany(p => p.Indices).Distinct().Count());
        Assert.Equal([7, 4], Dataset.RandomSplit(data, [7, 4]).Select(p => p.Count));
        Assert.Throws<ArgumentException>(() => Dataset.RandomSplit(data, [7, 5]));
        var joined = parts[0] + parts[1];
        Assert.Equal(9, joined.Count);
        Assert.Equal(parts[1].Indices[0] * 10, joined[6][1].Item());
        Assert.Throws<ArgumentOutOfRangeException>(() => joined[9]);
        var mapped = new MappedDataset<Tensor[], Tensor>(joined, s => s[0] + 1);
        Assert.Equal([9, 1], new DataLoader<Tensor>(mapped, 9).Single().Shape.ToArray());
        Assert.Throws<ArgumentException>(() => new TensorDataset(Tensor.Zeros(2), Tensor.Zeros(3)));
        var words = new DataLoader<Tensor, string>(mapped, batch => $"{batch.Count} of them", batchSize: 5);
        Assert.Equal(["5 of them", "4 of them"], words);
        Assert.Contains("collate", Assert.Throws<ArgumentException>(() => Collate.Default(["a"])).Message);
    }
}
