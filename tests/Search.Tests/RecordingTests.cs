using Picograd.Search.CostModels;
using Picograd.Search.Recordings;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// Searches over measurements that were recorded on an AMD EPYC (Zen 5, AVX-512): their times are the recording's, so nothing here depends on
/// the machine that runs it.
/// </summary>
public class RecordingTests
{
    private const int Seeds = 10;

    private static readonly Lazy<Recording[]> All = new(() =>
        [.. Directory.EnumerateFiles(Folder, "*.recording").Order(StringComparer.Ordinal).Select(Read)]
    );

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "Recordings");

    private static Recording Read(string file)
    {
        using var reader = new StreamReader(file);
        return Recording.Read(reader);
    }

    /// <summary>Geometric mean of the best found by a moment over the best of the space.</summary>
    private static double Distance(string strategy, double milliseconds) =>
        Math.Exp(
            All.Value.SelectMany(r =>
                    Enumerable
                        .Range(0, Seeds)
                        .Select(seed =>
                            Math.Log(
                                Math.Min(
                                    100,
                                    SearchBench.Run(r, strategy, seed, milliseconds).BestBy(milliseconds)
                                        / r.BestMilliseconds
                                )
                            )
                        )
                )
                .Average()
        );

    [Theory]
    [InlineData("beam", "random", 300)]
    [InlineData("beam", "random", 1000)]
    [InlineData("beam", "random", 3000)]
    [InlineData("beam", "evolution", 300)]
    [InlineData("beam", "evolution", 3000)]
    [InlineData("beam-scratch", "random-scratch", 3000)]
    public void BeamIsNotWorseAtEqualTime(string beam, string other, double milliseconds)
    {
        double found = Distance(beam, milliseconds);
        double against = Distance(other, milliseconds);
        Assert.True(found <= against, $"{beam} is {found:0.0000} from the best, {other} {against:0.0000}");
    }

    [Fact]
    public void BeamFindsTheBestOfEverySpace() => Assert.InRange(Distance("beam", 5000), 1, 1.005);

    [Fact]
    public void ABudgetIsKeptAndASeedDecides()
    {
        foreach (string strategy in SearchBench.Strategies)
        {
            var run = SearchBench.Run(All.Value[0], strategy, seed: 3, milliseconds: 400);
            Assert.NotEmpty(run.Timeline);
            // The last program was begun before the end.
            Assert.All(run.Timeline.SkipLast(1), t => Assert.InRange(t.At, 0, 400));
            var again = SearchBench.Run(All.Value[0], strategy, seed: 3, milliseconds: 400);
            Assert.Equal(run.Timeline, again.Timeline);
        }
        Assert.Contains(
            "allowed are beam, random",
            Assert.Throws<ArgumentException>(() => SearchBench.Run(All.Value[0], "luck", 0, 1)).Message
        );
    }

    [Fact]
    public void WhatFollowsFromScratchIsNotTheDefaults()
    {
        var recording = All.Value.First(r => r.Spec.StartsWith("matmul"));
        var standard = SearchBench.Run(recording, "beam", 0, 300);
        var scratch = Enumerable.Range(0, 5).Select(i => SearchBench.Run(recording, "beam-scratch", i, 300)).ToList();
        Assert.Contains(scratch, s => s.Timeline[0].Milliseconds != standard.Timeline[0].Milliseconds);
    }

    [Fact]
    public void TextsAreReadAsTheyWereWritten()
    {
        foreach (string file in Directory.EnumerateFiles(Folder))
        {
            using var written = new StringWriter { NewLine = "\n" };
            Read(file).Write(written);
            Assert.Equal(File.ReadAllText(file).ReplaceLineEndings("\n"), written.ToString());
        }
    }

    [Theory]
    [InlineData("something else\n", "line 1: not a recording")]
    [InlineData("picograd-recording 1\nspec s\nrule r\nknob a 0 1 1 two\n", "line 4: ")]
    [InlineData(
        "picograd-recording 1\nspec s\nrule r\nknob a 0 1 1 2\nprogram timed 1 1 1 1 1 1\npoint 0 1 0 2\n",
        "line 6: the point does not fit"
    )]
    [InlineData(
        "picograd-recording 1\nspec s\nrule r\nknob a 0 1 1 2\npoint 0 1 0 0\n",
        "line 5: the point's rule or program"
    )]
    [InlineData("picograd-recording 1\nspec s\nrule r\nwhat\n", "line 4: 'what' begins no line")]
    [InlineData("picograd-recording 1\nspec s\n", "nothing that was timed")]
    public void WhatIsWrongWithATextIsTold(string text, string what)
    {
        var error = Assert.Throws<FormatException>(() => Recording.Read(new StringReader(text)));
        Assert.Contains(what, error.Message);
    }

    [Fact]
    public void OtherTasksTeachTheOrderOfATask()
    {
        var quality = ResidualTraining.CrossValidate(All.Value, folds: All.Value.Length, measured: 32);
        Assert.Equal(All.Value.Select(r => r.Spec), quality.Select(q => q.Trained.Spec));
        // Two pools and a product teach one another little, but what is measured of the task itself does.
        Assert.True(
            quality.Average(q => q.Learned.All) > quality.Average(q => q.Analytic.All) + 0.1,
            string.Join("; ", quality.Select(q => $"{q.Analytic.All:0.00} {q.Trained.All:0.00} {q.Learned.All:0.00}"))
        );
        Assert.All(
            quality,
            q => Assert.True(q.Learned.Regret.Zip(q.Learned.Regret.Skip(1)).All(r => r.First.Regret >= r.Second.Regret))
        );
    }

    [Fact]
    public void TheShippedResidualFitsTheFeaturesAndHelps()
    {
        var residual = Residuals.Of(Picograd.Tests.Machine.Cpu.Backend.Target)!;
        foreach (var recording in All.Value)
        {
            Assert.Equal(residual.FeatureCount, recording.Programs[0].Features.Values.Length);
            var model = CostModel.OfRecording(residual);
            var with = ResidualTraining.Judge(recording, p => model.Predict(recording.Programs[p].Features));
            var without = ResidualTraining.Judge(recording, p => recording.Programs[p].Features.AnalyticMilliseconds);
            Assert.True(
                with.All > without.All,
                $"{recording.Spec}: {without.All:0.00} without, {with.All:0.00} with it"
            );
        }
        var task = Picograd.Tests.Machine.Task("matmul m=8 n=16 k=8");
        var nest = Picograd.Schedules.Ir.InitialNest.Of(task.Algorithm);
        Assert.Equal(residual.FeatureCount, new CostModel(task.Target).Features(nest).Values.Length);
    }
}
