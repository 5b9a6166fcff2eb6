using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu.Machine;
using Picograd.Lower.Cpu.Warnings;
using Picograd.Schedules;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Primitives;
using Picograd.Schedules.Traces;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Warnings;

/// <summary>Bad schedules are warned of by name, at every width; what mends them, and good schedules, are not.</summary>
public sealed class ScheduleWarningTests
{
    private static Schedule Matmul(string shape = "m=512 n=512 k=512") =>
        new(OperatorSpec.Parse($"matmul {shape}").Build());

    private static int Lanes(int bits) => bits / 32;

    // Rows and vectors of a tile, with the sums in registers and without a test in the loop of the reduction.
    private static Schedule Tiled(
        int bits,
        int rows,
        int vectors,
        bool decompose = true,
        Tail tail = Tail.None,
        string shape = "m=512 n=512 k=512"
    )
    {
        var s = Matmul(shape);
        var (_, copy) = s.CacheWrite("C", Scope.Register);
        var (mo, mi) = s.Split("C.m", rows, tail);
        var (no, ni) = s.Split("C.n", vectors * Lanes(bits), tail);
        s.Reorder(mo, no, "C.k", mi, ni).Unroll(mi).Vectorize(ni);
        s.ReverseComputeAt(copy, no);
        if (decompose)
            s.DecomposeReduction("C", "C.k");
        return s;
    }

    private static IReadOnlyList<ScheduleWarning> Warnings(Schedule s, int bits) =>
        ScheduleWarnings.Of(s.Nest, Widths.Backend(bits));

    private static ScheduleWarning Only(Schedule s, int bits, string name)
    {
        var warning = Assert.Single(Warnings(s, bits));
        Assert.Equal(name, warning.Name);
        Assert.Contains(warning.Kind, ScheduleWarning.Kinds);
        Assert.InRange(warning.Share, 0.2, 1);
        return warning;
    }

