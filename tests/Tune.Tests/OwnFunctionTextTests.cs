using Picograd.Algorithms;
using Picograd.Algorithms.Functions;
using Picograd.Algorithms.Operators;
using Picograd.Algorithms.Text;
using Picograd.Schedules;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>Operators of a program's own, with functions of its own: their texts are tuned by another program, and the winner is found by the first.</summary>
public sealed class OwnFunctionTextTests : IDisposable
{
    private static readonly ScalarFunction s_leaky = ScalarFunction.Composed(
        "own_text_leaky",
        x => Op.Max(x, x * Op.Const(0.125, x.Type))
    );

    private static readonly CustomOperator s_gated = CustomOperator.Define(
        "own_text_gated",
        "X[n, d], W[d] -> Y[n]",
        (g, x, w) =>
        {
            var (i, k) = (new Axis("i", x.Shape[0]), new Axis("k", x.Shape[1]));
            return g.Stage("Y", [i], AlgorithmBuilder.Sum(k, Op.Call(s_leaky, x[i, k]) * w[k]));
        }
    );

    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_text_with_a_function_of_the_program_is_tuned_stored_and_found()
    {
        string text = s_gated.TextFor(Tensor.Zeros([19, 33]), Tensor.Zeros([33]));
        Assert.DoesNotContain("own_text_leaky(", text, StringComparison.Ordinal);
        string file = _folder.Write("gated.txt", text);
        string db = _folder["db"];
        string tuned = ToolRun.Of("op", "--algorithm", file, "--budget", "6trials", "--db", db).Succeeded();
        Assert.Contains("stored       in", tuned);
        using var store = TuneDatabase.Open(db, TuneDbMode.ReadOnly);
        var record = Assert.Single(store.All());
        Assert.True(record.Certified);
        // What the program asks the database for is what was stored.
        var own = Problem.Of(OperatorSpec.Parse("own_text_gated n=19 d=33"));
        var stored = Problem.Parse(record.ProblemText);
        Assert.Equal(AlgorithmHash.Full(own.Algorithm), AlgorithmHash.Full(stored.Algorithm));
        Assert.Contains("exact schedule", ToolRun.Of("show", "--algorithm", file, "--db", db).Succeeded());
    }
}
