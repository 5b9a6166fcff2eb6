using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Lower.Cuda;
using Picograd.Lower.Cuda.Runtime;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Cuda;

/// <summary>Kernels that the back end of a GPU refuses: the operator runs all the same, on the next schedule that compiles.</summary>
public sealed class RefusedKernelTests : IDisposable
{
    private const string Reason = "shared-too-large";

    private const string Product = "matmul m=33 n=20 k=17";

    /// <summary>A GPU's back end that refuses more than it has to.</summary>
    private sealed class Refusing(IBackend inner, Func<int, LoopNest, bool> refuses) : IBackend
    {
        public int Asked { get; private set; }

        public TargetInfo Target => inner.Target;

        public LoopNest Lower(LoopNest nest) => inner.Lower(nest);

        public ICompiledKernel Compile(LoopNest nest) =>
            refuses(Asked++, nest) ? throw new LoweringException(Reason, "as the test asked") : inner.Compile(nest);
    }

    private readonly Device _device = EmulatedGpu.Require();

    public void Dispose() => Dispatcher.Refresh();

    private Refusing Use(Func<int, LoopNest, bool> refuses, DefaultScheduleRule? rule = null)
    {
        var backend = new Refusing(new CudaBackend(CudaDevice.Open(_device.Index)), refuses);
        Dispatcher.UseOn(_device, null, backend, rule);
        return backend;
    }

    private void ProductIsRight()
    {
        var a = Tensor.From([.. Enumerable.Range(0, 33 * 17).Select(i => (i * 7 % 31 - 15) / 8f)], [33, 17]);
        var b = Tensor.From([.. Enumerable.Range(0, 17 * 20).Select(i => (i * 5 % 29 - 14) / 4f)], [17, 20]);
        float[] expected = a.MatMul(b).ToArray<float>();
        float[] found = a.ToDevice(_device).MatMul(b.ToDevice(_device)).ToArray<float>();
        Assert.Equal(expected.Length, found.Length);
        for (int i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], found[i], 1e-3);
    }

    /// <summary>How many schedules the rules offer, each of which may be refused in turn.</summary>
    private int Rules => ScheduleRules.For(OperatorSpec.Parse(Product).Build(), Dispatcher.TargetOf(_device)).Count();

    [SkippableFact]
    public void The_next_schedule_runs_and_the_refusal_is_told()
    {
        var backend = Use((asked, _) => asked == 0);
        ProductIsRight();
        var kernel = Dispatcher.Resolve(OperatorSpec.Parse(Product), _device);
        Assert.Equal(KernelSource.Default, kernel.Source);
        string note = Assert.Single(kernel.Notes);
        Assert.Contains("the default schedule was refused", note);
        Assert.Contains(Reason, note);
        int asked = backend.Asked;
        Assert.Equal(2, asked);
        // It is found out once.
        ProductIsRight();
        Assert.Equal(asked, backend.Asked);
    }

    [SkippableFact]
    public void Only_the_last_schedule_of_all_compiles()
    {
        int rules = Rules;
        Assert.True(rules >= 3, $"{rules} rules");
        var backend = Use((asked, _) => asked < rules);
        ProductIsRight();
        Assert.Equal(rules + 1, backend.Asked);
        var notes = Dispatcher.Resolve(OperatorSpec.Parse(Product), _device).Notes;
        Assert.Equal(rules, notes.Length);
        Assert.Equal(rules - 1, notes.Count(n => n.Contains("a simpler schedule was refused")));
    }

    [SkippableFact]
    public void What_no_schedule_compiles_for_is_refused_with_the_operator_and_may_be_asked_for_again()
    {
        Use((_, _) => true);
        var e = Assert.Throws<LoweringException>(() => Dispatcher.Resolve(OperatorSpec.Parse(Product), _device));
        Assert.Equal("no-schedule", e.Reason);
        Assert.Contains(Product, e.Message);
        Assert.Contains(Reason, e.Message);
        Assert.Throws<LoweringException>(ProductIsRight);
        Use((_, _) => false);
        ProductIsRight();
    }

    /// <summary>Nothing is faked here: a nest without GPU loops is what the lowering itself refuses.</summary>
    [SkippableTheory]
    [InlineData("matmul")]
    [InlineData("softmax")]
    [InlineData("sum")]
    public void Refusals_of_the_lowering_itself_fall_back(string kind)
    {
        Use((_, _) => false, (algorithm, _) => InitialNest.Of(algorithm));
        string spec = kind switch
        {
            "matmul" => Product,
            "softmax" => "softmax rows=5 cols=37",
            _ => "sum rows=5 cols=37 axis=1",
        };
        Assert.Contains("no-gpu-loop", Dispatcher.Resolve(OperatorSpec.Parse(spec), _device).Notes[0]);
        var x = Tensor.From([.. Enumerable.Range(0, 5 * 37).Select(i => (i * 11 % 23 - 11) / 5f)], [5, 37]);
        switch (kind)
        {
            case "matmul":
                ProductIsRight();
                break;
            case "softmax":
                Near(x.Softmax(1), x.ToDevice(_device).Softmax(1));
                break;
            default:
                Near(x.Sum(1), x.ToDevice(_device).Sum(1));
                break;
        }
    }

    private static void Near(Tensor expected, Tensor found)
    {
        var (e, f) = (expected.ToArray<float>(), found.ToArray<float>());
        Assert.Equal(e.Length, f.Length);
        for (int i = 0; i < e.Length; i++)
            Assert.Equal(e[i], f[i], 1e-4);
    }
}
