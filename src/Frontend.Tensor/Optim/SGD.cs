using Picograd.Calls;

namespace Picograd;

/// <summary>
/// Stochastic gradient descent: with g the gradient plus weightDecay · p and v ← momentum · v + (1 − dampening) · g (at first g),
/// p ← p − lr · v, or with nesterov p − lr · (g + momentum · v).
/// </summary>
public sealed class SGD : Optimizer
{
    private static readonly StepOperator s_plain = new("sgd");
    private static readonly StepOperator s_momentum = new("sgd_momentum");
    private static readonly StepOperator s_nesterov = new("sgd_nesterov");

    private double _lr;
    private double _momentum;
    private double _undamped;
    private double _decay;
    private double _sign;
    private bool _nesterov;

    /// <exception cref="ArgumentOutOfRangeException">A negative setting.</exception>
    /// <exception cref="ArgumentException">nesterov without momentum, or with dampening.</exception>
    public SGD(
        IEnumerable<Tensor> parameters,
        double lr = 1e-3,
        double momentum = 0,
        double dampening = 0,
        double weightDecay = 0,
        bool nesterov = false,
        bool maximize = false
    )
        : this(One(parameters), lr, momentum, dampening, weightDecay, nesterov, maximize) { }

    /// <inheritdoc cref="SGD(IEnumerable{Tensor}, double, double, double, double, bool, bool)"/>
    public SGD(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-3,
        double momentum = 0,
        double dampening = 0,
        double weightDecay = 0,
        bool nesterov = false,
        bool maximize = false
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("momentum", momentum),
                ("dampening", dampening),
                ("weight_decay", weightDecay),
                ("nesterov", On(nesterov)),
                ("maximize", On(maximize)),
            ],
            ["momentum_buffer"]
        )
    {
        if (nesterov && (momentum <= 0 || dampening != 0))
            throw new ArgumentException("SGD: nesterov needs a momentum above 0 and a dampening of 0.");
    }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _momentum, _decay) = (group.Lr, group.Momentum, group.WeightDecay);
        (_undamped, _sign) = (1 - group["dampening"], group.IsOn("maximize") ? -1 : 1);
        _nesterov = group.IsOn("nesterov");
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        if (_momentum == 0)
        {
            s_plain.Update(state.Parameter, grad, [], [_lr, _decay, _sign], Spares);
            return;
        }
        double part = state.Tensors[0] is null ? 1 : _undamped;
        (_nesterov ? s_nesterov : s_momentum).Update(
            state.Parameter,
            grad,
            [state.Tensor(0)],
            [_lr, _momentum, part, _decay, _sign],
            Spares
        );
    }
}
