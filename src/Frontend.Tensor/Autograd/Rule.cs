namespace Picograd.Autograd;

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
/// <param name="Name">The operator's name, for messages.</param>
/// <param name="Saves">What the derivative reads, besides the gradient.</param>
/// <param name="Apply">The derivative.</param>
internal sealed record Rule(string Name, Saves Saves, Derivative Apply);
