namespace Picograd.Compare;

/// <summary>One case: inputs, and what each library makes of them.</summary>
/// <param name="Text">The call, without the inputs.</param>
/// <param name="Ours">Picograd's results.</param>
/// <param name="Theirs">libtorch's.</param>
internal sealed record Trial(
    string Text,
    Sample[] Inputs,
    Func<Tensor[], Tensor[]> Ours,
    Func<TorchTensor[], TorchTensor[]> Theirs
)
{
    /// <summary>How many terms a result sums at most; an element-wise operator sums one.</summary>
    public long Terms { get; init; } = 1;

    /// <summary>How many elements of inputs are multiplied in a term.</summary>
    public int Degree { get; init; } = 1;

    /// <summary>Rounding errors in units of the last place, of each term.</summary>
    public double Units { get; init; } = 8;

    /// <summary>Whether gradients of floats are compared.</summary>
    public bool Gradients { get; init; } = true;

    /// <summary>Whether only shapes and dtypes of the results are (what is drawn at random differs).</summary>
    public bool ShapesOnly { get; init; }

    public static Trial One(
        string text,
        Sample input,
        Func<Tensor, Tensor> ours,
        Func<TorchTensor, TorchTensor> theirs
    ) => new(text, [input], x => [ours(x[0])], x => [theirs(x[0])]);

    public static Trial Two(
        string text,
        Sample a,
        Sample b,
        Func<Tensor, Tensor, Tensor> ours,
        Func<TorchTensor, TorchTensor, TorchTensor> theirs
    ) => new(text, [a, b], x => [ours(x[0], x[1])], x => [theirs(x[0], x[1])]);

    public override string ToString() => $"{Text}({string.Join("; ", Inputs.AsEnumerable())})";
}

/// <summary>A function of the tensor surface, and how its cases are drawn.</summary>
internal sealed record Subject(string Name, Func<Draw, Trial> Draw);
