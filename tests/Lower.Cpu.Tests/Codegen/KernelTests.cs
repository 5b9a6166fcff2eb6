using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Picograd.Schedules.Primitives;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Properties of compiled kernels that a comparison of results alone does not show, and edge cases by name.</summary>
public class KernelTests
{
    public static TheoryData<int> Bits() => [.. Widths.All];

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void The_tile_of_a_matmul_lives_in_registers(int bits)
    {
        var backend = Widths.Backend(bits);
        foreach (string text in new[] { "matmul m=32 n=64 k=40", "matmul m=13 n=37 k=29", "matmul m=1 n=5 k=300" })
        {
            var algorithm = OperatorSpec.Parse(text).Build();
            using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
            Assert.Equal(0, kernel.WorkspaceBytes);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void Every_length_of_a_row_ends_in_the_right_lanes(int bits)
    {
        var backend = Widths.Backend(bits);
        int lanes = bits / 32;
        for (int n = 1; n <= 2 * lanes + 3; n++)
        {
            Check(backend, OperatorSpec.Parse($"exp n={n}"));
            Check(backend, OperatorSpec.Parse($"sum rows=3 cols={n} axis=1"));
            Check(backend, OperatorSpec.Parse($"matmul m=5 n={n} k=3"));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void Batches_of_products_in_every_layout(int bits)
    {
        var backend = Widths.Backend(bits, 2);
        for (int layout = 0; layout < 4; layout++)
            foreach (string shared in new[] { "none", "a", "b" })
            {
                string transposed = $"ta={layout / 2} tb={layout % 2}";
                Check(backend, OperatorSpec.Parse($"matmul m=9 n=35 k=13 batch=3 bcast={shared} {transposed}"));
            }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void One_kernel_serves_every_value_of_a_symbolic_extent(int bits)
    {
        var g = new AlgorithmBuilder("rows");
        var p = g.Parameter("P", 40, 0);
        var (i, j) = (new Axis("i", p), new Axis("j", 19));
        var x = g.Input("X", DType.Float32, p, 19);
        var middle = g.Stage("M", [i, j], x[i, j] * 2f);
        var algorithm = g.Build(g.Stage("Y", [i], AlgorithmBuilder.Sum(j, middle[i, j])));
        foreach (int threads in new[] { 1, 2 })
        {
            var backend = Widths.Backend(bits, threads);
            var s = new Schedule(algorithm);
            s.Split("M.i", 4, Tail.Guard);
            s.Vectorize("M.j");
            s.Parallel("M.i.o");
            s.Parallel("Y.i");
            foreach (var nest in new[] { InitialNest.Of(algorithm), s.Nest })
            {
                using var kernel = backend.Compile(nest);
                foreach (long rows in new long[] { 0, 1, 2, 3, 4, 5, 8, 33, 40 })
                {
                    var random = new Random((int)rows);
                    var values = new NDArray(DType.Float32, rows, 19);
                    for (int e = 0; e < values.Length; e++)
                        values.Doubles[e] = random.Next(-8, 9);
                    var inputs = new Dictionary<Buffer, NDArray> { [x] = values };
                    var parameters = new Dictionary<string, long> { ["P"] = rows };
                    var actual = Execution.Run(kernel, algorithm, inputs, parameters);
                    Assert.Null(
                        Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs, parameters))
                    );
                }
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_symbolic_product_by_its_default_schedule(int bits)
    {
        var g = new AlgorithmBuilder("product");
        var m = g.Parameter("M", 30);
        var (i, j, k) = (new Axis("i", m), new Axis("j", 21), new Axis("k", 17));
        var a = g.Input("A", DType.Float32, m, 17);
        var b = g.Input("B", DType.Float32, 17, 21);
        var algorithm = g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(k, a[i, k] * b[k, j])));
        var backend = Widths.Backend(bits);
        using var kernel = backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
        foreach (long rows in new long[] { 1, 7, 30 })
        {
            var random = new Random(3);
            var inputs = new Dictionary<Buffer, NDArray>
            {
                [a] = new NDArray(DType.Float32, rows, 17),
                [b] = new NDArray(DType.Float32, 17, 21),
            };
            foreach (var values in inputs.Values)
            {
                for (int e = 0; e < values.Length; e++)
                    values.Doubles[e] = (float)(random.NextDouble() - 0.5);
            }
            var parameters = new Dictionary<string, long> { ["M"] = rows };
            var actual = Execution.Run(kernel, algorithm, inputs, parameters);
            Assert.Null(Execution.Wrong(algorithm, actual, Evaluator.RunWithBounds(algorithm, inputs, parameters)));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_sum_over_nothing_writes_zeros(int bits)
    {
        var g = new AlgorithmBuilder("nothing");
        var (i, j, k) = (new Axis("i", 3), new Axis("j", 21), new Axis("k", 0));
        var a = g.Input("A", DType.Float32, 3, 0);
        var b = g.Input("B", DType.Float32, 0, 21);
        var algorithm = g.Build(g.Stage("C", [i, j], AlgorithmBuilder.Sum(k, a[i, k] * b[k, j])));
        var backend = Widths.Backend(bits);
        var inputs = algorithm.Inputs.ToDictionary(
            x => x,
            x => new NDArray(DType.Float32, [.. x.Shape.Select(e => ((IntImm)e).Value)])
        );
        foreach (var nest in new[] { InitialNest.Of(algorithm), DefaultSchedule.For(algorithm, backend.Target) })
        {
            using var kernel = backend.Compile(nest);
            var result = Assert.Single(Execution.Run(kernel, algorithm, inputs));
            Assert.Equal(63, result.Length);
            Assert.All(result.Doubles, e => Assert.Equal(0, e));
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void Nothing_is_touched_where_an_extent_is_zero(int bits)
    {
        var g = new AlgorithmBuilder("empty");
        var (i, j) = (new Axis("i", 5), new Axis("j", 0));
        var x = g.Input("X", DType.Float32, 5, 0);
        var algorithm = g.Build(g.Stage("Y", [i, j], x[i, j] + 1f));
        var backend = Widths.Backend(bits, 2);
        var s = new Schedule(algorithm);
        s.Parallel("Y.i");
        var inputs = new Dictionary<Buffer, NDArray> { [x] = new NDArray(DType.Float32, 5, 0) };
        foreach (
            var nest in new[] { InitialNest.Of(algorithm), DefaultSchedule.For(algorithm, backend.Target), s.Nest }
        )
        {
            using var kernel = backend.Compile(nest);
            Assert.Equal(0, Assert.Single(Execution.Run(kernel, algorithm, inputs)).Length);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_parallel_loop_within_another_runs_on_the_worker_that_is_there(int bits)
    {
        var spec = OperatorSpec.Parse("add a=7x9x33 b=33");
        var algorithm = spec.Build();
        var s = new Schedule(algorithm);
        string[] loops = [.. s.Nest.Loops.Select(l => l.Name)];
        s.Parallel(loops[0]);
        s.Vectorize(loops[2]);
        // No primitive makes such a nest.
        var inner = s.Nest.Loop(loops[1]);
        Check(Widths.Backend(bits, 2), spec, s.Nest.Replace(inner, inner with { Kind = LoopKind.Parallel }));
    }

    [SkippableTheory]
    [InlineData("argmax", 1)]
    [InlineData("argmax", 0)]
    [InlineData("argmin", 1)]
    [InlineData("argmin", 0)]
    public void Ties_and_nan_give_the_index_that_the_evaluator_gives(string name, int axis)
    {
        var spec = OperatorSpec.Parse($"{name} rows=18 cols=18 axis={axis}");
        var algorithm = spec.Build();
        var values = new NDArray(DType.Float32, 18, 18);
        var random = new Random(5);
        for (int i = 0; i < values.Length; i++)
            values.Doubles[i] = random.Next(12) == 0 ? double.NaN : random.Next(-2, 3);
        // Rows and columns of one value, and of NaN alone.
        for (int i = 0; i < 18; i++)
        {
            values.Doubles[3 * 18 + i] = values.Doubles[i * 18 + 4] = 1;
            values.Doubles[7 * 18 + i] = values.Doubles[i * 18 + 8] = double.NaN;
        }
        var inputs = new Dictionary<Buffer, NDArray> { [algorithm.Inputs[0]] = values };
        var expected = Evaluator.Run(algorithm, inputs);
        foreach (int bits in Widths.All.Where(b => b <= CpuTarget.NativeVectorBits))
        {
            var backend = Widths.Backend(bits);
            foreach (var nest in new[] { InitialNest.Of(algorithm), DefaultSchedule.For(algorithm, backend.Target) })
            {
                using var kernel = backend.Compile(nest);
                var actual = Execution.Run(kernel, algorithm, inputs);
                for (int o = 0; o < actual.Length; o++)
                {
                    var right = expected[algorithm.Outputs[o]];
                    for (int i = 0; i < right.Length; i++)
                        Assert.Equal(right.At(i), actual[o].At(i));
                }
            }
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void Stores_made_at_once_all_see_the_old_values(int bits)
    {
        var g = new AlgorithmBuilder("swap");
        var i = new Axis("i", 5);
        var a = g.Input("A", DType.Float32, 5);
        var x = g.Stage("X", [i], a[i]);
        var y = g.Stage("Y", [i], a[i] + 10f);
        var algorithm = g.Build(x, y);
        var start = LowerBlocks.Run(InitialNest.Of(algorithm));
        var at = new Var("at");
        var swap = new For(
            at,
            5,
            LoopKind.Serial,
            new StoreAll([new Store(x, [at], y.At([at])), new Store(y, [at], x.At([at]))])
        );
        var nest = start with { Body = Seq.Of(start.Body, swap) };
        double[] values = [1, 2, 3, 4, 5];
        var inputs = new Dictionary<Buffer, NDArray> { [a] = NDArray.Of(DType.Float32, [5], values) };
        using var kernel = Widths.Backend(bits).Compile(nest);
        var actual = Execution.Run(kernel, algorithm, inputs);
        Assert.Equal(values.Select(v => v + 10), actual[0].Doubles);
        Assert.Equal(values, actual[1].Doubles);
        var interpreted = Interpreter.Run(
            nest,
            new Dictionary<string, HostArray> { ["A"] = HostArray.From(inputs[a], a) }
        );
        Assert.Equal(actual[0].Doubles, interpreted[0].ToDoubles());
        Assert.Equal(actual[1].Doubles, interpreted[1].ToDoubles());
    }

    // The sizes of storage that storage_align pads follow a symbolic extent to its largest value.
    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void Padded_storage_of_a_symbolic_shape_has_room_for_its_strides(int bits)
    {
        var g = new AlgorithmBuilder("padded");
        var p = g.Parameter("P", 9);
        var (i, j, r, q) = (new Axis("i", p), new Axis("j", 3), new Axis("r", p), new Axis("q", 3));
        var x = g.Input("X", DType.Float32, p, 3);
        var middle = g.Stage("M", [i, j], x[i, j] + 1f);
        var algorithm = g.Build(g.Stage("Y", [r, q], middle[r, q] * 2f));
        var s = new Schedule(algorithm);
        s.StorageAlign("M", 0, 16, 5);
        using var kernel = Widths.Backend(bits).Compile(s.Nest);
        foreach (long rows in new long[] { 1, 5, 9 })
        {
            var values = new NDArray(DType.Float32, rows, 3);
            for (int e = 0; e < values.Length; e++)
                values.Doubles[e] = e;
            var inputs = new Dictionary<Buffer, NDArray> { [x] = values };
            var actual = Execution.Run(kernel, algorithm, inputs, new Dictionary<string, long> { ["P"] = rows });
            Assert.Equal(values.Doubles.Select(v => 2 * v + 2), actual[0].Doubles);
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_prefetch_of_registers_does_nothing(int bits)
    {
        var g = new AlgorithmBuilder("near");
        var (i, k) = (new Axis("i", 3), new Axis("k", 4));
        var x = g.Input("X", DType.Float32, 3, 4);
        var middle = g.Stage("M", [i, k], x[i, k] * 2f);
        var (r, q) = (new Axis("r", 3), new Axis("q", 4));
        var algorithm = g.Build(g.Stage("Y", [r], AlgorithmBuilder.Sum(q, middle[r, q])));
        var s = new Schedule(algorithm);
        s.Prefetch("M", "Y.q", 1);
        s.SetScope("M", Scope.Register);
        var inputs = new Dictionary<Buffer, NDArray>
        {
            [x] = NDArray.Of(DType.Float32, [3, 4], [.. Enumerable.Range(0, 12).Select(v => (double)v)]),
        };
        using var kernel = Widths.Backend(bits).Compile(s.Nest);
        Assert.Equal([12.0, 44, 76], Execution.Run(kernel, algorithm, inputs)[0].Doubles);
    }

    [SkippableFact]
    public void Workspaces_have_no_more_areas_than_a_loop_has_iterations()
    {
        // A row of the workspace for each of two rows, not for each of 64 threads.
        var algorithm = OperatorSpec.Parse("softmax rows=2 cols=100000").Build();
        using var two = Compiled(2);
        using var many = Compiled(64);
        Assert.True(two.WorkspaceBytes > 0);
        Assert.Equal(two.WorkspaceBytes, many.WorkspaceBytes);

        CpuKernel Compiled(int threads)
        {
            var backend = Widths.Backend(128, threads);
            return backend.Compile(DefaultSchedule.For(algorithm, backend.Target));
        }
    }

    [SkippableTheory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task One_kernel_runs_on_several_threads_at_once(int threads)
    {
        var backend = Widths.Backend(128, threads);
        // Softmax keeps rows in its workspace; each caller must have its own.
        var spec = OperatorSpec.Parse("softmax rows=40 cols=301");
        var algorithm = spec.Build();
        var nest = threads == 1 ? InitialNest.Of(algorithm) : Spread(algorithm);
        using var kernel = backend.Compile(nest);
        Assert.True(kernel.WorkspaceBytes > 0);
        var callers = Enumerable
            .Range(0, 6)
            .Select(caller =>
                Task.Run(() =>
                {
                    var inputs = spec.MakeInputs(caller);
                    var expected = Evaluator.RunWithBounds(algorithm, inputs);
                    for (int i = 0; i < 20; i++)
                    {
                        var actual = Execution.RunPooled(kernel, algorithm, inputs);
                        if (Execution.Wrong(algorithm, actual, expected) is { } wrong)
                            return wrong;
                    }
                    return null;
                })
            );
        Assert.All(await Task.WhenAll(callers), Assert.Null);
    }

    private static LoopNest Spread(Algorithm algorithm)
    {
        var s = new Schedule(algorithm);
        foreach (var stage in algorithm.Stages)
            s.Parallel($"{stage.Name}.{stage.Axes[0].Name}");
        return s.Nest;
    }

    [SkippableFact]
    public void A_kernel_may_be_disposed_twice_and_others_go_on()
    {
        var backend = Widths.Backend(128, 2);
        var spec = OperatorSpec.Parse("softmax rows=4 cols=9");
        var algorithm = spec.Build();
        var first = backend.Compile(Spread(algorithm));
        using var second = backend.Compile(Spread(algorithm));
        var inputs = spec.MakeInputs(1);
        Execution.RunPooled(first, algorithm, inputs);
        first.Dispose();
        first.Dispose();
        var expected = Evaluator.RunWithBounds(algorithm, inputs);
        Assert.Null(Execution.Wrong(algorithm, Execution.RunPooled(second, algorithm, inputs), expected));
    }

    [SkippableFact]
    public void Kernels_that_nobody_disposes_are_collected()
    {
        var backend = Widths.Backend(128, 2);
        var spec = OperatorSpec.Parse("softmax rows=4 cols=9");
        var algorithm = spec.Build();
        var nest = Spread(algorithm);
        var kernels = Enumerable.Range(0, 20).Select(_ => Made()).ToList();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        // One or two may still be in a register or on the stack.
        Assert.True(kernels.Count(k => k.IsAlive) < 5);

        WeakReference Made() => new(backend.Compile(nest));
    }

    private static void Check(CpuBackend backend, OperatorSpec spec, LoopNest? nest = null)
    {
        var algorithm = spec.Build();
        var inputs = spec.MakeInputs(11);
        using var kernel = backend.Compile(nest ?? DefaultSchedule.For(algorithm, backend.Target));
        var wrong = Execution.Wrong(
            algorithm,
            Execution.Run(kernel, algorithm, inputs),
            Evaluator.RunWithBounds(algorithm, inputs)
        );
        Assert.True(wrong is null, $"{spec}, {backend.Target.VectorBits} bits: {wrong}");
    }
}
