using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Algorithms.Compose;
using Picograd.Algorithms.Operators;
using Xunit;

namespace Picograd.Tests.Compose;

/// <summary>What becomes of groups that programs have: which stages are left, and what is refused.</summary>
public class JoinedFormTests
{
    [Fact]
    public void Elementwise_calls_are_one_stage()
    {
        // y = tanh(a · b + c), where c repeats along rows.
        var group = new GroupBuilder();
        int a = group.Value(3, 5);
        int b = group.Value(3, 5);
        int c = group.Value(5);
        int product = group.New(3, 5);
        int sum = group.New(3, 5);
        int y = group.New(3, 5);
        group.Call("mul a=15 b=15", a, b, product);
        group.Call("add a=3x5 b=5", product, c, sum);
        group.Call("tanh n=15", sum, y);
        Assert.Equal(
            """
            algorithm group
              input X0: f32[3, 5]
              input X1: f32[3, 5]
              input X2: f32[5]
              Y[i0, i1] = tanh(X0[i0, i1] * X1[i0, i1] + X2[i1]) over i0<3, i1<5
              output Y

            """,
            group.Join(y).Problem.Text
        );
    }

    [Fact]
    public void Elements_behind_a_product_have_its_rows_and_columns()
    {
        var group = new GroupBuilder();
        int x = group.Value(4, 6);
        int w = group.Value(8, 6);
        int bias = group.Value(8);
        int residual = group.Value(4, 8);
        int h = group.New(4, 8);
        int g = group.New(4, 8);
        int y = group.New(4, 8);
        group.Call("matmul m=4 n=8 k=6 tb=1 bias=1", x, w, bias, h);
        group.Call("gelu n=32", h, g);
        group.Call("add a=32 b=32", g, residual, y);
        var joined = group.Join(y);
        var stages = joined.Problem.Algorithm.Stages;
        Assert.Equal(2, stages.Length);
        Assert.Equal([StageKind.Reduce, StageKind.Map], stages.Select(s => s.Kind));
        Assert.Equal(stages[0].SpatialAxes.Select(s => s.Extent), stages[1].Axes.Select(s => s.Extent));
        // What somebody reads afterwards is there.
        var both = group.Join(h, y);
        Assert.Equal(2, both.Outputs.Length);
        Assert.Equal(3, both.Problem.Algorithm.Stages.Length);
    }

    [Fact]
    public void Heads_of_a_view_are_sums_of_axes()
    {
        // [t, 3·h·d] as queries and keys of h heads, without a copy.
        var group = new GroupBuilder();
        int qkv = group.Value(5, 36);
        int scores = group.New(2, 5, 5);
        group.Call(
            Problem.Of(OperatorSpec.Parse("matmul batch=2 m=5 n=5 k=6 tb=1")),
            new(qkv, 0, [6, 36, 1]),
            new(qkv, 12, [6, 36, 1]),
            new(scores)
        );
        var stage = Assert.Single(group.Join(scores).Problem.Algorithm.Stages);
        Assert.DoesNotContain(
            stage.Values.SelectMany(v => v.Nodes()),
            n => n is Binary { Kind: BinaryOp.FloorDiv or BinaryOp.Mod }
        );
    }

    [Fact]
    public void What_is_computed_twice_is_computed_once()
    {
        var group = new GroupBuilder();
        int x = group.Value(4, 7);
        int a = group.New(4, 7);
        int b = group.New(4, 7);
        int y = group.New(4, 7);
        group.Call("softmax rows=4 cols=7", x, a);
        group.Call("softmax rows=4 cols=7", x, b);
        group.Call("mul a=28 b=28", a, b, y);
        int alone = Problem.Of(OperatorSpec.Parse("softmax rows=4 cols=7")).Algorithm.Stages.Length;
        Assert.True(group.Join(y).Problem.Algorithm.Stages.Length <= alone);
    }

    [Fact]
    public void What_nobody_reads_is_not_computed()
    {
        var group = new GroupBuilder();
        int x = group.Value(9);
        int other = group.Value(9);
        int lost = group.New(9);
        int y = group.New(9);
        group.Call("exp n=9", other, lost);
        group.Call("tanh n=9", x, y);
        var joined = group.Join(y);
        Assert.Single(joined.Problem.Algorithm.Stages);
        Assert.Equal(x, Assert.Single(joined.Inputs));
        Assert.Equal(y, Assert.Single(joined.Outputs));
    }

    [Fact]
    public void Parts_put_together_are_one_stage()
    {
        // Two results side by side in one value, as concatenation writes them.
        var group = new GroupBuilder();
        int a = group.Value(4, 3);
        int b = group.Value(4, 5);
        int y = group.New(4, 8);
        group.Call(Problem.Of(OperatorSpec.Parse("copy shape=4x3 strides=3,1")), new(a), new(y, 0, [8, 1]));
        group.Call(Problem.Of(OperatorSpec.Parse("copy shape=4x5 strides=5,1")), new(b), new(y, 3, [8, 1]));
        Assert.Single(group.Join(y).Problem.Algorithm.Stages);
    }

