using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Guards;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;
using Xunit;

namespace Picograd.Tests;

/// <summary>A record of a range serves every shape in it with one kernel, and none outside of it.</summary>
public sealed class RangeRecordTests : IDisposable
{
    private static readonly IBackend Backend = new CpuBackend(CpuTarget.Detect(), 1);

    private readonly MemoryTuneStore _store = new();

    public void Dispose()
    {
        Setup.UseEvaluator();
        _store.Dispose();
    }

    // The default schedule of the range's point, as tuning a range stores one.
    private static TuneRecord RecordOf(string text)
    {
        var range = Problem.OfOperator(text);
        var point = range.At(range.Point);
        var nest = OpenSchedule.Replay(DefaultSchedule.For(point.Algorithm, Backend.Target), range.Algorithm);
        return TestRecords.Of(point.Operator!, Backend.Target, Trace.Of(nest).ToString(), 1, 2) with
        {
            Key = TuneKeys.Of(range, Backend.Target),
            Spec = range.Label,
            ProblemText = range.Text,
            Guards = [.. Guard.Of(range.Algorithm, Backend.Target).Select(g => g.ToString())],
        };
    }

    private void Serve(TuneRecord record)
    {
        _store.Put(record);
        Dispatcher.Use(_store, Backend);
    }

    private static DispatchedKernel Kernel(string spec) => Dispatcher.Resolve(OperatorSpec.Parse(spec));

    [Fact]
    public void One_kernel_serves_every_shape_of_the_range()
    {
        Serve(RecordOf("softmax rows=2..300 cols=100"));
        var first = Kernel("softmax rows=2 cols=100");
        foreach (long rows in (long[])[3, 37, 64, 300])
        {
            var kernel = Kernel($"softmax rows={rows} cols=100");
            Assert.Equal(KernelSource.Exact, kernel.Source);
            Assert.Contains("the record of softmax rows=2..300@131 cols=100", string.Join('\n', kernel.Notes));
            Assert.Equal([rows], kernel.Extents.ToArray());
            Assert.Same(first.Schedule, kernel.Schedule);
        }
        foreach (
            string outside in (string[])
                ["softmax rows=1 cols=100", "softmax rows=301 cols=100", "softmax rows=37 cols=101"]
        )
            Assert.Equal(KernelSource.Default, Kernel(outside).Source);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(37)]
    [InlineData(300)]
    public void What_it_computes_is_right(long rows)
    {
        Serve(RecordOf("softmax rows=2..300 cols=100"));
        using var x = Tensor.Rand([rows, 100], new Generator(7)) - 0.5;
        using var y = x.Softmax(1);
        double[] values = x.ToDoubles();
        double[] result = y.ToDoubles();
        Assert.Equal(KernelSource.Exact, Kernel($"softmax rows={rows} cols=100").Source);
        for (long r = 0; r < rows; r++)
        {
            double[] row = values[(int)(r * 100)..(int)(r * 100 + 100)];
            double sum = row.Sum(Math.Exp);
            for (int c = 0; c < 100; c++)
                Assert.Equal(Math.Exp(row[c]) / sum, result[r * 100 + c], 1e-6);
        }
    }

    [Fact]
    public void A_record_of_one_shape_goes_before_that_of_a_range()
    {
        var exact = OperatorSpec.Parse("tanh n=50");
        _store.Put(
            TestRecords.Of(
                exact,
                Backend.Target,
                Trace.Of(DefaultSchedule.For(exact.Build(), Backend.Target)).ToString(),
                1,
                2
            )
        );
        Serve(RecordOf("tanh n=2..1000"));
        Assert.Empty(Kernel("tanh n=50").Extents.ToArray());
        Assert.Equal([51L], Kernel("tanh n=51").Extents.ToArray());
    }

    [Theory]
    [InlineData("trace", "no trace")]
    [InlineData("problem", "line 1, column 1")]
    [InlineData("other", "is none of its shapes")]
    [InlineData("guard", "cannot be checked")]
    [InlineData("narrow", "cannot be checked")]
    public void A_damaged_record_costs_speed_only(string damage, string why)
    {
        var record = RecordOf("tanh n=2..1000");
        Serve(
            damage switch
            {
                "trace" => record with { Trace = "no trace" },
                "problem" => record with { ProblemText = "nonsense", Spec = "nonsense" },
                "other" => record with
                {
                    ProblemText = Problem.OfOperator("exp n=2..1000").Text,
                    Spec = "exp n=2..1000",
                },
                "guard" => record with { Guards = ["moon(full)"] },
                _ => record with { Guards = ["range(size.n,2,10)"] },
            }
        );
        using var x = Tensor.Rand([77], new Generator(7));
        using var y = x.Tanh();
        Assert.Equal(Math.Tanh(x.ToDoubles()[5]), y.ToDoubles()[5], 1e-6);
        var kernel = Kernel("tanh n=77");
        Assert.Equal(KernelSource.Default, kernel.Source);
        Assert.Contains(why, string.Join('\n', kernel.Notes));
    }

    [Fact]
    public void What_it_assumes_of_addresses_is_tested_at_every_call()
    {
        var record = RecordOf("tanh n=2..1000");
        Serve(record with { Guards = [.. record.Guards, "align(X,64)"] });
        using var x = Tensor.Rand([78], new Generator(7));
        using var aligned = x[..77].Tanh();
        var kernel = Kernel("tanh n=77");
        Assert.Equal((KernelSource.Exact, 0), (kernel.Source, kernel.GuardFailures));
        using var y = x[1..].Tanh();
        Assert.Equal(1, kernel.GuardFailures);
        Assert.Equal(Math.Tanh(x.ToDoubles()[6]), y.ToDoubles()[5], 1e-6);
    }
}
