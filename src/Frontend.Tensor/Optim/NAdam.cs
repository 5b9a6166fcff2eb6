using Picograd.Calls;

namespace Picograd;

/// <summary>Adam with Nesterov's momentum (Dozat, 2016).</summary>
public sealed class NAdam : Optimizer
{
    private static readonly StepOperator s_nadam = new("nadam");

    private double _lr;
    private double _beta1;
    private double _beta2;
    private double _epsilon;
    private double _decay;
    private double _momentumDecay;
    private double _sign;
    private bool _decoupled;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public NAdam(
        IEnumerable<Tensor> parameters,
        double lr = 2e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double momentumDecay = 4e-3,
        bool decoupledWeightDecay = false,
        bool maximize = false
    )
        : this(One(parameters), lr, betas, eps, weightDecay, momentumDecay, decoupledWeightDecay, maximize) { }

    /// <inheritdoc cref="NAdam(IEnumerable{Tensor}, double, ValueTuple{double, double}?, double, double, double, bool, bool)"/>
    public NAdam(
        IEnumerable<ParamGroup> groups,
        double lr = 2e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        double momentumDecay = 4e-3,
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
                ("momentum_decay", momentumDecay),
                ("decoupled_weight_decay", On(decoupledWeightDecay)),
                ("maximize", On(maximize)),
            ],
            ["exp_avg", "exp_avg_sq"],
            ["mu_product"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _epsilon, _decay) = (group.Lr, group.Eps, group.WeightDecay);
        (_beta1, _beta2) = group.Betas;
        (_momentumDecay, _decoupled) = (group["momentum_decay"], group.IsOn("decoupled_weight_decay"));
        _sign = group.IsOn("maximize") ? -1 : 1;
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        long step = ++state.Step;
        double mu = Momentum(step);
        double next = Momentum(step + 1);
        ref double product = ref state.Numbers[0];
        product = (step == 1 ? 1 : product) * mu;
        s_nadam.Update(
            state.Parameter,
            grad,
            [state.Tensor(0), state.Tensor(1)],
            [
                _lr * (1 - mu) / (1 - product),
                _lr * next / (1 - product * next),
                _beta1,
                1 - _beta1,
                _beta2,
                1 - _beta2,
                _epsilon,
                1 - Math.Pow(_beta2, step),
                _decoupled ? 0 : _decay,
                _decoupled ? 1 - _lr * _decay : 1,
                _sign,
            ],
            Spares
        );
    }

    private double Momentum(long step) => _beta1 * (1 - 0.5 * Math.Pow(0.96, step * _momentumDecay));

    protected override (double Low, double High)? Range(string option) =>
        option == "momentum_decay" ? (0, double.PositiveInfinity) : base.Range(option);
}
