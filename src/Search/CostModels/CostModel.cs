using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Search.CostModels;

/// <summary>What the model sees of a nest.</summary>
/// <param name="AnalyticMilliseconds">From arithmetic, memory traffic, registers and parallelism alone.</param>
/// <param name="Values">Features that the residual is a linear function of.</param>
public sealed record CostFeatures(double AnalyticMilliseconds, double[] Values);

/// <summary>
/// Predicts the time of a nest before it is compiled: an analytic estimate, computed from the nest itself, times the
/// exponential of a residual that is linear in a few features and is fitted (ridge regression on the logarithm of time)
/// to what has been measured so far.
/// </summary>
/// <param name="target">Whose caches, registers and threads count.</param>
/// <param name="lower">
/// Makes the form that code is generated from (<see cref="IBackend.Lower"/>), which is what is looked at for a GPU; null for
/// the nest itself.
/// </param>
/// <param name="residual">
/// What was learned of other tasks, of features of processors; null for the analytic terms alone. See <see cref="Residuals"/>.
/// </param>
public sealed class CostModel(TargetInfo target, Func<LoopNest, LoopNest>? lower = null, BoostedTrees? residual = null)
{
    /// <summary>Only the scale of analytic times; the residual's constant term corrects it after one measurement.</summary>
    private const double CyclesPerMillisecond = 3e6;

    /// <summary>
    /// Weight of the prior that the analytic estimate is right up to a constant factor: one measurement says little about
    /// ten features.
    /// </summary>
    private const double Ridge = 2;
    private const double RidgeOfConstant = 1e-3;

    private const int LinearFeatures = 13;

    private readonly RidgeRegression _residual = new(LinearFeatures, Ridge, RidgeOfConstant);

    /// <summary>For features that were recorded, which are not computed anew.</summary>
    internal static CostModel OfRecording(BoostedTrees? residual) =>
        new(new TargetInfo("", "", 0, 0, 1, 1, 1, 1), residual: residual);

    /// <summary>Measurements learned from.</summary>
    public int Observations => _residual.Observations;

    /// <summary>Features of a nest; takes tens of microseconds, for a GPU some milliseconds.</summary>
    /// <exception cref="LoweringException">The target refuses the nest; the reason by name.</exception>
    public CostFeatures Features(LoopNest nest)
    {
        if (target.Gpu is { } gpu)
            return OnGpu(nest, gpu);
        var costs = new List<BlockCost>();
        Collect(nest.Body, []);
        double total = Math.Max(1, costs.Sum(c => c.Total));
        double Share(Func<BlockCost, double> part) => costs.Sum(c => part(c) * c.ParallelShare) / total;
        double Main(Func<BlockCost, double> part) => costs.Sum(c => part(c) * c.Total) / total;
        double[] values =
        [
            1,
            Math.Min(2, Share(c => c.Arithmetic)),
            Math.Min(2, Share(c => c.Moves)),
            Math.Min(2, Share(c => c.Latency)),
            Math.Min(2, Share(c => c.Spills)),
            Math.Min(2, Share(c => c.Overhead)),
            Math.Min(2, Share(c => c.Guards)),
            Math.Min(2, Share(c => c.FromL2)),
            Math.Min(2, Share(c => c.FromL3)),
            Math.Min(2, Share(c => c.FromMemory)),
            Math.Log2(1 + Main(c => c.Statements)) / 8,
            Main(c => c.VectorShare),
            Math.Min(2, Main(c => c.Pressure) / Math.Max(1, target.VectorRegisters)),
            // What follows only the trees look at.
            Log(total / Math.Max(1, costs.Sum(c => c.Arithmetic * c.ParallelShare))),
            Log(costs.Max(c => c.Tile.Operations)),
            Log(costs.Sum(c => c.Statements)),
            Main(c => Log(c.Tile.Vectors)),
            Main(c => c.Tile.Accumulators) / Math.Max(1, target.VectorRegisters),
            Main(c => Log(c.Tile.Trips)),
            Main(c => Log(c.Tile.OuterTrips)),
            Main(c => c.Tile.Hoisted ? 1 : 0),
            Main(c => c.Tile.Gathers),
            Main(c => c.Tile.LoadsPerOperation),
            Main(c => Math.Log2((1 + c.Tile.Bytes) / target.L1Bytes)),
            Main(c => Math.Log2((1 + c.Tile.OuterBytes) / target.L1Bytes)),
            Main(c => c.Tile.Inside),
            Main(c => c.Tile.Peeled ? 1 : 0),
            Main(c => c.Tile.Depth),
            costs.Count,
            1 - costs.Max(c => c.Total) / total,
            Share(c => c.ForkJoin),
            Log(total),
            Main(c => c.Tile.Aliasing),
            Main(c => c.Tile.OuterAliasing),
            Main(c => c.Tile.Broadcasts),
            Main(c => c.Tile.StoresPerOperation),
            Main(c => c.Tile.IsCopy ? 1 : 0),
            Main(c => Math.Log2((1 + c.Tile.AllBytes) / target.L2Bytes)),
        ];
        return new CostFeatures(total / CyclesPerMillisecond, values);

        static double Log(double value) => Math.Log2(Math.Max(1e-6, value));

        void Collect(Stmt stmt, List<For> loops)
        {
            if (stmt is Block block)
                costs.Add(BlockCost.Of(block, loops, nest, target));
            if (stmt is For loop)
                loops.Add(loop);
            foreach (var child in stmt.Children())
                Collect(child, loops);
            if (stmt is For)
                loops.RemoveAt(loops.Count - 1);
        }
    }

