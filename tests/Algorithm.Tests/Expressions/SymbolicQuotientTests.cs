using Picograd.Algorithms;
using Xunit;

namespace Picograd.Tests.Expressions;

/// <summary>Indices of fused loops over symbolic extents come back to the loop's variable.</summary>
public class SymbolicQuotientTests
{
    private static readonly Var N = new("n");
    private static readonly Var X = new("x");

    [Fact]
    public void QuotientAndRestByAnExtentTimesAConstantAreTheWhole()
    {
        // x // (12 n) of rows of 12 n, then (… // n) of rows of n, then the rest.
        Expr row = (Expr)N * 12;
        Expr inRow = Op.Mod(X, row);
        Expr offset = (Op.FloorDiv(X, row) * 12 + Op.FloorDiv(inRow, N)) * N + Op.Mod(inRow, N);
        var form = LinearForm.Of(offset);
        Assert.Equal(1, form.CoefficientOf(X));
        Assert.Single(form.Terms);
        Assert.Equal(0, form.Constant);
    }

    [Fact]
    public void AnotherFactorIsNotJoined()
    {
        Expr row = (Expr)N * 12;
        var form = LinearForm.Of(Op.FloorDiv(X, row) * N * 6 + Op.Mod(X, row));
        Assert.Equal(2, form.Terms.Length);
        Assert.Equal(0, form.CoefficientOf(X));
    }

    [Fact]
    public void QuotientAndRestOfDataByAnExtentAreTheWhole()
    {
        var index = new Buffer("I", DType.Int64, [64]);
        Expr data = index[X];
        Expr offset = (Op.FloorDiv(data, N) * N + Op.Mod(data, N)) * 64;
        var simple = Simplifier.Simplify(offset, new Dictionary<Var, Interval> { [N] = new(2, 64), [X] = new(0, 63) });
        Assert.Equal(Op.Mul(data, 64), simple);
        // By another symbolic extent, which nothing is divided by.
        var width = new Var("m");
        var form = LinearForm.Of((Op.FloorDiv(data, N) * N + Op.Mod(data, N)) * width + X);
        Assert.Equal(2, form.Terms.Length);
        Assert.DoesNotContain(form.Terms, t => t.Atom.Nodes().Any(n => n is Binary { Kind: BinaryOp.FloorDiv }));
    }
}
