using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>What <see cref="DeviceOps"/> declares: enough to run and write each of them, and no less than it does.</summary>
public class DeviceOpTests
{
    private static readonly Buffer Source = new("source", DType.Float32, [10, 24], Scope.Global);
    private static readonly Buffer Ring = new("ring", DType.Float32, [3, 4, 1, 8], Scope.Shared);
    private static readonly Buffer Barriers = new("full", DType.Int64, [3], Scope.Shared);

    public static TheoryData<string> Names => [.. DeviceOps.All.Select(i => i.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_instruction_has_a_line_of_CUDA_and_one_for_people(string name)
    {
        var op = Sample(DeviceOps.All.Single(i => i.Name == name));
        Assert.NotEmpty(op.ToString());
        Assert.DoesNotContain("\n", op.ToString().TrimEnd());
        string source = CudaEmitter.Emit(Kernel(op), GpuInfo.H100).Source;
        string body = source[source.IndexOf("__global__", StringComparison.Ordinal)..];
        Assert.Matches(@"\n\s+\w+(<\d+>)?\(.*\);", body);
    }

    [Fact]
    public void Instructions_differ_in_their_hash()
    {
        var hashes = DeviceOps.All.Select(i => NestHash.Of(Kernel(Sample(i)))).ToHashSet();
        Assert.Equal(DeviceOps.All.Length, hashes.Count);
    }

    [Theory]
    [InlineData("cp.async")]
    [InlineData("cp.async.bulk.tensor")]
    public void What_it_means_touches_no_more_than_it_declares(string name)
    {
        var op = Sample(DeviceOps.All.Single(i => i.Name == name));
        var meaning = op.Instruction.Meaning!(op);
        var ranges = meaning
            .Nodes()
            .OfType<For>()
            .ToDictionary(l => l.Var, l => new Interval(0, l.ConstantExtent!.Value - 1));
        int seen = 0;
        foreach (var access in BufferAccess.Below(meaning))
        {
            var declared = Assert.Single(
                BufferAccess.Own(op),
                d => d.Buffer == access.Buffer && d.IsWrite == access.IsWrite
            );
            for (int dim = 0; dim < access.Indices.Length; dim++)
            {
                var range = Interval.Of(access.Indices[dim], ranges);
                long first = ((IntImm)declared.Indices[dim]).Value;
                // All of it, and nothing else.
                Assert.Equal((first, first + declared.Tile[dim] - 1), (range.Min, range.Max));
            }
            seen++;
        }
        Assert.Equal(2, seen);
    }

    [Fact]
    public void The_meaning_of_a_box_is_zero_outside_of_the_source()
    {
        var op = Sample(DeviceOps.CopyBox);
        var store = Assert.Single(op.Instruction.Meaning!(op).Nodes().OfType<Store>());
        var loops = op.Instruction.Meaning!(op).Nodes().OfType<For>().ToList();
        Assert.Equal([4L, 8L], loops.Select(l => l.ConstantExtent!.Value));
        // Rows 8 and 9 of 10 are inside, the two behind are not.
        var cond = ((Select)store.Value).Cond;
        var vars = cond.FreeVars().OrderBy(v => v.Name).ToList();
        for (int row = 0; row < 4; row++)
        {
            var at = cond.Substitute(new Dictionary<Var, Expr> { [vars[0]] = row, [vars[1]] = 7 });
            Assert.Equal(row < 2, Simplifier.Simplify(at, new Dictionary<Var, Interval>()).IsTrue());
        }
    }

    [Fact]
    public void Instructions_of_one_thread_lie_under_a_condition_that_picks_it()
    {
        var nest = Kernel(Sample(DeviceOps.CopyBox));
        Assert.Same(nest, KernelForm.Checked(nest, GpuInfo.H100));
        var everybody = nest with { Body = nest.Body.MapUp(s => s is If i ? i.Then : s) };
        var refused = Assert.Throws<LoweringException>(() => KernelForm.Checked(everybody, GpuInfo.H100));
        Assert.Contains("cp.async.bulk.tensor is for one thread", refused.Message);
    }

    [Fact]
    public void Instructions_of_warpgroups_want_whole_ones()
    {
        var refused = Assert.Throws<LoweringException>(() =>
            KernelForm.Checked(Kernel(DeviceOps.FenceProducts.Of(), threads: 96), GpuInfo.H100)
        );
        Assert.Contains("whole warpgroups in a block of 96 threads", refused.Message);
    }

    [Fact]
    public void A_statement_that_is_not_as_declared_is_refused()
    {
        var op = Sample(DeviceOps.CopyBox);
        var wrong = op with { Operands = op.Operands.RemoveAt(2) };
        var refused = Assert.Throws<InvalidOperationException>(() => NestVerifier.CheckScopes(Kernel(wrong)));
        Assert.Contains("cp.async.bulk.tensor takes 3 operands", refused.Message);
    }

    private static DeviceOp Sample(DeviceInstruction i) =>
        i == DeviceOps.CopyAsync ? DeviceOps.Copy(Ring, [1, 2, 0, 4], Source, [8, 16], 4, 3)
        : i == DeviceOps.CopyBox
            ? DeviceOps.Copy(
                new DeviceOperand(Ring, [1, 0, 0, 0], [1, 4, 1, 8]),
                new DeviceOperand(Source, [8, 16], [4, 8]),
                Barriers,
                1
            )
        : i.Operands.IsEmpty ? i.Of([.. Enumerable.Repeat(24, i.Numbers)])
        : i.On(Barriers, 1, [.. Enumerable.Repeat((Expr)1, i.Values)]);

    private static LoopNest Kernel(DeviceOp op, int threads = 128)
    {
        var g = new AlgorithmBuilder("copy");
        var source = g.Input("source", DType.Float32, 10, 24);
        var i = new Axis("i", 10);
        var output = g.Stage("out", [i], source[i, 0]);
        var algorithm = g.Build(output);
        var t = new Var("t");
        Stmt body = Seq.Of(new If(Op.Eq(t, 0), op), new If(Op.Lt(t, 10), new Store(output, [t], source[t, 0])));
        if (op.Instruction.Executor == Executor.Warpgroup)
            body = Seq.Of(op, ((Seq)body).Items[1]);
        body = body.ReplaceBuffer(Source, source);
        body = new For(t, threads, LoopKind.ThreadX, body);
        var block = new For(new Var("b"), 1, LoopKind.BlockX, new Allocate(Ring, new Allocate(Barriers, body)));
        return InitialNest.Of(algorithm) with { Body = block, Intermediates = [] };
    }
}
