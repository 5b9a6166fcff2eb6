using Picograd.Algorithms;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Passes;
using Xunit;

namespace Picograd.Tests.MathFunctions;

public sealed class ContractFmaTests
{
    private static readonly Expr A = new Buffer("a", DType.Float32, [1])[0];
    private static readonly Expr B = new Buffer("b", DType.Float32, [1])[0];
    private static readonly Expr C = new Buffer("c", DType.Float32, [1])[0];
    private static readonly Expr D = new Buffer("d", DType.Float32, [1])[0];

    public static TheoryData<string, Expr, Expr> Rules =>
        new()
        {
            { "a*b + c", A * B + C, Op.Fma(A, B, C) },
            { "c + a*b", C + A * B, Op.Fma(A, B, C) },
            { "a*b - c", A * B - C, Op.Fma(A, B, -C) },
            { "c - a*b", C - A * B, Op.Fma(-A, B, C) },
            { "both products: the left one", A * B + C * D, Op.Fma(A, B, C * D) },
            { "both products, subtracted", A * B - C * D, Op.Fma(A, B, -(C * D)) },
            { "the sign goes to a constant", C - A * 3f, Op.Fma(A, new FloatImm(-3, DType.Float32), C) },
            { "a constant subtracted", A * B - 3f, Op.Fma(A, B, new FloatImm(-3, DType.Float32)) },
            { "signs cancel", A * B - -C, Op.Fma(A, B, C) },
            { "a negated product", -(A * B) + C, Op.Fma(-A, B, C) },
            { "a negated product subtracted", C - -(A * B), Op.Fma(A, B, C) },
            { "chains from the inside", A * B + C * D + 1f, Op.Fma(A, B, C * D) + 1f },
            { "below other nodes", Op.Max(A * B + C, D), Op.Max(Op.Fma(A, B, C), D) },
        };

    [Theory]
    [MemberData(nameof(Rules))]
    public void Contracts(string rule, Expr before, Expr after)
    {
        Assert.True(ContractFma.Contract(before) == after, $"{rule}: {ContractFma.Contract(before)}, expected {after}");
    }

    [Fact]
    public void LeavesTheRestAlone()
    {
        var (i, j) = (new Var("i"), new Var("j"));
        Expr[] others = [A + B, (A + B) * C, i * j + 1, Op.Fma(A, B, C), Op.Cast(DType.Int32, A) * 2 + 1];
        foreach (var e in others)
            Assert.Same(e, ContractFma.Contract(e));
    }

    [Fact]
    public void ContractsFloat64()
    {
        Expr x = new Buffer("x", DType.Float64, [1])[0];
        Assert.Equal(Op.Fma(x, x, x), ContractFma.Contract(x * x + x));
    }

    [Fact]
    public void TheProductIsNotRounded()
    {
        var x = CompiledExpr.Placeholder(DType.Float32);
        // (1 + 2^-12)² = 1 + 2^-11 + 2^-24, whose last term a rounded product loses.
        var f = CompiledExpr.Compile<float>(ContractFma.Contract(x * x - 1f), x);
        Assert.Equal(MathF.ScaleB(1, -11) + MathF.ScaleB(1, -24), f(1 + MathF.ScaleB(1, -12)));
    }

    [Fact]
    public void SharedSubexpressionsStayShared()
    {
        Expr e = CompiledExpr.Placeholder(DType.Float32);
        for (int i = 0; i < 64; i++)
            e = e * e + e;
        var contracted = ContractFma.Contract(e);
        for (int i = 0; i < 64; i++)
        {
            var fma = Assert.IsType<Fma>(contracted);
            Assert.Same(fma.A, fma.B);
            Assert.Same(fma.A, fma.C);
            contracted = fma.A;
        }
        Assert.IsType<Load>(contracted);
    }

    [Fact]
    public void RunContractsTheNestAndKeepsItWhereNothingIsToDo()
    {
        var i = new Axis("i", 8);
        var g = new AlgorithmBuilder("axpy");
        var (x, y) = (g.Input("X", DType.Float32, 8), g.Input("Y", DType.Float32, 8));
        var nest = InitialNest.Of(g.Build(g.Stage("C", [i], 2f * x[i] + y[i])));
        var contracted = ContractFma.Run(nest);
        Assert.Contains("fma(2.0, X[i], Y[i])", contracted.ToString());
        Assert.Same(contracted, ContractFma.Run(contracted));
    }
}
