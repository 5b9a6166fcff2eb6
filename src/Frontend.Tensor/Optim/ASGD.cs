using Picograd.Calls;

namespace Picograd;

/// <summary>Averaged stochastic gradient descent (Polyak and Juditsky, 1992); the averages are <c>ax</c> of the state.</summary>
public sealed class ASGD : Optimizer
{
    private static readonly StepOperator s_asgd = new("asgd");

    private double _lr;
    private double _lambda;
    private double _alpha;
    private double _start;
    private double _decay;
    private double _sign;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public ASGD(
        IEnumerable<Tensor> parameters,
        double lr = 1e-2,
        double lambd = 1e-4,
        double alpha = 0.75,
        double t0 = 1e6,
        double weightDecay = 0,
        bool maximize = false
    )
        : this(One(parameters), lr, lambd, alpha, t0, weightDecay, maximize) { }

    /// <inheritdoc cref="ASGD(IEnumerable{Tensor}, double, double, double, double, double, bool)"/>
    public ASGD(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-2,
        double lambd = 1e-4,
        double alpha = 0.75,
        double t0 = 1e6,
        double weightDecay = 0,
        bool maximize = false
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("lambd", lambd),
                ("alpha", alpha),
                ("t0", t0),
                ("weight_decay", weightDecay),
                ("maximize", On(maximize)),
            ],
            ["ax"],
            ["eta", "mu"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _decay, _lambda) = (group.Lr, group.WeightDecay, group["lambd"]);
        (_alpha, _start) = (group["alpha"], group["t0"]);
        _sign = group.IsOn("maximize") ? -1 : 1;
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        if (state.Step++ == 0)
            (state.Numbers[0], state.Numbers[1]) = (_lr, 1);
        var (eta, mu) = (state.Numbers[0], state.Numbers[1]);
        s_asgd.Update(state.Parameter, grad, [state.Tensor(0)], [eta, mu, 1 - _lambda * eta, _decay, _sign], Spares);
        state.Numbers[0] = _lr / Math.Pow(1 + _lambda * _lr * state.Step, _alpha);
        state.Numbers[1] = 1 / Math.Max(1, state.Step - _start);
    }
}
