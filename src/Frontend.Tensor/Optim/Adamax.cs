using Picograd.Calls;

namespace Picograd;

/// <summary>Adam with the infinity norm in the place of the second moment (Kingma and Ba, 2015).</summary>
public sealed class Adamax : Optimizer
{
    private static readonly StepOperator s_adamax = new("adamax");

    private double _lr;
    private double _beta1;
    private double _beta2;
    private double _epsilon;
    private double _decay;
    private double _sign;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public Adamax(
        IEnumerable<Tensor> parameters,
        double lr = 2e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        bool maximize = false
    )
        : this(One(parameters), lr, betas, eps, weightDecay, maximize) { }

    /// <inheritdoc cref="Adamax(IEnumerable{Tensor}, double, ValueTuple{double, double}?, double, double, bool)"/>
    public Adamax(
        IEnumerable<ParamGroup> groups,
        double lr = 2e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
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
                ("maximize", On(maximize)),
            ],
            ["exp_avg", "exp_inf"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _epsilon, _decay) = (group.Lr, group.Eps, group.WeightDecay);
        (_beta1, _beta2) = group.Betas;
        _sign = group.IsOn("maximize") ? -1 : 1;
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        double rate = _lr / (1 - Math.Pow(_beta1, ++state.Step));
        s_adamax.Update(
            state.Parameter,
            grad,
            [state.Tensor(0), state.Tensor(1)],
            [rate, _beta1, 1 - _beta1, _beta2, _epsilon, _decay, _sign],
            Spares
        );
    }
}
