using Picograd.Calls;

namespace Picograd;

/// <summary>
/// Stochastic gradient descent as PyTorch's: with g ← grad + weightDecay · p and v ← momentum · v + g, p ← p − lr · v.
/// </summary>
public sealed class Sgd : Optimizer
{
    private readonly double _momentum;
    private readonly double _weightDecay;
    private readonly Tensor?[] _velocity;

    /// <exception cref="ArgumentOutOfRangeException">A negative setting, or a momentum of 1 or more.</exception>
    public Sgd(IEnumerable<Tensor> parameters, double lr, double momentum = 0, double weightDecay = 0)
        : base(parameters, lr)
    {
        _momentum = Checked(nameof(momentum), momentum, 0, 1);
        _weightDecay = Checked(nameof(weightDecay), weightDecay, 0, double.PositiveInfinity);
        _velocity = new Tensor?[Parameters.Length];
    }

    protected override void Update(int index, Tensor parameter, Tensor grad)
    {
        if (_momentum == 0 && _weightDecay == 0)
        {
            Ops.Sgd.Update(parameter, grad, [], [Lr]);
            return;
        }
        var velocity = _velocity[index] ??= State(parameter);
        Ops.SgdMomentum.Update(parameter, grad, [velocity], [Lr, _momentum, _weightDecay]);
    }
}