    public static TheoryData<int> Bits() => [.. Widths.All];

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void Loops_marked_vector_that_vectors_cannot_hold(int bits)
    {
        var g = new AlgorithmBuilder("gather");
        var i = new Axis("i", 4096);
        var x = g.Input("X", DType.Float32, 100);
        var at = g.Input("I", DType.Int64, 4096);
        var s = new Schedule(g.Build(g.Stage("Y", [i], x[at[i]] + 1f)));
        s.Vectorize("Y.i");
        string problem = Only(s, bits, ScheduleWarning.SerialVector).Problem;
        Assert.StartsWith("Y.i is marked vector, but runs one element at a time: vectors cannot hold X[I[", problem);
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_test_for_the_first_iteration_of_a_reduction(int bits)
    {
        var warning = Only(
            Tiled(bits, 4, 2, decompose: false, shape: "m=96 n=128 k=64"),
            bits,
            ScheduleWarning.TestInInnerLoop
        );
        Assert.Equal("'C.k == 0' is tested in every iteration of C.k", warning.Problem);
        Assert.Equal("decompose_reduction C C.k takes it out", warning.Mend);
        Assert.Matches(@"^C\.m\.o > C\.n\.o > C\.k > C\.n\.i \(vector\)$", warning.Place);
        Assert.Empty(Warnings(Tiled(bits, 4, 2, shape: "m=96 n=128 k=64"), bits));
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_test_for_the_rest_of_a_split(int bits)
    {
        const string ragged = "m=509 n=512 k=512";
        var warning = Only(Tiled(bits, 4, 2, tail: Tail.Guard, shape: ragged), bits, ScheduleWarning.TestInInnerLoop);
        Assert.Contains("'C.m.o < 127' is tested in every iteration of C.k", warning.Problem);
        Assert.Contains("split C.m 4 tail=peel", warning.Mend);
        Assert.Empty(Warnings(Tiled(bits, 4, 2, tail: Tail.Peel, shape: ragged), bits));
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void More_accumulators_than_registers(int bits)
    {
        int registers = Widths.Backend(bits).Target.VectorRegisters;
        var warning = Only(Tiled(bits, registers / 2, 2), bits, ScheduleWarning.SpilledRegisters);
        Assert.Equal(
            $"{registers} accumulators and 3 operands need {registers + 3} vector registers of {registers}",
            warning.Problem
        );
        Assert.Contains($"a tile of {registers - 3} accumulators at most", warning.Mend);
        Assert.Empty(Warnings(Tiled(bits, (registers - 3) / 2, 2, tail: Tail.Peel), bits));
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void Sums_that_go_through_memory(int bits)
    {
        var s = Matmul();
        var (no, ni) = s.Split("C.n", Lanes(bits));
        s.Reorder("C.m", "C.k", no, ni).Vectorize(ni);
        s.DecomposeReduction("C", "C.k");
        var warning = Only(s, bits, ScheduleWarning.SumsInMemory);
        Assert.Matches(
            @"^C(\.block)? is loaded and stored again in each of the \d+ iterations of C\.k$",
            warning.Problem
        );
        Assert.Contains("cache_write C register", warning.Mend);
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_scalar_loop_that_could_be_a_vector(int bits)
    {
        var warning = Only(Matmul(), bits, ScheduleWarning.ScalarInnerLoop);
        Assert.Equal($"C.k computes one element at a time where {Lanes(bits)} fit a vector", warning.Problem);
        Assert.Contains("reorder C.n inside the loops below it and vectorize it", warning.Mend);
        var mended = Matmul();
        var (no, ni) = mended.Split("C.n", Lanes(bits));
        mended.Reorder("C.m", no, "C.k", ni).Vectorize(ni);
        Assert.DoesNotContain(Warnings(mended, bits), w => w.Name == ScheduleWarning.ScalarInnerLoop);
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_scalar_reduction_of_a_row(int bits)
    {
        var s = new Schedule(OperatorSpec.Parse("sum rows=4 cols=4096 axis=1").Build());
        string k = s.Nest.LoopsAround(s.Nest.Blocks.First(b => b.IsReduction))[^1].Name;
        var warning = Only(s, bits, ScheduleWarning.ScalarInnerLoop);
        Assert.Contains($"split {k} {Lanes(bits)}, rfactor the inner loop and vectorize it", warning.Mend);
    }

    [SkippableTheory]
    [MemberData(nameof(Bits))]
    public void A_vector_whose_lanes_are_apart(int bits)
    {
        var s = Matmul();
        var (mo, mi) = s.Split("C.m", Lanes(bits));
        s.Reorder(mo, "C.n", "C.k", mi).Vectorize(mi);
        var warning = Only(s, bits, ScheduleWarning.StridedVector);
        Assert.Equal($"the {Lanes(bits)} lanes of C.m.i are 512 elements apart in A", warning.Problem);
        Assert.Equal(
            "reorder C.n inside the loops below it and vectorize it in its place makes them one access",
            warning.Mend
        );
        // Where no other loop can be the vector, the operand that is read again and again can be copied.
        s.DecomposeReduction("C", "C.k");
        Assert.StartsWith("cache_read A and transform_layout", Only(s, bits, ScheduleWarning.StridedVector).Mend);
    }

    /// <summary>Operators that models are made of, at sizes where a schedule matters.</summary>
    private static readonly string[] Good =
    [
        "matmul m=512 n=512 k=512",
        "matmul m=32 n=200 k=200",
        "matmul m=200 n=200 k=32 ta=1",
        "matmul m=32 n=200 k=200 tb=1",
        "matmul m=1 n=768 k=768",
        "matmul m=97 n=101 k=103",
        "matmul m=64 n=64 k=64 batch=12",
        "matmul m=128 n=128 k=128 dtype=f64",
        "matmul m=128 n=128 k=128 bias=1 act=relu",
        "softmax rows=32 cols=1000",
        "layernorm rows=512 cols=768",
        "rmsnorm rows=512 cols=768",
        "sum rows=640 cols=640 axis=0",
        "sum rows=640 cols=640 axis=1",
        "sum rows=1000 cols=1000 axis=0",
        "sum rows=100000 cols=8 axis=1",
        "argmin rows=300 cols=300 axis=0",
        "max rows=1000 cols=1000 axis=1",
        "argmax rows=1000 cols=1000 axis=1",
        "tanh n=6400",
        "gelu n=100000",
        "add a=200x32 b=200x1",
        "where c=32x200 a=200 b=1",
        "cross_entropy rows=32 classes=1000",
        "cross_entropy.adjoint rows=32 classes=1000",
        // Rows shorter than a vector.
        "cross_entropy.adjoint rows=32 classes=10",
        "softmax rows=64 cols=10",
        "layernorm rows=64 cols=7",
        "embedding vocab=1000 dim=64 rows=256",
        "embedding.adjoint vocab=1000 dim=64 rows=256",
        "attention b=1 h=4 tq=64 tk=64 d=32",
        "attention b=1 h=4 tq=64 tk=64 d=32 causal=1",
        "cumsum rows=100 cols=1000",
        "adam n=10000",
        "random_normal n=1000",
        "cast n=10000 from=f32 to=bf16",
    ];

    public static TheoryData<string> GoodSpecs() => [.. Good];

    [SkippableTheory]
    [MemberData(nameof(GoodSpecs))]
    public void Default_schedules_are_not_warned_of(string text)
    {
        var spec = OperatorSpec.Parse(text);
        foreach (int bits in Widths.All.Where(b => b <= CpuTarget.NativeVectorBits))
        {
            var backend = Widths.Backend(bits, threads: bits == 256 ? 2 : 1);
            var nests = new List<LoopNest> { DefaultSchedule.For(spec.Build(), backend.Target) };
            // The kernel of the shape's class, which is what runs untuned.
            if (OpenOperator.Of(spec) is { } open)
                nests.Add(OpenSchedule.For(open, backend.Target));
            foreach (var nest in nests)
            {
                var warnings = ScheduleWarnings.Of(nest, backend);
                Assert.True(warnings.Count == 0, $"{bits} bits: {string.Join('\n', warnings)}");
            }
        }
    }

    /// <summary>Winners of 'tune run' with 120 s for all on a Zen 5, 2026-11-30: each the operator, then its trace.</summary>
    [SkippableFact]
    public void Tuned_schedules_are_not_warned_of()
    {
        var backend = Widths.Backend(512);
        string[] winners = File.ReadAllText(Path.Combine(Path.GetDirectoryName(ThisFile())!, "tuned-zen5-avx512.txt"))
            .ReplaceLineEndings("\n")
            .Split("\n\n");
        Assert.Equal(8, winners.Length);
        foreach (string winner in winners)
        {
            int line = winner.IndexOf('\n', StringComparison.Ordinal);
            var nest = Trace.Parse(winner[(line + 1)..]).Replay(OperatorSpec.Parse(winner[..line]).Build());
            var warnings = ScheduleWarnings.Of(nest, backend);
            Assert.True(warnings.Count == 0, $"{winner[..line]}: {string.Join('\n', warnings)}");
        }
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;

    [Fact]
    public void Every_operator_of_the_library_can_be_looked_at()
    {
        var backend = Widths.Backend(128);
        foreach (var definition in OperatorLibrary.All)
        {
            var algorithm = OperatorSpec.Parse(definition.Example).Build();
            // Small ones take no time whatever their schedule.
            ScheduleWarnings.Of(DefaultSchedule.For(algorithm, backend.Target), backend);
            ScheduleWarnings.Of(InitialNest.Of(algorithm), backend);
        }
    }
}
