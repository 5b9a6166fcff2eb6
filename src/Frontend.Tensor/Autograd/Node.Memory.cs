namespace Picograd.Gradients;

// What a node saved, when it is let go of and how it is had again.
internal sealed partial class Node
{
    /// <summary>One of several results of a node.</summary>
    public static Node OfResult(Rule rule, Node of, Layout shape) => new(rule) { _nextA = of, _shapeA = shape };

    /// <summary>Whether it has an input of a number at all.</summary>
    public bool HasInput(int input) => _shapesMore is not null || ShapeOrNull(input) is not null;

    /// <summary>Shape of an input; null where there is none.</summary>
    public Layout? ShapeOrNull(int input) =>
        _shapesMore is { } more ? more[input]
        : input == 0 ? _shapeA
        : input == 1 ? _shapeB
        : _shapeC;

    /// <summary>A tensor that was saved as an input, without a look at its version; null where it was not saved.</summary>
    public Tensor? Peek(int input) =>
        _saved is not null ? (input < _saved.Length ? _saved[input] : null)
        : input == 0 ? _a
        : input == 1 ? _b
        : _c;

    /// <summary>The output where it was saved.</summary>
    public Tensor? PeekOutput => _output;

    /// <summary>Lets go of what was saved; <see cref="Recall"/> has it again.</summary>
    public void Forget(ForgottenNode forgotten)
    {
        _a = _b = _c = _output = null;
        _saved = null;
        (Data as FunctionContext)?.Forget();
        Extra.Forgotten = forgotten;
    }

    // From the node of the same operator in a run that was made again.
    private void Recall()
    {
        var from = Extras!.Forgotten!.Again();
        Extras.Forgotten = null;
        if (from.Extras is { Forgotten: not null })
            from.Recall();
        (_a, _b, _c, _output) = (from._a, from._b, from._c, from._output);
        (_versionA, _versionB, _versionC, _versionOutput) = (
            from._versionA,
            from._versionB,
            from._versionC,
            from._versionOutput
        );
        (_saved, _versions) = (from._saved, from._versions);
        if (Data is FunctionContext context)
            context.TakeFrom((FunctionContext)from.Data!);
    }
}
