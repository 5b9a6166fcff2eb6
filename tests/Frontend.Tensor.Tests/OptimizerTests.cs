using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests;

/// <summary>Every optimizer against its formula in float64, written from PyTorch's documentation, over many steps.</summary>
public class OptimizerTests
{
    private const int Steps = 40;

    /// <summary>Parameter and state as plain numbers.</summary>
    private delegate void Rule(int t, double g, ref double p, double[] s);

    private sealed record Case(Func<IEnumerable<Tensor>, Optimizer> Make, Rule Rule);

    private static double Decayed(double g, double wd, double p, bool maximize = false) => (maximize ? -g : g) + wd * p;

    private static Rule Adam(double lr, double b1, double b2, double eps, double wd, bool decoupled, bool amsgrad) =>
        (int t, double g, ref double p, double[] s) =>
        {
            if (decoupled)
                p *= 1 - lr * wd;
            else
                g += wd * p;
            s[0] = b1 * s[0] + (1 - b1) * g;
            s[1] = b2 * s[1] + (1 - b2) * g * g;
            s[2] = Math.Max(s[2], s[1]);
            double v = (amsgrad ? s[2] : s[1]) / (1 - Math.Pow(b2, t));
            p -= lr * (s[0] / (1 - Math.Pow(b1, t))) / (Math.Sqrt(v) + eps);
        };