    [Fact]
    public void A_sum_into_a_parameter_stays_in_place()
    {
        var group = new GroupBuilder();
        int table = group.Value(7, 3);
        int rows = group.Value(DType.Int64, 4);
        int x = group.Value(4, 3);
        int g = group.New(4, 3);
        string put = "index_put shape=7x3 dims=0 rows=4";
        var problem = Problem.Of(OperatorSpec.Parse(put));
        Assert.NotNull(problem.Algorithm.ReplacedBy(problem.Algorithm.Outputs[0]));
        group.Call("neg n=12", x, g);
        int[] named =
        [
            .. problem.Algorithm.Inputs.Select(b =>
                b.Type == DType.Int64 ? rows
                : b.Shape.Length == 2 && b.Shape[0].IsConst(7) ? table
                : g
            ),
        ];
        group.Call(problem, [.. named.Append(table).Select(v => new GroupOperand(v))]);
        Assert.True(group.Join(table).IsInPlace(0));
        // Not where somebody still asks for what was there.
        var asked = new GroupBuilder();
        int[] values = [asked.Value(7, 3), asked.Value(DType.Int64, 4), asked.Value(4, 3), asked.New(7, 3)];
        asked.Call("copy shape=7x3 strides=3,1", values[0], values[3]);
        asked.Call("exp n=21", values[0], values[3]);
        asked.Call(
            problem,
            [
                .. named
                    .Append(table)
                    .Select(v => new GroupOperand(
                        v == table ? values[0]
                        : v == rows ? values[1]
                        : values[2]
                    )),
            ]
        );
        var both = asked.Join(values[0], values[3]);
        Assert.False(both.IsInPlace(0) || both.IsInPlace(1));
    }

    [Fact]
    public void What_is_no_algorithm_is_refused_and_said_why()
    {
        var group = new GroupBuilder();
        int x = group.Value(4);
        int y = group.New(4);
        group.Call("exp n=4", x, y);
        Assert.Contains("no call writes it", Refusal(() => group.Join(x)));
        Assert.Contains("nothing to compute", Refusal(() => group.Join()));
        Assert.Contains("value 7 of 2", Refusal(() => group.Join(7)));

        var twice = new GroupBuilder();
        int a = twice.Value(4);
        int b = twice.New(4);
        twice.Call(Problem.Of(OperatorSpec.Parse("exp n=4")), new(a), new(b, 0, [0]));
        Assert.Contains("more than once", Refusal(() => twice.Join(b)));

        var outside = new GroupBuilder();
        int c = outside.Value(4);
        int d = outside.New(4);
        outside.Call(Problem.Of(OperatorSpec.Parse("exp n=4")), new(c, 1), new(d));
        Assert.Contains("reaches from element 1 to 4 of value 0, which has 4", Refusal(() => outside.Join(d)));

        var types = new GroupBuilder();
        int e = types.Value(DType.Int64, 4);
        int f = types.New(4);
        types.Call("exp n=4", e, f);
        Assert.Contains("is of f32, and value 0 of i64", Refusal(() => types.Join(f)));

        var few = new GroupBuilder();
        int g = few.Value(4);
        few.Call("exp n=4", g);
        Assert.Contains("2 arguments, and 1 operands", Refusal(() => few.Join(g)));

        var open = new GroupBuilder();
        int h = open.Value(4, 4);
        open.Call(Problem.OfOperator("softmax rows=1..4 cols=4"), new(h), new(h));
        Assert.Contains("constant extents", Refusal(() => open.Join(h)));
    }

    private static string Refusal(Func<object> join) => Assert.Throws<JoinException>(join).Message;

    private sealed class GroupBuilder
    {
        private readonly List<GroupValue> _values = [];
        private readonly List<GroupCall> _calls = [];

        public int Value(params long[] dims) => Value(DType.Float32, dims);

        public int Value(DType type, params long[] dims)
        {
            _values.Add(new(type, [.. dims]));
            return _values.Count - 1;
        }

        public int New(params long[] dims)
        {
            _values.Add(new(DType.Float32, [.. dims]) { IsNew = true });
            return _values.Count - 1;
        }

        public void Call(string spec, params int[] values) =>
            Call(Problem.Of(OperatorSpec.Parse(spec)), [.. values.Select(v => new GroupOperand(v))]);

        public void Call(Problem problem, params ImmutableArray<GroupOperand> operands) =>
            _calls.Add(new(problem, operands));

        public JoinedGroup Join(params int[] results) =>
            Joiner.Join(new("group", [.. _values], [.. _calls], [.. results]));
    }
}
