using TorchSharp;
using Functional = TorchSharp.torch.nn.functional;

namespace Picograd.Compare.Cases;

/// <summary>A function of elements in both libraries, and between which numbers it is timed.</summary>
internal sealed record ElementFunction(
    string Name,
    Func<Tensor, Tensor> Ours,
    Func<TorchTensor, TorchTensor> Theirs,
    double Low = -4,
    double High = 4
)
{
    /// <summary>How many rounding errors in units of the last place a value may have; more where terms cancel.</summary>
    public long Terms { get; init; } = 1;
}

/// <summary>Functions of one element and of two: what the table of scalar functions has, beside arithmetic.</summary>
internal static class FunctionCases
{
    public static readonly ElementFunction[] All =
    [
        new("Tanh", x => x.Tanh(), x => x.tanh()),
        new("Exp", x => x.Exp(), x => x.exp()),
        new("Log", x => x.Log(), x => x.log(), 0.01, 100),
        new("Sigmoid", x => x.Sigmoid(), x => x.sigmoid()),
        new("Sqrt", x => x.Sqrt(), x => x.sqrt(), 0, 100),
        new("Rsqrt", x => x.Rsqrt(), x => x.rsqrt(), 0.01, 100),
        new("Reciprocal", x => x.Reciprocal(), x => x.reciprocal()),
        new("Erf", x => x.Erf(), x => x.erf()),
        new("Sin", x => x.Sin(), x => x.sin()),
        new("Cos", x => x.Cos(), x => x.cos()),
        new("Silu", x => x.Silu(), x => x.silu()),
        // 1 + erf(x / √2) cancels below 0.
        new("Gelu", x => x.Gelu(), x => x.gelu()) { Terms = 2 },
        new("Floor", x => x.Floor(), x => x.floor()),
        new("Ceil", x => x.Ceil(), x => x.ceil()),
        new("Round", x => x.Round(), x => x.round()),
        new("Trunc", x => x.Trunc(), x => x.trunc()),
        new("Sign", x => x.Sign(), x => x.sign()),
        new("Expm1", x => x.Expm1(), x => x.expm1()),
        new("Exp2", x => x.Exp2(), x => x.exp2()),
        new("Log1p", x => x.Log1p(), x => x.log1p(), -0.9, 100),
        new("Log2", x => x.Log2(), x => x.log2(), 0.01, 100),
        new("Log10", x => x.Log10(), x => x.log10(), 0.01, 100),
        new("Tan", x => x.Tan(), x => x.tan()),
        new("Asin", x => x.Asin(), x => x.asin(), -1, 1),
        new("Acos", x => x.Acos(), x => x.acos(), -1, 1),
        new("Atan", x => x.Atan(), x => x.atan()),
        new("Sinh", x => x.Sinh(), x => x.sinh()),
        new("Cosh", x => x.Cosh(), x => x.cosh()),
        new("Asinh", x => x.Asinh(), x => x.asinh()),
        new("Acosh", x => x.Acosh(), x => x.acosh(), 1, 100),
        new("Atanh", x => x.Atanh(), x => x.atanh(), -0.99, 0.99),
        new("Erfc", x => x.Erfc(), x => x.erfc()),
        new("Softplus", x => F.Softplus(x), x => Functional.softplus(x)),
        new("IsNan", x => x.IsNan(), x => x.isnan()),
        new("IsInf", x => x.IsInf(), x => x.isinf()),
        new("IsFinite", x => x.IsFinite(), x => x.isfinite()),
    ];

    /// <summary>Functions of two elements that are timed; their cases are drawn with the other functions of two.</summary>
    public static readonly (
        string Name,
        Func<Tensor, Tensor, Tensor> Ours,
        Func<TorchTensor, TorchTensor, TorchTensor> Theirs
    )[] OfTwo =
    [
        ("Atan2", (a, b) => a.Atan2(b), (a, b) => a.atan2(b)),
        ("Pow", (a, b) => a.Pow(b), (a, b) => a.pow(b)),
    ];

    public static IEnumerable<Subject> Subjects =>
        All.Select(f => new Subject(
            f.Name,
            d => Trial.One(f.Name, d.Any(d.Shape()), f.Ours, f.Theirs) with { Terms = f.Terms }
        ));
}
