using Picograd.Calls;

namespace Picograd;

/// <summary>Adam with a rectified second moment (Liu and others, 2020): without it as long as its variance is intractable.</summary>
public sealed class RAdam : Optimizer
{
    private static readonly StepOperator s_radam = new("radam");

    private double _lr;
    private double _beta1;
    private double _beta2;
    private double _epsilon;
    private double _decay;
    private double _sign;
    private bool _decoupled;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public RAdam(
        IEnumerable<Tensor> parameters,
        double lr = 1e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        bool decoupledWeightDecay = false,
        bool maximize = false
    )
        : this(One(parameters), lr, betas, eps, weightDecay, decoupledWeightDecay, maximize) { }

    /// <inheritdoc cref="RAdam(IEnumerable{Tensor}, double, ValueTuple{double, double}?, double, double, bool, bool)"/>
    public RAdam(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        bool decoupledWeightDecay = false,
        bool maximize = false
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("betas[0]", betas?.Beta1 ?? 0.9),
                ("betas[1]", betas?.Beta2 ?? 0.999),
                ("eps", eps),
                ("weight_decay", weightDecay),
                ("decoupled_weight_decay", On(decoupledWeightDecay)),
                ("maximize", On(maximize)),
            ],
            ["exp_avg", "exp_avg_sq"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _epsilon, _decay) = (group.Lr, group.Eps, group.WeightDecay);
        (_beta1, _beta2) = group.Betas;
        _decoupled = group.IsOn("decoupled_weight_decay");
        _sign = group.IsOn("maximize") ? -1 : 1;
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        long step = ++state.Step;
        double power = Math.Pow(_beta2, step);
        double rate = _lr / (1 - Math.Pow(_beta1, step));
        // Length of the approximated simple moving average, at last and now.
        double last = 2 / (1 - _beta2) - 1;
        double length = last - 2 * step * power / (1 - power);
        bool tractable = length > 5;
        if (tractable)
            rate *=
                Math.Sqrt((length - 4) * (length - 2) * last / ((last - 4) * (last - 2) * length))
                * Math.Sqrt(1 - power);
        s_radam.Update(
            state.Parameter,
            grad,
            [state.Tensor(0), state.Tensor(1)],
            [
                rate,
                On(tractable),
                On(!tractable),
                _beta1,
                1 - _beta1,
                _beta2,
                1 - _beta2,
                _epsilon,
                _decoupled ? 0 : _decay,
                _decoupled ? 1 - _lr * _decay : 1,
                _sign,
            ],
            Spares
        );
    }
}
