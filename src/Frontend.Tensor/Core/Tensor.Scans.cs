using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

// What runs along a dimension, beside running sums.
public sealed partial class Tensor
{
    private static readonly Operator CumMaxOperator = new("cummax", derives: true);
    private static readonly Operator CumMinOperator = new("cummin", derives: true);

    // Products without a 0 can be divided again; else gradients are sums of products that leave one factor out.
    private static readonly Operator CumProdOperator = new(
        "cumprod",
        rule: new Rule(
            "cumprod",
            Saves.A | Saves.Output,
            static (n, g) =>
            {
                if (!g.Device.IsMeta && n.A.Ne(0).All().Item() == 0)
                    n.Send(0, WithoutEach(n.A, g));
                else
                    n.Send(0, SumsFrom(g * n.Output) / n.A);
            }
        )
    );

    // The gradient in logarithms, of positive and negative parts apart, as PyTorch has it.
    private static readonly Operator LogCumSumExpOperator = new(
        "logcumsumexp",
        rule: new Rule(
            "logcumsumexp",
            Saves.A | Saves.Output,
            static (n, g) =>
            {
                if (GradMode.Enabled)
                {
                    // To be differentiated again: logarithms of what is 0 have no slopes, so all pairs of places are taken.
                    long size = n.A.Layout.Sizes[^1];
                    var before = Ones([size, size], DType.Bool, n.A.Device).Tril();
                    var apart = n.A.Unsqueeze(-2) - n.Output.Unsqueeze(-1);
                    n.Send(0, (Where(before, apart, double.NegativeInfinity).Exp() * g.Unsqueeze(-1)).Sum(-2));
                    return;
                }
                Tensor Part(Tensor grad) =>
                    ((Where(grad > 0, grad, 0).Log() - n.Output).Flip(-1).LogCumSumExp(-1).Flip(-1) + n.A).Exp();
                n.Send(0, Part(g) - Part(-g));
            }
        )
    );

    /// <summary>Running products along a dimension; of integers and bools in int64, unless a dtype is given.</summary>
    public Tensor CumProd(int dim, DType? dtype = null)
    {
        int d = Layout.Dim(dim, "cumprod");
        if (dtype == DType.Bool)
            throw new ArgumentException(
                "cumprod: dtype is bool, in which there are no running products; take a number's."
            );
        var input = Summable(dtype, "cumprod");
        if (input.DType == DType.UInt8)
            return Operator.Cast(CumProd(dim, DType.Int32), DType.UInt8);
        return input.Rank == 0 ? input.Clone() : input.AlongLast(d, CumProdOperator.Recorded);
    }

    /// <summary>The largest elements so far along a dimension, and their places (int64), of equals the last; a NaN stays.</summary>
    public (Tensor Values, Tensor Indices) CumMax(int dim) => RunningExtreme(CumMaxOperator, dim);

    /// <summary>The smallest elements so far along a dimension, and their places (int64), of equals the last; a NaN stays.</summary>
    public (Tensor Values, Tensor Indices) CumMin(int dim) => RunningExtreme(CumMinOperator, dim);

    /// <summary>log Σ eˣ of the elements so far along a dimension, for large x too; integers and bools are refused.</summary>
    public Tensor LogCumSumExp(int dim)
    {
        int d = Layout.Dim(dim, "logcumsumexp");
        RequireFloat("logcumsumexp");
        return Rank == 0 ? Clone() : AlongLast(d, LogCumSumExpOperator.Recorded);
    }

    private (Tensor Values, Tensor Indices) RunningExtreme(Operator op, int dim)
    {
        int d = Layout.Dim(dim, op.Name);
        if (DType is DType.UInt8 or DType.Bool)
        {
            var (wide, at) = Operator.Cast(this, DType.Int32).RunningExtreme(op, dim);
            return (wide.To(DType), at);
        }
        if (Rank == 0)
            return (Clone(), Zeros([], DType.Int64, Device));
        if (NumElements == 0)
            return (Clone(), Empty(Shape, DType.Int64, Device));
        var rows = d == Rank - 1 ? this : Transpose(d, -1);
        var values = rows.AllocateLike(DType);
        var places = rows.AllocateLike(DType.Int64);
        op.RunInto([rows], [values, places]);
        op.RecordFirst([rows], [values, places]);
        return d == Rank - 1
            ? (values, places)
            : (values.Transpose(d, -1).Contiguous(), places.Transpose(d, -1).Contiguous());
    }

    private delegate Tensor Call(Tensor a, Tensor? b = null, Tensor? c = null);

    private Tensor AlongLast(int d, Call call) =>
        d == Rank - 1 ? call(this) : call(Transpose(d, -1)).Transpose(d, -1).Contiguous();

    // Sums of what comes from a place on.
    private static Tensor SumsFrom(Tensor x) => x.Flip(-1).Cumsum(-1).Flip(-1);

    // Products before each element, times Σ over it and later places of their gradients times the factors between: by doubling how far
    // is looked.
    private static Tensor WithoutEach(Tensor x, Tensor grad)
    {
        long n = x.Layout.Sizes[^1];
        Tensor Shifted(Tensor t, long by, double with)
        {
            long[] sizes = [.. t.Layout.Sizes];
            sizes[^1] = Math.Min(by, n);
            var fill = Full(sizes, with, t.DType, t.Device);
            return by >= n ? fill : Cat([t.Narrow(-1, by, n - by), fill], -1);
        }
        long[] one = [.. x.Layout.Sizes];
        one[^1] = 1;
        var before = Cat([Ones(one, x.DType, x.Device), x.Narrow(-1, 0, n - 1).CumProd(-1)], -1);
        var (sum, between) = (grad, Shifted(x, 1, 0));
        for (long step = 1; step < n; step *= 2)
        {
            sum = sum + between * Shifted(sum, step, 0);
            between = between * Shifted(between, step, 0);
        }
        return before * sum;
    }
}