    private CostFeatures OnGpu(LoopNest nest, GpuInfo gpu)
    {
        var costs = GpuCost
            .Kernels(lower?.Invoke(nest) ?? nest, gpu)
            .Select(c => (Cost: c, Time: c.Milliseconds(gpu)))
            .ToList();
        double total = Math.Max(1e-6, costs.Sum(c => c.Time));
        double cycles = total * gpu.ClockGhz * 1e6;
        double Share(Func<GpuCost, double> part) => Math.Min(2, costs.Sum(c => part(c.Cost)) / cycles);
        double Main(Func<GpuCost, double> part) => costs.Sum(c => part(c.Cost) * c.Time) / total;
        double[] values =
        [
            1,
            Share(c => c.Arithmetic),
            Share(c => c.Shared),
            Share(c => c.FromL2),
            Share(c => c.FromMemory),
            Share(c => c.Latency),
            Main(c => c.WaveEfficiency),
            Main(c => c.Occupancy),
            Math.Min(2, Main(c => c.Registers) / 255),
            Main(c => c.Threads) / GpuInfo.MaxThreadsPerBlock,
            Math.Log2(1 + costs.Count) / 4,
            Main(c => c.Registers > 255 ? 1 : 0),
            Share(c => c.Tensor),
        ];
        return new CostFeatures(total, values);
    }

    /// <summary>Predicted milliseconds.</summary>
    public double Predict(CostFeatures features) =>
        Known(features) * Math.Exp(Math.Clamp(_residual.Predict(Linear(features)), -8, 8));

    /// <summary>Takes a measurement into account.</summary>
    public void Learn(CostFeatures features, double milliseconds) =>
        _residual.Add(Linear(features), Math.Log(milliseconds / Known(features)));

    /// <summary>What was known before anything of the task was measured.</summary>
    private double Known(CostFeatures features) =>
        residual is not null && residual.FeatureCount == features.Values.Length
            ? features.AnalyticMilliseconds * Math.Exp(Math.Clamp(residual.Predict(features.Values), -8, 8))
            : features.AnalyticMilliseconds;

    /// <summary>Those that a linear function of makes sense; the first is 1.</summary>
    internal static double[] Linear(CostFeatures features) => features.Values[..LinearFeatures];
}
