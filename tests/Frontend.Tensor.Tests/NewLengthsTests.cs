using System.Collections.Concurrent;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests;

/// <summary>A length that was not met before compiles nothing: one kernel serves a class of shapes.</summary>
public sealed class NewLengthsTests : IDisposable
{
    private readonly CountingBackend _backend = new(new CpuBackend(CpuTarget.Detect(), 1));

    private static readonly Generator Random = new(5);
    private static readonly Tensor Rows = Tensor.Rand([1100, 24], Random) - 0.5;
    private static readonly Tensor Weights = Tensor.Rand([24, 40], Random) - 0.5;
    private static readonly Tensor Scale = Tensor.Rand([24], Random);
    private static readonly Tensor Line = Tensor.Rand([1100], Random) - 0.5;
    private static readonly Tensor Pairs = Tensor.Rand([1100, 3, 5], Random) - 0.5;
    private static readonly Tensor Others = Tensor.Rand([1100, 5, 4], Random) - 0.5;
    private static readonly Tensor Indices = Tensor.RandInt(0, 24, [1100], Random);
    private static readonly Tensor Keys = Tensor.Rand([1, 2, 2100, 8], Random) - 0.5;
    private static readonly Tensor Values = Tensor.Rand([1, 2, 2100, 8], Random) - 0.5;
    private static readonly Tensor Query = Tensor.Rand([1, 2, 1, 8], Random) - 0.5;

    public NewLengthsTests() => Dispatcher.Use(null, _backend, null);

    public void Dispose() => Setup.UseEvaluator();

    private static Tensor First(Tensor t, int n, int dim = 0) => t.Narrow(dim, 0, n);

    private static readonly Dictionary<string, Func<int, Tensor>> Operators = new()
    {
        ["product"] = n => First(Rows, n).MatMul(Weights),
        ["product of few terms"] = n => First(Rows, n).MatMul(First(Weights, 24).Narrow(1, 0, 3).Contiguous()),
        ["product with a transposed"] = n => First(Rows, n).MatMul(First(Rows, 30).T),
        ["product with a vector"] = n => First(Rows, n).MatMul(Scale),
        ["linear"] = n => F.Linear(First(Rows, n), Weights.T.Contiguous(), null),
        ["batched product"] = n => First(Pairs, n).MatMul(First(Others, n)),
        ["softmax"] = n => First(Rows, n).Softmax(1),
        ["layernorm"] = n => F.LayerNorm(First(Rows, n), [24], Scale, Scale),
        ["cross-entropy"] = n => F.CrossEntropy(First(Rows, n), First(Indices, n)),
        ["element-wise"] = n => (First(Rows, n) * 2 + Scale).Relu(),
        ["gelu"] = n => First(Line, n).Gelu(),
        ["sum"] = n => First(Line, n).Sum(),
        ["sums of rows"] = n => First(Rows, n).Sum(1),
        ["sums of columns"] = n => First(Rows, n).Sum(0),
        ["running sums"] = n => First(Rows, n).Cumsum(0),
        ["embedding"] = n => F.Embedding(Rows, First(Indices, n)),
        ["cat"] = n => Tensor.Cat([First(Keys, n, 2), Query], 2),
        ["attention"] = n => F.ScaledDotProductAttention(First(Keys, 5, 2), First(Keys, n, 2), First(Values, n, 2)),
        ["one query"] = n => F.ScaledDotProductAttention(Query, First(Keys, n, 2), First(Values, n, 2)),
    };

