using Picograd.Calls;

namespace Picograd;

/// <summary>Adam (Kingma and Ba, 2015) with L2 regularisation, as PyTorch's.</summary>
public sealed class Adam : Optimizer
{
    private readonly double _beta1;
    private readonly double _beta2;
    private readonly double _epsilon;
    private readonly double _weightDecay;
    private readonly (Tensor First, Tensor Second)?[] _moments;
    private readonly long[] _steps;

    /// <exception cref="ArgumentOutOfRangeException">A negative setting, or a β of 1 or more.</exception>
    public Adam(
        IEnumerable<Tensor> parameters,
        double lr = 1e-3,
        double beta1 = 0.9,
        double beta2 = 0.999,
        double epsilon = 1e-8,
        double weightDecay = 0
    )
        : base(parameters, lr)
    {
        _beta1 = Checked(nameof(beta1), beta1, 0, 1);
        _beta2 = Checked(nameof(beta2), beta2, 0, 1);
        _epsilon = Checked(nameof(epsilon), epsilon, 0, double.PositiveInfinity);
        _weightDecay = Checked(nameof(weightDecay), weightDecay, 0, double.PositiveInfinity);
        _moments = new (Tensor, Tensor)?[Parameters.Length];
        _steps = new long[Parameters.Length];
    }

    protected override void Update(int index, Tensor parameter, Tensor grad)
    {
        var (first, second) = _moments[index] ??= (State(parameter), State(parameter));
        long step = ++_steps[index];
        Ops.Adam.Update(
            parameter,
            grad,
            [first, second],
            [Lr, _beta1, _beta2, _epsilon, 1 - Math.Pow(_beta1, step), 1 - Math.Pow(_beta2, step), _weightDecay]
        );
    }
}
