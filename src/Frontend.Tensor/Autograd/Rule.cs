namespace Picograd.Gradients;

/// <summary>Which tensors an operator keeps for its derivative.</summary>
[Flags]
internal enum Saves : byte
{
    Nothing = 0,
    A = 1,
    B = 2,
    C = 4,
    Output = 8,
}

/// <summary>
/// Sends the gradients of an operator's inputs, given that of its output, through <see cref="Node.Send"/>. Written in
/// tensor operators, so that it runs on tuned kernels and can be differentiated in its turn.
/// </summary>
internal delegate void Derivative(Node node, Tensor grad);

/// <summary>One row of the table of derivatives.</summary>
/// <param name="name">The operator's name, for messages.</param>
/// <param name="saves">What the derivative reads, besides the gradient; asked once, when an operator is first recorded.</param>
/// <param name="apply">The derivative.</param>
internal sealed class Rule(string name, Func<Saves> saves, Derivative apply)
{
    // Asked for by several threads: written whole.
    private volatile int _saves = -1;

    /// <inheritdoc cref="Rule(string, Func{Saves}, Derivative)"/>
    public Rule(string name, Saves saves, Derivative apply)
        : this(name, static () => Gradients.Saves.Nothing, apply) => _saves = (int)saves;

    public string Name => name;

    public Saves Saves => _saves >= 0 ? (Saves)_saves : Ask();

    private Saves Ask()
    {
        var asked = saves();
        _saves = (int)asked;
        return asked;
    }

    public Derivative Apply => apply;
}