    public static TheoryData<string> Names => [.. Operators.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_thousand_new_lengths_compile_few_kernels(string name)
    {
        using var none = Tensor.NoGrad();
        for (int n = 1; n <= 1000; n++)
        {
            using var scope = Tensor.Scope();
            Operators[name](n);
        }
        // Three operators, or copies of keys and values too; products of one to eight rows, which have a kernel each.
        int most =
            name is "element-wise" or "attention" or "one query" ? 20
            : name.Contains("product", StringComparison.Ordinal) || name == "linear" ? 16
            : 8;
        Assert.True(_backend.Compiled.Count <= most, string.Join('\n', _backend.Compiled));
        int before = _backend.Compiled.Count;
        for (int n = 1001; n <= 1020; n++)
        {
            using var scope = Tensor.Scope();
            Operators[name](n);
        }
        Assert.InRange(_backend.Compiled.Count, before, before + 2);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Lengths_in_any_order_give_the_same_bits(string name)
    {
        using var none = Tensor.NoGrad();
        int[] lengths = [1, 2, 3, 7, 31, 40, 64, 65, 66, 127, 300, 513, 1000];
        Dictionary<int, double[]> Run(IEnumerable<int> order)
        {
            Dispatcher.Refresh();
            var results = new Dictionary<int, double[]>();
            foreach (int n in order)
            {
                using var scope = Tensor.Scope();
                results[n] = Operators[name](n).ToDoubles();
            }
            return results;
        }
        var forward = Run(lengths);
        var backward = Run(lengths.Reverse());
        Assert.All(lengths, n => Assert.Equal(forward[n], backward[n]));
        // And those of the evaluator, to rounding.
        Setup.UseEvaluator();
        foreach (int n in lengths.Where(n => n < 100))
        {
            using var scope = Tensor.Scope();
            double[] expected = Operators[name](n).ToDoubles();
            Assert.Equal(expected.Length, forward[n].Length);
            for (int i = 0; i < expected.Length; i++)
                Assert.Equal(expected[i], forward[n][i], 2e-5);
        }
    }

    [Fact]
    public void Decoding_against_a_cache_compiles_at_no_position()
    {
        using var none = Tensor.NoGrad();
        for (int position = 1; position <= 2048; position++)
        {
            using var scope = Tensor.Scope();
            var y = F.ScaledDotProductAttention(Query, First(Keys, position, 2), First(Values, position, 2));
            if (position is 1 or 2 or 63 or 64 or 65 or 700 or 2048)
                Check(y.ToDoubles(), position);
        }
        Assert.True(_backend.Compiled.Count <= 20, string.Join('\n', _backend.Compiled));
    }

    // The same in float64, written out.
    private static void Check(double[] actual, int keys)
    {
        double[] q = Query.ToDoubles();
        double[] k = Keys.ToDoubles();
        double[] v = Values.ToDoubles();
        for (int h = 0; h < 2; h++)
        {
            var weights = new double[keys];
            for (int j = 0; j < keys; j++)
            {
                for (int e = 0; e < 8; e++)
                    weights[j] += q[h * 8 + e] * k[(h * 2100 + j) * 8 + e] / Math.Sqrt(8);
            }
            double sum = weights.Sum(Math.Exp);
            for (int c = 0; c < 8; c++)
            {
                double expected = Enumerable
                    .Range(0, keys)
                    .Sum(j => Math.Exp(weights[j]) / sum * v[(h * 2100 + j) * 8 + c]);
                Assert.Equal(expected, actual[h * 8 + c], 1e-5);
            }
        }
    }

    [Fact]
    public void New_lengths_keep_little_memory()
    {
        using var none = Tensor.NoGrad();
        string[] five = ["product", "softmax", "layernorm", "element-wise", "one query"];
        void Run(int from, int to)
        {
            for (int n = from; n <= to; n++)
            {
                using var scope = Tensor.Scope();
                foreach (string name in five)
                    Operators[name](n);
            }
        }
        Run(1, 20);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        Run(21, 1020);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 5 << 20);
    }

    private sealed class CountingBackend(IBackend inner) : IBackend
    {
        public ConcurrentQueue<string> Compiled { get; } = [];

        public TargetInfo Target => inner.Target;

        public bool SharesKernels => inner.SharesKernels;

        public LoopNest Lower(LoopNest nest) => inner.Lower(nest);

        public ICompiledKernel Compile(LoopNest nest)
        {
            Compiled.Enqueue($"{nest.Algorithm.Name} {string.Join(' ', nest.Algorithm.Arguments)}");
            return inner.Compile(nest);
        }

        public ICompiledKernel Compile(LoopNest nest, IReadOnlyList<long> extents)
        {
            Compiled.Enqueue($"{nest.Algorithm.Name} of {string.Join(',', extents)}");
            return inner.Compile(nest, extents);
        }
    }
}
