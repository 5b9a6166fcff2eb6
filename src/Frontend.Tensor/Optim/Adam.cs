using Picograd.Calls;

namespace Picograd;

/// <summary>
/// Adam (Kingma and Ba, 2015), with L2 regularisation in the gradient or, decoupled, beside it. With <c>amsgrad</c> it divides by the
/// largest second moment so far (Reddi and others, 2018).
/// </summary>
public class Adam : Optimizer
{
    private static readonly StepOperator s_adam = new("adam");
    private static readonly StepOperator s_amsgrad = new("adam_amsgrad");

    private double _lr;
    private double _beta1;
    private double _beta2;
    private double _epsilon;
    private double _decay;
    private double _sign;
    private bool _amsgrad;
    private bool _decoupled;

    /// <param name="parameters">What is trained.</param>
    /// <param name="lr">Learning rate.</param>
    /// <param name="betas">How much of the moments is kept a step; (0.9, 0.999) where null.</param>
    /// <param name="eps">Added to what is divided by.</param>
    /// <param name="weightDecay">Factor of the parameter that is added to its gradient.</param>
    /// <param name="amsgrad">Whether to divide by the largest second moment so far.</param>
    /// <param name="maximize">Whether to go up.</param>
    /// <param name="decoupledWeightDecay">Whether the parameter decays by itself, as in <see cref="AdamW"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative setting, or a β of 1 or more.</exception>
    public Adam(
        IEnumerable<Tensor> parameters,
        double lr = 1e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        bool amsgrad = false,
        bool maximize = false,
        bool decoupledWeightDecay = false
    )
        : this(One(parameters), lr, betas, eps, weightDecay, amsgrad, maximize, decoupledWeightDecay) { }

    /// <inheritdoc cref="Adam(IEnumerable{Tensor}, double, ValueTuple{double, double}?, double, double, bool, bool, bool)"/>
    public Adam(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 0,
        bool amsgrad = false,
        bool maximize = false,
        bool decoupledWeightDecay = false
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("betas[0]", betas?.Beta1 ?? 0.9),
                ("betas[1]", betas?.Beta2 ?? 0.999),
                ("eps", eps),
                ("weight_decay", weightDecay),
                ("amsgrad", On(amsgrad)),
                ("maximize", On(maximize)),
                ("decoupled_weight_decay", On(decoupledWeightDecay)),
            ],
            ["exp_avg", "exp_avg_sq", "max_exp_avg_sq"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _epsilon, _decay) = (group.Lr, group.Eps, group.WeightDecay);
        (_beta1, _beta2) = group.Betas;
        (_amsgrad, _decoupled) = (group.IsOn("amsgrad"), group.IsOn("decoupled_weight_decay"));
        _sign = group.IsOn("maximize") ? -1 : 1;
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        long step = ++state.Step;
        double rate = _lr / (1 - Math.Pow(_beta1, step));
        double root = Math.Sqrt(1 - Math.Pow(_beta2, step));
        double l2 = _decoupled ? 0 : _decay;
        double kept = _decoupled ? 1 - _lr * _decay : 1;
        ReadOnlySpan<double> settings = [rate, _beta1, 1 - _beta1, _beta2, 1 - _beta2, _epsilon, root, l2, kept, _sign];
        if (_amsgrad)
            s_amsgrad.Update(
                state.Parameter,
                grad,
                [state.Tensor(0), state.Tensor(1), state.Tensor(2)],
                settings,
                Spares
            );
        else
            s_adam.Update(state.Parameter, grad, [state.Tensor(0), state.Tensor(1)], settings, Spares);
    }
}

/// <summary>Adam whose parameters decay beside the gradient (Loshchilov and Hutter, 2019).</summary>
public sealed class AdamW : Adam
{
    /// <inheritdoc cref="Adam(IEnumerable{Tensor}, double, ValueTuple{double, double}?, double, double, bool, bool, bool)"/>
    public AdamW(
        IEnumerable<Tensor> parameters,
        double lr = 1e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        bool amsgrad = false,
        bool maximize = false
    )
        : base(parameters, lr, betas, eps, weightDecay, amsgrad, maximize, decoupledWeightDecay: true) { }

    /// <inheritdoc cref="Adam(IEnumerable{Tensor}, double, ValueTuple{double, double}?, double, double, bool, bool, bool)"/>
    public AdamW(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-3,
        (double Beta1, double Beta2)? betas = null,
        double eps = 1e-8,
        double weightDecay = 1e-2,
        bool amsgrad = false,
        bool maximize = false
    )
        : base(groups, lr, betas, eps, weightDecay, amsgrad, maximize, decoupledWeightDecay: true) { }
}
