using Picograd.Calls;

namespace Picograd;

/// <summary>Adagrad (Duchi and others, 2011): divides by the root of the sum of all squared gradients.</summary>
public sealed class Adagrad : Optimizer
{
    private static readonly StepOperator s_adagrad = new("adagrad");

    private double _lr;
    private double _lrDecay;
    private double _epsilon;
    private double _decay;
    private double _initial;
    private double _sign;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public Adagrad(
        IEnumerable<Tensor> parameters,
        double lr = 1e-2,
        double lrDecay = 0,
        double weightDecay = 0,
        double initialAccumulatorValue = 0,
        double eps = 1e-10,
        bool maximize = false
    )
        : this(One(parameters), lr, lrDecay, weightDecay, initialAccumulatorValue, eps, maximize) { }

    /// <inheritdoc cref="Adagrad(IEnumerable{Tensor}, double, double, double, double, double, bool)"/>
    public Adagrad(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-2,
        double lrDecay = 0,
        double weightDecay = 0,
        double initialAccumulatorValue = 0,
        double eps = 1e-10,
        bool maximize = false
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("lr_decay", lrDecay),
                ("eps", eps),
                ("weight_decay", weightDecay),
                ("initial_accumulator_value", initialAccumulatorValue),
                ("maximize", On(maximize)),
            ],
            ["sum"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _epsilon, _decay) = (group.Lr, group.Eps, group.WeightDecay);
        (_lrDecay, _initial) = (group["lr_decay"], group["initial_accumulator_value"]);
        _sign = group.IsOn("maximize") ? -1 : 1;
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        double rate = _lr / (1 + state.Step++ * _lrDecay);
        s_adagrad.Update(state.Parameter, grad, [state.Tensor(0, _initial)], [rate, _epsilon, _decay, _sign], Spares);
    }
}
