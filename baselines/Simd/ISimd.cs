namespace Picograd.Baselines;

/// <summary>
/// The float32 vector operations that the hand-written kernels need, for one width. Kernels are generic over the width; since
/// both type arguments are structs, .NET compiles each instantiation apart, with every call below inlined.
/// </summary>
/// <typeparam name="TV">The vector: <c>Vector128&lt;float&gt;</c> and so on.</typeparam>
internal unsafe interface ISimd<TV>
    where TV : struct
{
    /// <summary>Floats in a vector.</summary>
    static abstract int Count { get; }

    static abstract TV Load(float* p);
    static abstract void Store(TV v, float* p);

    /// <summary>
    /// The first <paramref name="count"/> elements (1 to <see cref="Count"/>) from memory, the others
    /// <paramref name="fill"/>; touches no memory beyond them.
    /// </summary>
    static abstract TV LoadTail(float* p, long count, float fill);

    /// <summary>Stores the first <paramref name="count"/> elements and touches nothing beyond them.</summary>
    static abstract void StoreTail(TV v, float* p, long count);

    static abstract TV Create(float x);
    static abstract TV Add(TV a, TV b);
    static abstract TV Sub(TV a, TV b);
    static abstract TV Mul(TV a, TV b);
    static abstract TV Div(TV a, TV b);

    /// <summary>a·b + c, with one rounding where the machine can.</summary>
    static abstract TV Fma(TV a, TV b, TV c);

    /// <summary>The larger of each pair; where one is NaN, <paramref name="b"/>.</summary>
    static abstract TV Max(TV a, TV b);

    /// <summary>The smaller of each pair; where one is NaN, <paramref name="b"/>.</summary>
    static abstract TV Min(TV a, TV b);

    /// <summary>The nearest integer, ties to even.</summary>
    static abstract TV Round(TV a);

    /// <summary>a·2^n for an integral n in [-200, 200], also where 2^n alone would not be finite or normal.</summary>
    static abstract TV Scale(TV a, TV n);

    /// <summary>|x| is below the limit ? a : b.</summary>
    static abstract TV SelectSmall(TV x, TV limit, TV a, TV b);

    /// <summary>The sum of the elements.</summary>
    static abstract float Sum(TV a);

    /// <summary>The largest element.</summary>
    static abstract float MaxElement(TV a);
}