    private static readonly Dictionary<string, Case> Cases = new()
    {
        ["sgd"] = new(p => new SGD(p, 0.1), (int t, double g, ref double p, double[] s) => p -= 0.1 * g),
        ["sgd decay maximize"] = new(
            p => new SGD(p, 0.01, weightDecay: 0.1, maximize: true),
            (int t, double g, ref double p, double[] s) => p -= 0.01 * Decayed(g, 0.1, p, true)
        ),
        ["sgd dampening"] = new(
            p => new SGD(p, 0.05, 0.9, 0.5, 0.01),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                s[0] = t == 1 ? g : 0.9 * s[0] + 0.5 * g;
                p -= 0.05 * s[0];
            }
        ),
        ["sgd nesterov"] = new(
            p => new SGD(p, 0.02, 0.9, weightDecay: 0.01, nesterov: true),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                s[0] = t == 1 ? g : 0.9 * s[0] + g;
                p -= 0.02 * (g + 0.9 * s[0]);
            }
        ),
        ["adam"] = new(p => new Adam(p, 0.05), Adam(0.05, 0.9, 0.999, 1e-8, 0, false, false)),
        ["adam decay"] = new(
            p => new Adam(p, 0.03, (0.8, 0.95), 1e-5, 0.1),
            Adam(0.03, 0.8, 0.95, 1e-5, 0.1, false, false)
        ),
        ["adam amsgrad"] = new(p => new Adam(p, 0.05, amsgrad: true), Adam(0.05, 0.9, 0.999, 1e-8, 0, false, true)),
        ["adamw"] = new(p => new AdamW(p, 0.05), Adam(0.05, 0.9, 0.999, 1e-8, 0.01, true, false)),
        ["adamw amsgrad"] = new(
            p => new AdamW(p, 0.05, weightDecay: 0.2, amsgrad: true),
            Adam(0.05, 0.9, 0.999, 1e-8, 0.2, true, true)
        ),
        ["nadam"] = new(
            p => new NAdam(p, 0.02, weightDecay: 0.01),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                double mu = 0.9 * (1 - 0.5 * Math.Pow(0.96, t * 4e-3));
                double next = 0.9 * (1 - 0.5 * Math.Pow(0.96, (t + 1) * 4e-3));
                s[2] = (t == 1 ? 1 : s[2]) * mu;
                s[0] = 0.9 * s[0] + 0.1 * g;
                s[1] = 0.999 * s[1] + 0.001 * g * g;
                double d = Math.Sqrt(s[1] / (1 - Math.Pow(0.999, t))) + 1e-8;
                p += -0.02 * (1 - mu) / (1 - s[2]) * g / d - 0.02 * next / (1 - s[2] * next) * s[0] / d;
            }
        ),
        ["radam"] = new(
            p => new RAdam(p, 0.05, (0.9, 0.99)),
            (int t, double g, ref double p, double[] s) =>
            {
                s[0] = 0.9 * s[0] + 0.1 * g;
                s[1] = 0.99 * s[1] + 0.01 * g * g;
                double m = s[0] / (1 - Math.Pow(0.9, t));
                double last = 2 / (1 - 0.99) - 1;
                double rho = last - 2 * t * Math.Pow(0.99, t) / (1 - Math.Pow(0.99, t));
                if (rho > 5)
                {
                    double l = Math.Sqrt(1 - Math.Pow(0.99, t)) / (Math.Sqrt(s[1]) + 1e-8);
                    double r = Math.Sqrt(((rho - 4) * (rho - 2) * last) / ((last - 4) * (last - 2) * rho));
                    p -= 0.05 * m * r * l;
                }
                else
                {
                    p -= 0.05 * m;
                }
            }
        ),
        ["adamax"] = new(
            p => new Adamax(p, 0.02, weightDecay: 0.01),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                s[0] = 0.9 * s[0] + 0.1 * g;
                s[1] = Math.Max(0.999 * s[1], Math.Abs(g) + 1e-8);
                p -= 0.02 / (1 - Math.Pow(0.9, t)) * s[0] / s[1];
            }
        ),
        ["adagrad"] = new(
            p => new Adagrad(p, 0.2, 0.1, 0.01, 0.3),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                s[0] = (t == 1 ? 0.3 : s[0]) + g * g;
                p -= 0.2 / (1 + (t - 1) * 0.1) * g / (Math.Sqrt(s[0]) + 1e-10);
            }
        ),
        ["rmsprop"] = new(
            p => new RMSprop(p, 0.02, 0.9, weightDecay: 0.01),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                s[0] = 0.9 * s[0] + 0.1 * g * g;
                p -= 0.02 * g / (Math.Sqrt(s[0]) + 1e-8);
            }
        ),
        ["rmsprop momentum"] = new(
            p => new RMSprop(p, 0.01, 0.9, momentum: 0.8),
            (int t, double g, ref double p, double[] s) =>
            {
                s[0] = 0.9 * s[0] + 0.1 * g * g;
                s[1] = 0.8 * s[1] + g / (Math.Sqrt(s[0]) + 1e-8);
                p -= 0.01 * s[1];
            }
        ),
        ["rmsprop centered"] = new(
            p => new RMSprop(p, 0.01, 0.9, 1e-3, 0.01, 0.5, centered: true),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                s[0] = 0.9 * s[0] + 0.1 * g * g;
                s[2] = 0.9 * s[2] + 0.1 * g;
                s[1] = 0.5 * s[1] + g / (Math.Sqrt(s[0] - s[2] * s[2]) + 1e-3);
                p -= 0.01 * s[1];
            }
        ),
        ["adadelta"] = new(
            p => new Adadelta(p, 0.5, 0.8, weightDecay: 0.01),
            (int t, double g, ref double p, double[] s) =>
            {
                g += 0.01 * p;
                s[0] = 0.8 * s[0] + 0.2 * g * g;
                double d = Math.Sqrt(s[1] + 1e-6) / Math.Sqrt(s[0] + 1e-6) * g;
                s[1] = 0.8 * s[1] + 0.2 * d * d;
                p -= 0.5 * d;
            }
        ),
        ["rprop"] = new(
            p => new Rprop(p, 0.05),
            (int t, double g, ref double p, double[] s) =>
            {
                if (t == 1)
                    s[1] = 0.05;
                double turn = g * s[0];
                s[1] = Math.Clamp(
                    s[1]
                        * (
                            turn > 0 ? 1.2
                            : turn < 0 ? 0.5
                            : 1
                        ),
                    1e-6,
                    50
                );
                g = turn < 0 ? 0 : g;
                p -= Math.Sign(g) * s[1];
                s[0] = g;
            }
        ),
        ["asgd"] = new(
            p => new ASGD(p, 0.1, 0.01, 0.5, 5, 0.01),
            (int t, double g, ref double p, double[] s) =>
            {
                if (t == 1)
                    (s[0], s[1]) = (0.1, 1);
                g += 0.01 * p;
                p = p * (1 - 0.01 * s[0]) - s[0] * g;
                s[2] += (p - s[2]) * s[1];
                s[0] = 0.1 / Math.Pow(1 + 0.01 * 0.1 * t, 0.5);
                s[1] = 1 / Math.Max(1, t - 5.0);
            }
        ),
    };

    public static TheoryData<string, DType> All
    {
        get
        {
            var all = new TheoryData<string, DType>();
            foreach (string name in Cases.Keys)
            {
                all.Add(name, DType.Float64);
                all.Add(name, DType.Float32);
            }
            all.Add("adamw", DType.BFloat16);
            all.Add("sgd nesterov", DType.Float16);
            return all;
        }
    }

    // A quadratic with slopes of several sizes, and a wave so that they turn.
    private static double Slope(double p, int i) => (0.3 + i % 5) * p + Math.Cos(3 * p) + 0.1 * i;

    [Theory]
    [MemberData(nameof(All))]
    public void Follows_its_formula(string name, DType dtype)
    {
        var (make, rule) = Cases[name];
        // A matrix, a view, a scalar and nothing.
        var whole = Tensor.Randn([7, 6], new Generator(3), DType.Float64).To(dtype);
        var view = whole[..3, 1..4].Detach().RequiresGrad_();
        Tensor[] parameters =
        [
            Tensor.Randn([3, 5], new Generator(1), DType.Float64).To(dtype).RequiresGrad_(),
            view,
            Tensor.From(0.7).To(dtype).RequiresGrad_(),
            Tensor.Zeros([0, 2], dtype).RequiresGrad_(),
        ];
        var expected = parameters.Select(p => p.ToDoubles()).ToArray();
        var states = expected.Select(e => e.Select(_ => new double[3]).ToArray()).ToArray();
        var optimizer = make(parameters);
        for (int t = 1; t <= Steps; t++)
        {
            for (int k = 0; k < parameters.Length; k++)
            {
                double[] now = parameters[k].ToDoubles();
                double[] slopes = [.. now.Select(Slope)];
                parameters[k].Grad = Tensor.From(slopes).Reshape(parameters[k].Shape).To(dtype);
                for (int i = 0; i < now.Length; i++)
                {
                    // Each step from what there is in the dtype, so that one step's error is seen and not what it grows to.
                    if (dtype != DType.Float64)
                        expected[k][i] = now[i];
                    double before = expected[k][i];
                    double slope = dtype == DType.Float64 ? Slope(before, i) : parameters[k].Grad!.ToDoubles()[i];
                    rule(t, slope, ref expected[k][i], states[k][i]);
                }
            }
            optimizer.Step();
            double tolerance =
                dtype == DType.Float64 ? 1e-9
                : dtype == DType.Float32 ? 2e-5
                : dtype == DType.Float16 ? 4e-3
                : 3e-2;
            for (int k = 0; k < parameters.Length; k++)
            {
                double[] got = parameters[k].ToDoubles();
                for (int i = 0; i < got.Length; i++)
                    Assert.True(
                        Math.Abs(got[i] - expected[k][i]) <= tolerance * Math.Max(1, Math.Abs(expected[k][i])),
                        $"{name}, step {t}, parameter {k}[{i}]: {got[i]:R}, expected {expected[k][i]:R}"
                    );
            }
        }
        // What lies around the view is as it was.
        Assert.Equal(
            Tensor.Randn([7, 6], new Generator(3), DType.Float64).To(dtype)[3..].ToDoubles(),
            whole[3..].ToDoubles()
        );
    }

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Goes_on_from_its_state_with_the_same_bits(string name)
    {
        var make = Cases[name].Make;
        static Tensor[] New() =>
            [
                Tensor.Randn([5, 3], new Generator(1)).RequiresGrad_(),
                Tensor.Randn([4], new Generator(2)).RequiresGrad_(),
            ];
        static void Step(Optimizer by, Tensor[] parameters, int t)
        {
            by.ZeroGrad();
            // The second has no gradient at first.
            (
                (parameters[0] * parameters[0]).Sum() + (t > 2 ? (parameters[1] * 3).Cos().Sum() : Tensor.Zeros([]))
            ).Backward();
            by.Step();
        }
        var (whole, first) = (New(), New());
        var (uninterrupted, before) = (make(whole), make(first));
        for (int t = 0; t < 12; t++)
            Step(uninterrupted, whole, t);
        for (int t = 0; t < 6; t++)
            Step(before, first, t);
        Tensor[] second = [.. first.Select(p => p.Detach().Clone().RequiresGrad_())];
        var after = make(second);
        after.LoadStateDict(before.StateDict());
        // What was loaded is a copy.
        Step(before, first, 6);
        for (int t = 6; t < 12; t++)
            Step(after, second, t);
        for (int k = 0; k < 2; k++)
            Assert.Equal(whole[k].ToArray<float>(), second[k].ToArray<float>());
    }

    [Theory]
    [InlineData("sgd nesterov")]
    [InlineData("adamw amsgrad")]
    [InlineData("nadam")]
    [InlineData("adadelta")]
    public void Steps_make_no_objects(string name)
    {
        Setup.UseCpu();
        try
        {
            MakeNoObjects(name);
        }
        finally
        {
            Setup.UseEvaluator();
        }
    }

    private static void MakeNoObjects(string name)
    {
        Tensor[] parameters =
        [
            .. Enumerable.Range(1, 6).Select(n => Tensor.Randn([9, 7], new Generator(n)).RequiresGrad_()),
        ];
        var optimizer = Cases[name].Make(parameters);
        foreach (var p in parameters)
            p.Grad = Tensor.OnesLike(p);
        // Until the kernel of this very shape is there, which shapes get that run often.
        for (int i = 0; i < 400; i++)
            optimizer.Step();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
            optimizer.Step();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Groups_have_options_of_their_own()
    {
        Tensor[] p = [.. Enumerable.Range(0, 3).Select(_ => Tensor.Ones(2).RequiresGrad_())];
        var optimizer = new SGD([new ParamGroup(p[0]), new ParamGroup(p[1]) { Lr = 1, WeightDecay = 0.5 }], lr: 0.1);
        Assert.Equal([0.1, 1], optimizer.ParamGroups.Select(g => g.Lr));
        optimizer.AddParamGroup(new ParamGroup([p[2]]) { ["maximize"] = 1 });
        foreach (var t in p)
            t.Grad = Tensor.Ones(2);
        optimizer.Step();
        Assert.Equal([0.9f, -0.5f, 1.1f], p.Select(t => t.ToArray<float>()[0]));
        optimizer.Lr = 0;
        Assert.All(optimizer.ParamGroups, g => Assert.Equal(0, g.Lr));
        optimizer.ZeroGrad(setToNone: false);
        Assert.Equal([0, 0], p[0].Grad!.ToDoubles());
        optimizer.ZeroGrad();
        Assert.Null(p[0].Grad);
        Assert.Contains(
            "no option 'beta'",
            Assert
                .Throws<ArgumentException>(() =>
                    optimizer.AddParamGroup(new ParamGroup(Tensor.Ones(1).RequiresGrad_()) { ["beta"] = 1 })
                )
                .Message
        );
        Assert.Throws<ArgumentException>(() => optimizer.AddParamGroup(new ParamGroup(p[0])));
        Assert.Throws<ArgumentOutOfRangeException>(() => optimizer.ParamGroups[0].Lr = -1);
        Assert.Throws<KeyNotFoundException>(() => optimizer.ParamGroups[0]["rho"]);
        Assert.Equal(3, optimizer.ParamGroups.Count);
        var state = optimizer.StateDict();
        Assert.Contains(
            "3 parameter groups",
            Assert.Throws<ArgumentException>(() => new SGD(p).LoadStateDict(state)).Message
        );
        Assert.Throws<ArgumentException>(() => new SGD(p, nesterov: true));
    }

    [Fact]
    public void A_closure_is_asked_with_gradients_on()
    {
        var x = Tensor.From([3.0]).RequiresGrad_();
        var optimizer = new Adam([x], 0.1);
        using var off = Tensor.NoGrad();
        var loss = optimizer.Step(() =>
        {
            optimizer.ZeroGrad();
            var l = (x * x).Sum();
            l.Backward();
            return l;
        });
        Assert.Equal(9, loss.Item());
        Assert.Equal(2.9, x.Item(), 6);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("strong_wolfe")]
    public void LBFGS_finds_the_minimum_of_rosenbrocks_valley(string? search)
    {
        var x = Tensor.From([-1.2]).RequiresGrad_();
        var y = Tensor.From([1.0]).RequiresGrad_();
        var optimizer = new LBFGS([x, y], search is null ? 0.05 : 1, maxIter: 40, lineSearchFn: search);
        int calls = 0;
        Tensor Loss()
        {
            calls++;
            optimizer.ZeroGrad();
            var loss = ((1 - x) * (1 - x) + 100 * (y - x * x) * (y - x * x)).Sum();
            loss.Backward();
            return loss;
        }
        Assert.Equal(24.2, optimizer.Step(Loss).Item(), 9);
        for (int i = 0; i < (search is null ? 30 : 2); i++)
            optimizer.Step(Loss);
        Assert.True(Math.Abs(x.Item() - 1) < (search is null ? 0.2 : 1e-4), $"{x.Item()} after {calls}");
        Assert.Throws<InvalidOperationException>(optimizer.Step);
        // Goes on from its state.
        var (x2, y2) = (x.Detach().Clone().RequiresGrad_(), y.Detach().Clone().RequiresGrad_());
        var next = new LBFGS([x2, y2], search is null ? 0.05 : 1, maxIter: 40, lineSearchFn: search);
        next.LoadStateDict(optimizer.StateDict());
        Assert.Equal(optimizer.StateDict()["state"]!.ToString(), next.StateDict()["state"]!.ToString());
    }

    [Theory]
    [InlineData(8, 5, MuonRate.Original)]
    [InlineData(5, 8, MuonRate.MatchRmsAdamW)]
    public void Muon_follows_its_formula(int rows, int columns, MuonRate rate)
    {
        var p = Tensor.Randn([rows, columns], new Generator(1)).RequiresGrad_();
        double[] expected = p.ToDoubles();
        var momentum = new double[expected.Length];
        var optimizer = new Muon([p], lr: 0.02, adjustLrFn: rate);
        for (int t = 0; t < 5; t++)
        {
            p.Grad = Tensor.Randn([rows, columns], new Generator(10 + t));
            double[] g = p.Grad.ToDoubles();
            optimizer.Step();
            var update = new double[g.Length];
            for (int i = 0; i < g.Length; i++)
            {
                momentum[i] = 0.95 * momentum[i] + 0.05 * g[i];
                update[i] = 0.05 * g[i] + 0.95 * momentum[i];
            }
            double norm = Math.Sqrt(update.Sum(u => u * u));
            double[] x = [.. update.Select(u => u / norm)];
            for (int k = 0; k < 5; k++)
                x = Iterated(x, rows, columns);
            double factor =
                rate == MuonRate.Original
                    ? Math.Sqrt(Math.Max(1, (double)rows / columns))
                    : 0.2 * Math.Sqrt(Math.Max(rows, columns));
            for (int i = 0; i < g.Length; i++)
                expected[i] = expected[i] * (1 - 0.02 * 0.1) - 0.02 * factor * x[i];
        }
        // The iterations are in bfloat16, of 8 bits.
        double[] got = p.ToDoubles();
        for (int i = 0; i < got.Length; i++)
            Assert.Equal(expected[i], got[i], 0.006);
        Assert.Contains(
            "matrices",
            Assert.Throws<ArgumentException>(() => new Muon([Tensor.Zeros(3).RequiresGrad_()])).Message
        );
    }

    // a·X + (b·XXᵀ + c·(XXᵀ)²)·X, which is the same for the transpose.
    private static double[] Iterated(double[] x, int rows, int columns)
    {
        double[,] gram = new double[rows, rows];
        for (int i = 0; i < rows; i++)
        for (int j = 0; j < rows; j++)
        for (int k = 0; k < columns; k++)
            gram[i, j] += x[i * columns + k] * x[j * columns + k];
        var next = new double[x.Length];
        for (int i = 0; i < rows; i++)
        for (int k = 0; k < columns; k++)
        {
            next[i * columns + k] = 3.4445 * x[i * columns + k];
            for (int j = 0; j < rows; j++)
            {
                double square = 0;
                for (int m = 0; m < rows; m++)
                    square += gram[i, m] * gram[m, j];
                next[i * columns + k] += (-4.775 * gram[i, j] + 2.0315 * square) * x[j * columns + k];
            }
        }
        return next;
    }
}
