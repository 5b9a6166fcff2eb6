using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests;

public class AlgorithmHashTests
{
    private static string Full(string spec) => AlgorithmHash.Full(OperatorSpec.Parse(spec).Build());

    private static string Family(string spec) => AlgorithmHash.Family(OperatorSpec.Parse(spec).Build());

    private static Algorithm Matmul(string a, string b, string c, string x, string y, string z, long m = 3)
    {
        var g = new AlgorithmBuilder("any " + a);
        var bufferA = g.Input(a, DType.Float32, m, 5);
        var bufferB = g.Input(b, DType.Float32, 5, 7);
        var (i, j, k) = (new Axis(x, m), new Axis(y, 7), new Axis(z, 5));
        return g.Build(g.Stage(c, [i, j], AlgorithmBuilder.Sum(k, bufferA[i, k] * bufferB[k, j])));
    }

    [Fact]
    public void Names_do_not_matter_sizes_do()
    {
        var one = Matmul("A", "B", "C", "m", "n", "k");
        var two = Matmul("X", "Y", "Z", "i", "j", "r");
        Assert.Equal(AlgorithmHash.Full(one), AlgorithmHash.Full(two));
        Assert.Equal(AlgorithmHash.Full(one), Full("matmul m=3 n=7 k=5"));
        Assert.NotEqual(AlgorithmHash.Full(one), AlgorithmHash.Full(Matmul("A", "B", "C", "m", "n", "k", 4)));
        Assert.Equal(AlgorithmHash.Family(one), AlgorithmHash.Family(Matmul("P", "Q", "R", "m", "n", "k", 4)));
    }

    [Fact]
    public void Hashes_do_not_change_from_one_process_or_machine_to_another()
    {
        // Written down once: a change here orphans every stored record and needs a new compiler version.
        Assert.Equal(32, Full("matmul m=3 n=7 k=5").Length);
        Assert.Equal("a95bbd44042093499ea0c631a0c828a6", Full("matmul m=3 n=7 k=5"));
        Assert.Equal("72b4734d454ca75ea4215db7aa729aed", Family("matmul m=3 n=7 k=5"));
    }

    [Theory]
    [InlineData("matmul m=3 n=7 k=5", "matmul m=512 n=512 k=512")]
    [InlineData("matmul m=3 n=7 k=5 tb=1 bias=1 act=gelu", "matmul m=64 n=64 k=32 tb=1 bias=1 act=gelu")]
    [InlineData("softmax rows=4096 cols=1024", "softmax rows=7 cols=7")]
    [InlineData("cross_entropy rows=32 classes=27", "cross_entropy rows=64 classes=64")]
    [InlineData("cross_entropy.adjoint rows=32 classes=27", "cross_entropy.adjoint rows=27 classes=27")]
    [InlineData("mean rows=32 cols=27 axis=0", "mean rows=27 cols=27 axis=0")]
    [InlineData("mean shape=3x4x5 axes=0,2", "mean shape=15x7x2 axes=0,2")]
    [InlineData("embedding vocab=27 dim=10 rows=96", "embedding vocab=96 dim=96 rows=96")]
    [InlineData("embedding.adjoint vocab=27 dim=10 rows=96", "embedding.adjoint vocab=3 dim=2 rows=4")]
    [InlineData("tanh n=6400", "tanh n=3")]
    [InlineData("add a=32x200 b=200", "add a=5x5 b=5")]
    [InlineData("sum shape=4x5x6 axes=0,2", "sum shape=7x7x7 axes=0,2")]
    [InlineData("argmax rows=4 cols=5 axis=1", "argmax rows=5 cols=4 axis=1")]
    [InlineData("copy shape=3x5 strides=1,3", "copy shape=8x9 strides=1,8")]
    [InlineData("adam n=10", "adam n=7")]
    [InlineData("random_normal n=10", "random_normal n=77")]
    public void Other_sizes_are_of_the_same_family(string one, string other)
    {
        Assert.NotEqual(Full(one), Full(other));
        Assert.Equal(Family(one), Family(other));
    }

    [Theory]
    [InlineData("matmul m=3 n=7 k=5", "matmul m=3 n=7 k=5 ta=1")]
    [InlineData("matmul m=3 n=3 k=3", "matmul m=3 n=3 k=3 tb=1")]
    [InlineData("matmul m=3 n=7 k=5", "matmul m=3 n=7 k=5 dtype=f64")]
    [InlineData("matmul m=3 n=7 k=5 act=relu", "matmul m=3 n=7 k=5 act=tanh")]
    [InlineData("sum rows=5 cols=5 axis=0", "sum rows=5 cols=5 axis=1")]
    [InlineData("sum rows=5 cols=5 axis=0", "max rows=5 cols=5 axis=0")]
    [InlineData("max rows=5 cols=5 axis=0", "min rows=5 cols=5 axis=0")]
    [InlineData("argmax rows=5 cols=5 axis=0", "argmin rows=5 cols=5 axis=0")]
    [InlineData("add a=5x5 b=5", "add a=5x5 b=5x1")]
    [InlineData("copy shape=3x5 strides=1,3", "copy shape=3x5 strides=5,1")]
    [InlineData("cumsum rows=5 cols=5", "cumsum rows=5 cols=5 axis=0")]
    [InlineData("sgd n=5", "tanh.adjoint n=5")]
    public void Different_operators_are_of_different_families(string one, string other)
    {
        Assert.NotEqual(Full(one), Full(other));
        Assert.NotEqual(Family(one), Family(other));
    }

    [Fact]
    public void Every_operator_has_its_own_hash()
    {
        // max_of_all is max, but for its gradient.
        var all = OperatorLibrary.All.Where(o => !o.Name.EndsWith("_of_all", StringComparison.Ordinal));
        var twins = all.GroupBy(o => Full(o.Example)).Where(g => g.Count() > 1);
        Assert.Empty(twins.Select(g => string.Join(" = ", g.Select(o => o.Name))));
    }
}
