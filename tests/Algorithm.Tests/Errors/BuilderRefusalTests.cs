using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests.Errors;

/// <summary>What the builder and the expression constructors refuse, and why.</summary>
public class BuilderRefusalTests
{
    private static readonly Axis I = new("i", 4);
    private static readonly Axis J = new("j", 5);

    private static void Refused(string reason, Action<AlgorithmBuilder> build)
    {
        var g = new AlgorithmBuilder("test");
        var refusal = Assert.Throws<ArgumentException>(() => build(g));
        Assert.Contains(reason, refusal.Message);
    }

    [Fact]
    public void Names()
    {
        Refused(
            "the name A is taken",
            g =>
            {
                g.Input("A", DType.Float32, 4);
                g.Input("A", DType.Float32, 4);
            }
        );
        Refused("'a b' is not a name", g => g.Input("a b", DType.Float32, 4));
        Refused("'' is not a name", g => g.Parameter("", 4));
        Refused("two axes are called i", g => g.Stage("Y", [I, new Axis("i", 3)], g.Input("X", DType.Float32, 4)[I]));
    }

    [Fact]
    public void Shapes()
    {
        Refused("extent -3 is negative", g => g.Input("A", DType.Float32, -3));
        Refused("uses a variable that is not a parameter", g => g.Input("A", DType.Float32, new Var("n")));
        Refused(
            "axis i: extent n uses a variable that is not a parameter",
            g => g.Stage("Y", [new Axis("i", new Var("n"))], 1f)
        );
        Refused(
            "A has 2 dimensions and was indexed with 1",
            g => g.Stage("Y", [I], g.Input("A", DType.Float32, 4, 5)[I])
        );
        Refused("1 strides given for 2 dimensions", _ => new Buffer("A", DType.Float32, [4, 5], strides: [1]));
        Refused("bounds must satisfy 0 <= min <= max, got 5, 4", g => g.Parameter("n", 4, 5));
    }

    [Fact]
    public void Axes_and_reads()
    {
        Refused("axis i appears twice", g => g.Stage("Y", [I, I], 1f));
        Refused(
            "j is neither one of its axes (i) nor a parameter",
            g => g.Stage("Y", [I], g.Input("A", DType.Float32, 5)[J])
        );
        Refused(
            "reads A, which is neither an input nor an earlier stage",
            g => g.Stage("Y", [I], new Buffer("A", DType.Float32, [4])[I])
        );
    }

    [Fact]
    public void Types()
    {
        Refused(
            "types differ, f32 (A[i]) and i64 (B[i]); use Cast",
            g =>
            {
                var a = g.Input("A", DType.Float32, 4);
                var b = g.Input("B", DType.Int64, 4);
                g.Stage("Y", [I], a[I] + b[I]);
            }
        );
        Refused("a value of f32 cannot be stored as i32; use Cast", g => g.Stage("Y", [I], 1f, DType.Int32));
        Refused("select needs a bool, got i64", _ => Op.Select(I, 1f, 2f));
        Refused("exp needs a float, got i64", _ => Op.Exp(I));
        Refused("BitAnd needs integers, got f32", _ => Op.Bit(BinaryOp.BitAnd, 1f, 2f));
        Refused("division by zero: i / 0", _ => Op.FloorDiv(I, 0));
        Refused("division by zero: i % 0", _ => Op.Mod(I, 0));
        Refused(
            "component 0 of any is bool, its value f32",
            g => g.Stage("Y", [I], new Reduction(Reducer.Any(), [J], [g.Input("A", DType.Float32, 4, 5)[I, J]]))
        );
        Refused(
            "sum is over f64, its value f32",
            g => g.Scan("Y", [I], I, g.Input("A", DType.Float32, 4)[I], Reducer.Sum(DType.Float64))
        );
        Refused(
            "component 0 starts as f32 but combines to bool",
            _ => Reducer.Custom("odd", [Op.Const(0, DType.Float32)], (a, b) => [Op.Lt(a[0], b[0])])
        );
        Refused(
            "2 identities but combine returned 1 values",
            _ => Reducer.Custom("odd", [Op.False, Op.False], (a, _) => [a[0]])
        );
    }

    [Fact]
    public void Stages()
    {
        Refused(
            "argmax yields 2 values; use TupleStage",
            g => g.Stage("Y", [I], AlgorithmBuilder.ArgMax(J, g.Input("A", DType.Float32, 4, 5)[I, J]))
        );
        Refused(
            "reducer argmax is tuple-valued",
            g => g.Scan("Y", [I], I, g.Input("A", DType.Float32, 4)[I], Reducer.ArgMax(DType.Float32))
        );
        Refused(
            "j is not one of its axes",
            g => g.Scan("Y", [I], J, g.Input("A", DType.Float32, 4)[I], Reducer.Sum(DType.Float32))
        );
        Refused(
            "2 dimensions but 1 indices",
            g => g.Scatter("Y", [I], [3, 3], [0], g.Input("A", DType.Float32, 4)[I], Reducer.Sum(DType.Float32))
        );
        Refused(
            "starts from Z: f32[4], which is not like Y: f32[3]",
            g =>
                g.Scatter(
                    "Y",
                    [I],
                    [3],
                    [0],
                    g.Input("A", DType.Float32, 4)[I],
                    Reducer.Sum(DType.Float32),
                    g.Input("Z", DType.Float32, 4)
                )
        );
        Refused("needs at least one output", g => g.Build());
        Refused("output A is not computed by a stage", g => g.Build(g.Input("A", DType.Float32, 4)));
        Refused(
            "an output is named twice",
            g =>
            {
                var y = g.Stage("Y", [I], 1f);
                g.Build(y, y);
            }
        );
    }
}
