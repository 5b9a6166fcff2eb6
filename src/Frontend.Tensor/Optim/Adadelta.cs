using Picograd.Calls;

namespace Picograd;

/// <summary>Adadelta (Zeiler, 2012): the root of the squared changes divided by that of the squared gradients.</summary>
public sealed class Adadelta : Optimizer
{
    private static readonly StepOperator s_adadelta = new("adadelta");

    private double _lr;
    private double _rho;
    private double _epsilon;
    private double _decay;
    private double _sign;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public Adadelta(
        IEnumerable<Tensor> parameters,
        double lr = 1,
        double rho = 0.9,
        double eps = 1e-6,
        double weightDecay = 0,
        bool maximize = false
    )
        : this(One(parameters), lr, rho, eps, weightDecay, maximize) { }

    /// <inheritdoc cref="Adadelta(IEnumerable{Tensor}, double, double, double, double, bool)"/>
    public Adadelta(
        IEnumerable<ParamGroup> groups,
        double lr = 1,
        double rho = 0.9,
        double eps = 1e-6,
        double weightDecay = 0,
        bool maximize = false
    )
        : base(
            groups,
            [("lr", lr), ("rho", rho), ("eps", eps), ("weight_decay", weightDecay), ("maximize", On(maximize))],
            ["square_avg", "acc_delta"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _epsilon, _decay) = (group.Lr, group.Eps, group.WeightDecay);
        (_rho, _sign) = (group["rho"], group.IsOn("maximize") ? -1 : 1);
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        state.Step++;
        s_adadelta.Update(
            state.Parameter,
            grad,
            [state.Tensor(0), state.Tensor(1)],
            [_lr, _rho, 1 - _rho, _epsilon, _decay, _sign],
            Spares
        );
    }

    // 1 is allowed.
    protected override (double Low, double High)? Range(string option) =>
        option == "rho" ? (0, Math.BitIncrement(1.0)) : base.Range(option);
}
