using Picograd.Baselines;
using Xunit;

namespace Picograd.Tests;

public class RegistryTests
{
    private static readonly IBaseline Hand = BaselineRegistry.All.Single(b => b.Lib == "hand");
    private static readonly IBaseline Blas = BaselineRegistry.All.Single(b => b.Lib == "openblas");

    private static OperatorCase Case(string name, string attributes, params Memory[] tensors)
    {
        Dictionary<string, long> parsed = attributes
            .Split(' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(a => a.Split('='))
            .ToDictionary(a => a[0], a => long.Parse(a[1]));
        List<nint> addresses = [.. tensors.Select(t => t.Address)];
        return new OperatorCase(name, parsed, addresses[..^1], addresses[^1..], Threads: 1);
    }

    [Theory]
    [InlineData("matmul", "m=2 n=3 k=4 ta=1", 2)]
    [InlineData("matmul", "m=2 n=3 k=2 batch=2", 2)]
    [InlineData("softmax", "rows=3 cols=4", 1)]
    [InlineData("log_softmax", "rows=3 cols=4", 1)]
    [InlineData("sum", "rows=3 cols=4 axis=0", 1)]
    [InlineData("sum", "rows=3 cols=4 axis=1", 1)]
    [InlineData("tanh", "n=9", 1)]
    [InlineData("exp", "n=9", 1)]
    [InlineData("add", "n=9", 2)]
    [InlineData("cross_entropy", "rows=3 classes=4", 2)]
    [InlineData("embedding", "vocab=2 dim=2 rows=3", 2)]
    [InlineData("transpose", "rows=3 cols=4", 1)]
    public void Hand_kernels_are_found_by_name_and_write_their_output(string name, string attributes, int inputs)
    {
        using Memory a = Memory.Random(16, 1);
        using var b = new Memory(16);
        b.Span.Clear(); // as integers: class 0, row 0
        using var y = new Memory(16);
        float untouched = y.Span[0];
        OperatorCase c = inputs == 2 ? Case(name, attributes, a, b, y) : Case(name, attributes, a, y);
        Assert.True(Hand.TryCreate(c, out Action? run));
        run();
        Assert.NotEqual(untouched, y.Span[0]);
        Assert.True(y.GuardsIntact);
    }

    [Fact]
    public void An_operator_that_nobody_wrote_is_not_found()
    {
        using var x = new Memory(4);
        Assert.False(Hand.TryCreate(Case("convolution", "n=4", x, x), out _));
        Assert.False(Blas.TryCreate(Case("tanh", "n=4", x, x), out _));
    }

    [Fact]
    public void A_missing_dimension_is_named()
    {
        using var x = new Memory(4);
        var refusal = Assert.Throws<ArgumentException>(() => Hand.TryCreate(Case("softmax", "rows=2", x, x), out _));
        Assert.Contains("'softmax' needs cols=…, but only rows=2 was given", refusal.Message);
    }

    [Theory]
    [InlineData("matmul", "m=0 n=1 k=1", "m=0, but a dimension is at least 1")]
    [InlineData("sum", "rows=1 cols=1 axis=3", "axis=3, but a matrix has axes 0 and 1")]
    [InlineData("embedding", "vocab=1 dim=1 rows=1 index_bits=16", "index_bits=16, but only 32 or 64 exist")]
    public void A_wrong_attribute_is_named(string name, string attributes, string reason)
    {
        using var x = new Memory(4);
        var refusal = Assert.Throws<ArgumentException>(() => Hand.TryCreate(Case(name, attributes, x, x, x), out _));
        Assert.Contains(reason, refusal.Message);
    }

    [Fact]
    public void A_missing_input_is_named()
    {
        using var x = new Memory(4);
        var refusal = Assert.Throws<ArgumentException>(() => Hand.TryCreate(Case("add", "n=2", x, x), out _));
        Assert.Contains("'add' needs input 1, but 1 of them were given", refusal.Message);
    }

    [Fact]
    public void A_library_says_what_is_missing_exactly_when_it_is()
    {
        foreach (IBaseline library in BaselineRegistry.All)
        {
            Assert.Equal(library.IsAvailable, library.Missing.Length == 0);
        }
    }

    [SkippableFact]
    public void OpenBlas_and_the_hand_kernel_agree_through_the_registry()
    {
        Skip.IfNot(Blas.IsAvailable, Blas.Missing);
        using Memory a = Memory.Random(35, 1);
        using Memory b = Memory.Random(63, 2);
        using var mine = new Memory(45);
        using var theirs = new Memory(45);
        Assert.True(Hand.TryCreate(Case("matmul", "m=5 n=9 k=7 tb=1", a, b, mine), out Action? hand));
        Assert.True(Blas.TryCreate(Case("matmul", "m=5 n=9 k=7 tb=1", a, b, theirs), out Action? blas));
        hand();
        blas();
        for (int i = 0; i < 45; i++)
        {
            Assert.Equal(mine.Span[i], theirs.Span[i], 1e-5f);
        }
    }
}
