using System.Runtime.CompilerServices;
using Picograd.Calls;

namespace Picograd;

public static partial class Func
{
    /// <summary>
    /// A function for one sample as one for many: its argument has a dimension more, and so has its result. The function is called
    /// once, with a tensor that looks like one sample; operators get all samples in one call (<see cref="Batch"/> says which do not).
    /// It is called once a sample instead where it looks at elements (<c>Item</c>, masks as indices, sorting), or where what it gives
    /// is to be differentiated afterwards.
    /// </summary>
    /// <param name="function">Must not change what it did not make.</param>
    /// <param name="inDim">Which dimension of the argument counts samples.</param>
    /// <param name="outDim">Where it is in the result.</param>
    /// <param name="randomness"><c>error</c>, <c>same</c> or <c>different</c>: random numbers of the default generator are refused, the same for
    /// all samples, or each sample's own.</param>
    [OverloadResolutionPriority(1)]
    public static Func<Tensor, Tensor> Vmap(
        Func<Tensor, Tensor> function,
        int inDim = 0,
        int outDim = 0,
        string randomness = "error"
    ) => x => Batch.Map(i => [function(i[0])], [x], [inDim], [outDim], randomness)[0];

    /// <summary>The same of two arguments, of which null marks one that all samples share: <c>inDims: [0, null]</c>.</summary>
    /// <inheritdoc cref="Vmap(Func{Tensor, Tensor}, int, int, string)"/>
    public static Func<Tensor, Tensor, Tensor> Vmap(
        Func<Tensor, Tensor, Tensor> function,
        int?[]? inDims = null,
        int outDim = 0,
        string randomness = "error"
    ) => (a, b) => Batch.Map(i => [function(i[0], i[1])], [a, b], inDims, [outDim], randomness)[0];

    /// <summary>The same of three arguments.</summary>
    /// <inheritdoc cref="Vmap(Func{Tensor, Tensor}, int, int, string)"/>
    public static Func<Tensor, Tensor, Tensor, Tensor> Vmap(
        Func<Tensor, Tensor, Tensor, Tensor> function,
        int?[]? inDims = null,
        int outDim = 0,
        string randomness = "error"
    ) => (a, b, c) => Batch.Map(i => [function(i[0], i[1], i[2])], [a, b, c], inDims, [outDim], randomness)[0];

    /// <summary>The same of any number of arguments and results.</summary>
    /// <inheritdoc cref="Vmap(Func{Tensor, Tensor}, int, int, string)"/>
    public static Func<Tensor[], Tensor[]> Vmap(
        Func<Tensor[], Tensor[]> function,
        int?[]? inDims = null,
        int[]? outDims = null,
        string randomness = "error"
    ) => inputs => Batch.Map(function, inputs, inDims, outDims, randomness);

    /// <summary>The same of any number of arguments and one result.</summary>
    /// <inheritdoc cref="Vmap(Func{Tensor, Tensor}, int, int, string)"/>
    public static Func<Tensor[], Tensor> Vmap(
        Func<Tensor[], Tensor> function,
        int?[]? inDims = null,
        int outDim = 0,
        string randomness = "error"
    ) => inputs => Batch.Map(i => [function(i)], inputs, inDims, [outDim], randomness)[0];
}
