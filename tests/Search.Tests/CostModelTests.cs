using Picograd.Algorithms.Operators;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Picograd.Search.CostModels;
using Xunit;

namespace Picograd.Tests;

public class CostModelTests
{
    private static readonly TargetInfo Target = PaperTarget.Info;

    private static Schedule Of(string spec) => new(OperatorSpec.Parse(spec).Build());

    private static double Analytic(Schedule s, TargetInfo? target = null) =>
        new CostModel(target ?? Target).Features(s.Nest).AnalyticMilliseconds;

    private static Schedule Tiled(string spec, long mr, long nr, Tail tail = Tail.Peel)
    {
        var s = Of(spec);
        var (mo, mi) = s.Split("C.m", mr, tail);
        var (no, ni) = s.Split("C.n", nr, tail);
        s.Reorder(mo, no, "C.k", mi, ni);
        s.Unroll(mi);
        s.Vectorize(ni);
        return s;
    }

    [Fact]
    public void VectorsAreFaster()
    {
        var scalar = Of("relu n=100000");
        var vector = Of("relu n=100000");
        vector.Vectorize(vector.Split(vector.Nest.Loops.Single().Name, 8).Inner);
        Assert.True(Analytic(vector) < Analytic(scalar) / 2);
    }

    [Fact]
    public void RegisterTilesAreFasterUntilTheySpill()
    {
        double one = Analytic(Tiled("matmul m=96 n=96 k=96", 1, 16));
        double six = Analytic(Tiled("matmul m=96 n=96 k=96", 6, 16));
        double sixteen = Analytic(Tiled("matmul m=96 n=96 k=96", 16, 24));
        Assert.True(six < one);
        Assert.True(six < sixteen);
        // With 32 registers of twice the width the larger tile fits better than it does here.
        var wide = Target with
        {
            VectorBits = 512,
            VectorRegisters = 32,
        };
        double gain = Analytic(Tiled("matmul m=96 n=96 k=96", 12, 32), wide);
        Assert.True(gain < Analytic(Tiled("matmul m=96 n=96 k=96", 12, 32)) / 2);
    }

    [Fact]
    public void WalkingAgainstTheLayoutOfAMatrixThatNoCacheHoldsIsSlower()
    {
        var along = Of("add a=4096x4096 b=4096");
        var across = Of("add a=4096x4096 b=4096");
        var loops = across.Nest.Loops.Select(l => l.Name).ToArray();
        Assert.Equal(2, loops.Length);
        across.Reorder(loops[1], loops[0]);
        Assert.True(Analytic(across) > 2 * Analytic(along));
    }

    [Fact]
    public void ParallelLoopsHelpLargeWorkAndHurtSmallWork()
    {
        var two = Target with { Threads = 2 };
        double Change(string spec)
        {
            var serial = Tiled(spec, 4, 16);
            var parallel = Tiled(spec, 4, 16);
            parallel.Parallel(parallel.Nest.Loops.First().Name);
            return Analytic(parallel, two) / Analytic(serial, two);
        }
        Assert.InRange(Change("matmul m=256 n=256 k=256"), 0.45, 0.6);
        Assert.True(Change("matmul m=8 n=16 k=8") > 1);
    }

    [Fact]
    public void TestsInsideARegisterTileAreSlow()
    {
        // 50 rows in tiles of 8: peeled, only the last tile is special; guarded, every statement asks.
        double peeled = Analytic(Tiled("matmul m=50 n=64 k=64", 8, 16));
        double guarded = Analytic(Tiled("matmul m=50 n=64 k=64", 8, 16, Tail.Guard));
        Assert.True(guarded > 2 * peeled);
    }

    [Fact]
    public void TheResidualLearnsWhatTheMachineDoes()
    {
        // A machine that is three times slower than thought, and twice as slow again where registers are short.
        double Truth(CostFeatures f) => 3 * f.AnalyticMilliseconds * Math.Exp(f.Values[12]);
        var model = new CostModel(Target);
        var features = new List<CostFeatures>();
        foreach (int mr in new[] { 1, 2, 3, 4, 6, 8, 12, 16 })
        foreach (int nr in new[] { 8, 16, 24, 32 })
            features.Add(model.Features(Tiled("matmul m=96 n=96 k=96", mr, nr).Nest));
        double Error() => features.Average(f => Math.Abs(Math.Log(model.Predict(f) / Truth(f))));
        double before = Error();
        foreach (var f in features.Where((_, i) => i % 2 == 0))
            model.Learn(f, Truth(f));
        Assert.True(before > 1);
        Assert.True(Error() < 0.15, $"mean error {Error()} of the logarithm");
    }

    [Fact]
    public void NamesDoNotCount()
    {
        var a = Tiled("matmul m=48 n=48 k=48", 4, 16).Nest;
        var renamed = Picograd.Algorithms.AlgorithmRenamer.Rename(
            a.Algorithm,
            [],
            ["left", "right"],
            [("product", ["x", "y", "z"])]
        );
        var trace = Trace.Of(a).Replay(renamed);
        var model = new CostModel(Target);
        Assert.Equal(model.Features(a).Values, model.Features(trace).Values);
    }
}
