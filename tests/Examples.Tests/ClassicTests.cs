using Xunit;
using static Picograd.Tests.ExampleProgram;

namespace Picograd.Tests;

/// <summary>Regressions, small networks and recurrent ones, trained on real data.</summary>
public sealed class ClassicTests
{
    [SkippableFact]
    public void Houses_are_valued_alike_by_both_ways()
    {
        Needs("california-housing.csv");
        string text = Run("linear-regression", "--data", ExampleProgram.Data, "--steps", "1500");
        Assert.InRange(NumberAfter(text, "largest difference of weights"), 0, 1e-6);
        Assert.InRange(NumberAfter(text, "solved:"), 65_000, 74_000);
        Assert.InRange(NumberAfter(text, "R²"), 0.60, 0.68);
        // A hundred steps are not enough.
        Assert.InRange(
            NumberAfter(
                Run("linear-regression", "--data", ExampleProgram.Data, "--steps", "100"),
                "largest difference of weights"
            ),
            1e-3,
            10
        );
    }

    [SkippableFact]
    public void Dear_houses_are_told_from_others()
    {
        Needs("california-housing.csv");
        string text = Run("logistic-regression", "--data", ExampleProgram.Data);
        Assert.InRange(NumberAfter(text, "largest slope"), 0, 1e-4);
        Assert.InRange(NumberAfter(text, "accuracy"), 82, 90);
    }

    [SkippableFact]
    public void Households_are_counted_alike_by_both_ways()
    {
        Needs("california-housing.csv");
        string text = Run("poisson-regression", "--data", ExampleProgram.Data);
        Assert.InRange(NumberAfter(text, "largest difference of weights"), 0, 1e-4);
        Assert.InRange(NumberAfter(text, "explained deviance in the test"), 0.9, 1);
    }

    [SkippableFact]
    public void Digits_are_read_by_a_softmax()
    {
        Needs("optdigits-train.csv", "optdigits-test.csv");
        Assert.InRange(
            NumberAfter(Run("softmax-regression", "--data", ExampleProgram.Data, "--epochs", "15"), "accuracy"),
            93,
            100
        );
    }

    [Fact]
    public void The_exclusive_or_is_learned()
    {
        string graph = Path.Combine(Path.GetTempPath(), $"picograd-{Guid.NewGuid():N}.svg");
        string text = Run("xor", "--steps", "300", "--graph", graph);
        Assert.Contains("<svg", File.ReadAllText(graph));
        File.Delete(graph);
        Assert.InRange(NumberAfter(text, "0 xor 0 ="), 0, 0.05);
        Assert.InRange(NumberAfter(text, "0 xor 1 ="), 0.95, 1);
        Assert.InRange(NumberAfter(text, "1 xor 0 ="), 0.95, 1);
        Assert.InRange(NumberAfter(text, "1 xor 1 ="), 0, 0.05);
    }

    [SkippableFact]
    public void Praise_is_told_from_blame()
    {
        Needs("rt-polarity.pos", "rt-polarity.neg");
        Assert.InRange(NumberAfter(Run("sentiment", "--data", ExampleProgram.Data), "accuracy"), 75, 100);
    }

    [SkippableFact]
    public void Letters_are_counted()
    {
        Needs("names.txt");
        // What counting pairs of all names gives: 2.4540941 (Karpathy's lecture), here counted anew.
        string[] names = File.ReadAllLines(Path.Combine(ExampleProgram.Data, "names.txt"));
        var pairs = names.SelectMany(n => ('.' + n).Zip(n + '.')).ToList();
        var (both, first) = (pairs.CountBy(p => p).ToDictionary(), pairs.CountBy(p => p.First).ToDictionary());
        double expected = -pairs.Average(p => Math.Log(both[p] / (double)first[p.First]));
        Assert.Equal(2.45409, expected, 1e-4);
        Assert.Equal(
            expected,
            NumberAfter(Run("names-ngram", "--data", ExampleProgram.Data, "--all", "true"), "names:"),
            1e-4
        );
        double three = NumberAfter(
            Run("names-ngram", "--data", ExampleProgram.Data, "--order", "3", "--smoothing", "1"),
            "names:"
        );
        Assert.InRange(three, 2.1, 2.3);
    }

    [SkippableTheory]
    [InlineData("rnn")]
    [InlineData("gru")]
    [InlineData("lstm")]
    public void Names_are_spelled_by_recurrent_networks(string cell)
    {
        Needs("names.txt");
        string text = Run(
            "names-rnn",
            "--data",
            ExampleProgram.Data,
            "--cell",
            cell,
            "--steps",
            "120",
            "--width",
            "64",
            "--lr",
            "0.01",
            "--count",
            "2"
        );
        // Pairs of letters alone give 2.45.
        Assert.InRange(NumberAfter(text, "dev loss"), 1.9, 2.44);
    }

    [SkippableFact]
    public void The_trained_CNN_reads_what_it_read()
    {
        Needs("mnist-cnn.safetensors", "mnist-t10k-images-idx3-ubyte.gz", "mnist-t10k-labels-idx1-ubyte.gz");
        Assert.Contains(
            "accuracy on 10000 pictures: 99.17 %",
            Run("mnist-cnn", "--data", ExampleProgram.Data, "--trained", "true")
        );
    }

    [SkippableFact]
    public void Networks_learn_digits()
    {
        Needs(
            "mnist-train10k-images-idx3-ubyte.gz",
            "mnist-train10k-labels-idx1-ubyte.gz",
            "mnist-t10k-images-idx3-ubyte.gz",
            "mnist-t10k-labels-idx1-ubyte.gz"
        );
        string text = Run("mnist-cnn", "--data", ExampleProgram.Data, "--limit", "640", "--epochs", "2");
        Assert.InRange(NumberAfter(text, "on 10000 pictures:"), 70, 100);
    }
}
