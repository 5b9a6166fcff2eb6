using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Gradients;

namespace Picograd.Calls;

/// <summary>
/// A reduction as tensors call it, without record; all follows from its entry in <see cref="ReductionFunctions"/>. Made when it is
/// first called.
/// </summary>
internal sealed class Reduction : Operator
{
    private static readonly Lock s_lock = new();
    private static Reduction?[] s_known = new Reduction?[32];

    private Reduction(ReductionFunction function, Rule? rule)
        : base(function.Name, rule: rule, derives: rule is null && function.Types.Any(t => t.IsFloat()))
    {
        Function = function;
        RuleOfAll = function.Name == "prod" ? Derivatives.ProdOfAll : null;
    }

    public ReductionFunction Function { get; }

    /// <summary>Its derivative over all elements where PyTorch has another one there; null: <see cref="Operator.Rule"/>.</summary>
    public Rule? RuleOfAll { get; }

    public static implicit operator Reduction(ReductionFunction function)
    {
        var known = s_known;
        int id = function.Id;
        return id < known.Length && known[id] is { } made && ReferenceEquals(made.Function, function)
            ? made
            : Make(function);
    }

    /// <summary>
    /// The reduction of x over the dimensions whose bits are set in <paramref name="over"/>, in new memory of shape
    /// <paramref name="kept"/>. Neither may be empty: the caller fills what a reduction over nothing gives.
    /// </summary>
    public Tensor Reduce(Tensor x, uint over, long[] kept) => Reduce(x, over, kept, places: false).Values;

    /// <summary>Extreme values and their places along one dimension; both have shape <paramref name="kept"/>.</summary>
    public (Tensor Values, Tensor Places) Extreme(Tensor x, int dim, long[] kept)
    {
        var (values, places) = Reduce(x, 1u << dim, kept, places: true);
        return (values, places!);
    }

    [SkipLocalsInit]
    private (Tensor Values, Tensor? Places) Reduce(Tensor x, uint over, long[] kept, bool places)
    {
        var input = x.Contiguous();
        var values = Tensor.Allocate(Layout.Contiguous(kept), x.DType, input.Runtime);
        var at = places ? Tensor.Allocate(values.Layout, DType.Int64, input.Runtime) : null;
        var call = new OpCall(this, stackalloc long[OpCall.MostWords]);
        call.Place(input);
        call.Place(values);
        if (at is not null)
            call.Place(at);
        call.RunReduced(input.Layout, over);
        return (values, at);
    }

    private static Reduction Make(ReductionFunction function)
    {
        var made = new Reduction(function, RuleOf(function));
        lock (s_lock)
        {
            if (function.Id >= s_known.Length)
                Array.Resize(ref s_known, 2 * function.Id);
            return s_known[function.Id] = made;
        }
    }

    // By hand is what docs/gradients.md lists; the others are derived.
    private static Rule? RuleOf(ReductionFunction function) =>
        function.Name switch
        {
            "sum" => Derivatives.Sum,
            "mean" => Derivatives.Mean,
            "prod" => Derivatives.Prod,
            _ => null,
        };
}
