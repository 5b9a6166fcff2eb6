using System.Collections.Immutable;
using System.Reflection;
using Picograd.Algorithms.Functions;

namespace Picograd.Algorithms.Operators;

/// <summary>
/// The table of reductions. An entry is one public field; what else is to know of it follows: see <see cref="ReductionFunction"/>.
/// </summary>
public static class ReductionFunctions
{
    public static readonly ReductionFunction Any = new("any", (r, x) => r.Any(x))
    {
        Types = [DType.Bool],
        OverNothing = 0,
    };

    public static readonly ReductionFunction All = new("all", (r, x) => r.All(x))
    {
        Types = [DType.Bool],
        OverNothing = 1,
    };

    public static readonly ReductionFunction Sum = new("sum", (r, x) => r.Sum(x))
    {
        Types = DTypes.Numbers,
        InBools = Any,
        OverNothing = 0,
    };

    public static readonly ReductionFunction Mean = new("mean", (r, x) => r.Sum(x) / r.Count)
    {
        OverNothing = double.NaN,
    };

    public static readonly ReductionFunction Max = new("max", (r, x) => r.Max(x))
    {
        Types = DTypes.Numbers,
        InBools = Any,
    };

    public static readonly ReductionFunction Min = new("min", (r, x) => r.Min(x))
    {
        Types = DTypes.Numbers,
        InBools = All,
    };

    /// <summary>Of all elements: as <see cref="Max"/>, but of NaNs each gets its share of the gradient, as in PyTorch.</summary>
    public static readonly ReductionFunction MaxOfAll = new("max_of_all", (r, x) => r.Max(x))
    {
        Types = DTypes.Numbers,
        InBools = Any,
        Slope = Shared,
    };

    /// <inheritdoc cref="MaxOfAll"/>
    public static readonly ReductionFunction MinOfAll = new("min_of_all", (r, x) => r.Min(x))
    {
        Types = DTypes.Numbers,
        InBools = All,
        Slope = Shared,
    };

    public static readonly ReductionFunction Prod = new("prod", (r, x) => r.Prod(x))
    {
        Types = DTypes.Numbers,
        InBools = All,
        OverNothing = 1,
        Domain = InputDomain.NonZero,
    };

    public static readonly ReductionFunction ArgMax = new("argmax", (axis, x) => AlgorithmBuilder.ArgMax(axis, x))
    {
        Types = DTypes.Numbers,
    };

    public static readonly ReductionFunction ArgMin = new("argmin", (axis, x) => AlgorithmBuilder.ArgMin(axis, x))
    {
        Types = DTypes.Numbers,
    };

    /// <summary>log Σ eˣ; where the largest is infinite, that.</summary>
    public static readonly ReductionFunction LogSumExp = new(
        "logsumexp",
        (r, x) =>
        {
            var most = r.Scale(x);
            var zero = Op.Const(0, most.Type);
            var scale = Op.Select(Op.Call(ScalarFunctions.IsFinite, most), most, zero);
            return scale + Op.Log(r.Sum(Op.Exp(x - scale)));
        }
    )
    {
        OverNothing = double.NegativeInfinity,
    };

    /// <summary>Σ (x − mean)², from which variances are.</summary>
    public static readonly ReductionFunction Deviation = new("deviation", Deviations) { OverNothing = 0 };

    /// <summary>The root of <see cref="Deviation"/>, which has the slope 0 where elements are equal, as in PyTorch.</summary>
    public static readonly ReductionFunction RootDeviation = new(
        "root_deviation",
        (r, x) =>
        {
            var sum = Deviations(r, x);
            return Op.Select(Op.Eq(sum, Op.Const(0, sum.Type)), Op.Const(0, sum.Type), Op.Sqrt(sum));
        }
    )
    {
        OverNothing = 0,
    };

    private static readonly Lazy<ImmutableArray<ReductionFunction>> s_all = new(() =>
        [
            .. typeof(ReductionFunctions)
                .GetFields(BindingFlags.Public | BindingFlags.Static)
                .Where(f => f.FieldType == typeof(ReductionFunction))
                .Select(f => (ReductionFunction)f.GetValue(null)!),
        ]
    );

    /// <summary>Every reduction.</summary>
    public static ImmutableArray<ReductionFunction> Table => s_all.Value;

    // Among all that are the extreme; if that is NaN, among the NaNs.
    private static Expr Shared(ReductionStages r, Expr x, Expr y, Expr g)
    {
        var hit = Op.Or(Op.Eq(x, y), Op.Ne(x, x));
        var (one, zero) = (Op.Const(1, g.Type), Op.Const(0, g.Type));
        return Op.Select(hit, g / r.Sum(Op.Select(hit, one, zero)), zero);
    }

    // The mean is mended by the mean of what is left of it: without that seven times 0.1 would spread by a rounding error, and the
    // slope of their deviation were ±1. Of infinities nothing is left that could be mended.
    private static Expr Deviations(ReductionStages r, Expr x)
    {
        var mean = r.Map(r.Sum(x) / r.Count);
        var deviation = x - mean - r.Rest(x - mean);
        return r.Sum(deviation * deviation);
    }
}
