using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Text;

public class RoundTripTests
{
    public static TheoryData<string> Operators => [.. OperatorLibrary.All.Select(o => o.Name)];

    [Theory]
    [MemberData(nameof(Operators))]
    public void Every_operator_reads_back(string name)
    {
        foreach (var spec in RandomSpecs.Of(OperatorLibrary.Find(name)!, 12, seed: 5))
        {
            Check(spec.Build());
            if (OpenOperator.Of(spec) is { } open)
                Check(open.Build());
        }
    }

    [Theory]
    [MemberData(nameof(Operators))]
    public void Every_gradient_reads_back(string name)
    {
        string example = OperatorLibrary.Find(name)!.Example;
        OperatorSpec spec;
        try
        {
            spec = OperatorSpec.Parse($"{name}.adjoint{example[name.Length..]}");
        }
        catch (OperatorSpecException)
        {
            // It has none, as operators of integers.
            return;
        }
        Check(spec.Build());
    }

    [Fact]
    public void Random_algorithms_read_back()
    {
        var kinds = new HashSet<StageKind>();
        int named = 0;
        for (int seed = 0; seed < 2000; seed++)
        {
            var algorithm = new RandomAlgorithm(seed).Build();
            kinds.UnionWith(algorithm.Stages.Select(s => s.Kind));
            string text = Check(algorithm);
            named += text.Contains("\n    where t", StringComparison.Ordinal) ? 1 : 0;
        }
        Assert.Equal(4, kinds.Count);
        Assert.True(named > 20, $"only {named} texts have parts with names");
    }

    [Fact]
    public void Names_change_the_text_but_not_the_hash()
    {
        for (int seed = 0; seed < 300; seed++)
        {
            var one = new RandomAlgorithm(seed).Build();
            var other = AlgorithmRenamer.Rename(
                one,
                [.. one.Parameters.Select((_, i) => $"q{i}")],
                [.. one.Inputs.Select((_, i) => $"in{i}")],
                [
                    .. one.Stages.Select(
                        (s, i) =>
                            (
                                $"stage{i}",
                                s.Axes.Select((_, a) => $"ax{a}").ToArray() is var n
                                    ? [.. n]
                                    : System.Collections.Immutable.ImmutableArray<string>.Empty
                            )
                    ),
                ]
            );
            Assert.NotEqual(one.ToString(), other.ToString());
            Assert.True(AlgorithmHash.Full(one) == AlgorithmHash.Full(other), $"seed {seed}\n{one}\n{other}");
        }
    }

    [Fact]
    public void Different_algorithms_have_different_hashes()
    {
        var hashes = Enumerable
            .Range(0, 2000)
            .Select(s => AlgorithmHash.Full(new RandomAlgorithm(s).Build()))
            .ToHashSet();
        Assert.True(hashes.Count > 1900, $"{hashes.Count} of 2000");
    }

    [Fact]
    public void Which_objects_an_expression_shares_does_not_matter()
    {
        static Algorithm Chain(bool shares)
        {
            var g = new AlgorithmBuilder("chain");
            var x = g.Input("X", DType.Float32, 7);
            var i = new Axis("i", 7);
            Expr Level(int n) =>
                n == 0 ? Op.Exp(x[i]) + 1
                : shares && Level(n - 1) is var once ? once * once - 0.5f
                : Level(n - 1) * Level(n - 1) - 0.5f;
            return g.Build(g.Stage("Y", [i], Level(8)));
        }
        string shared = Check(Chain(shares: true));
        Assert.Equal(shared, Check(Chain(shares: false)));
        Assert.Contains("where t0 = exp(X[i]) + 1.0", shared, StringComparison.Ordinal);
        Assert.True(shared.Length < 1000);
    }

    [Fact]
    public void Deep_expressions_read_back()
    {
        var g = new AlgorithmBuilder("deep");
        var x = g.Input("X", DType.Float32, 7);
        var i = new Axis("i", 7);
        Expr value = x[i];
        for (int n = 0; n < 900; n++)
            value =
                n % 3 == 0 ? Op.Exp(value)
                : n % 3 == 1 ? 2f - value
                : value * (x[i] + n);
        Check(g.Build(g.Stage("Y", [i], value)));
    }

    [Fact]
    public void Names_that_two_things_share_are_told_apart()
    {
        var g = new AlgorithmBuilder("names");
        var n = g.Parameter("N", 9);
        var x = g.Input("X", DType.Float32, n, 4);
        var i = new Axis("N", n);
        var j = new Axis("X", 4);
        var algorithm = g.Build(g.Stage("Y", [i, j], x[i, j] * 2));
        string text = Check(algorithm);
        Assert.Contains("Y[N_2, X] = X[N_2, X] * 2.0 over N_2<N, X<4", text, StringComparison.Ordinal);
    }

    internal static string Check(Algorithm algorithm)
    {
        string text = AlgorithmText.Print(algorithm);
        Algorithm back;
        try
        {
            back = AlgorithmText.Parse(text);
        }
        catch (AlgorithmTextException e)
        {
            throw new Xunit.Sdk.XunitException($"{e.Message}\n{(text.Length > 4000 ? text[..4000] : text)}");
        }
        SameAlgorithm.Check(algorithm, back);
        Assert.Equal(text, AlgorithmText.Print(back));
        Assert.Equal(AlgorithmHash.Full(algorithm), AlgorithmHash.Full(back));
        return text;
    }
}
