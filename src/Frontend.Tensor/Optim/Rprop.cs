using Picograd.Calls;

namespace Picograd;

/// <summary>Resilient backpropagation (Riedmiller and Braun, 1993): steps by the sign of the gradient, longer while it stays.</summary>
public sealed class Rprop : Optimizer
{
    private static readonly StepOperator s_rprop = new("rprop");

    private double _lr;
    private double _minus;
    private double _plus;
    private double _low;
    private double _high;
    private double _sign;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public Rprop(
        IEnumerable<Tensor> parameters,
        double lr = 1e-2,
        (double Minus, double Plus)? etas = null,
        (double Low, double High)? stepSizes = null,
        bool maximize = false
    )
        : this(One(parameters), lr, etas, stepSizes, maximize) { }

    /// <inheritdoc cref="Rprop(IEnumerable{Tensor}, double, ValueTuple{double, double}?, ValueTuple{double, double}?, bool)"/>
    public Rprop(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-2,
        (double Minus, double Plus)? etas = null,
        (double Low, double High)? stepSizes = null,
        bool maximize = false
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("etas[0]", etas?.Minus ?? 0.5),
                ("etas[1]", etas?.Plus ?? 1.2),
                ("step_sizes[0]", stepSizes?.Low ?? 1e-6),
                ("step_sizes[1]", stepSizes?.High ?? 50),
                ("maximize", On(maximize)),
            ],
            ["prev", "step_size"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _sign) = (group.Lr, group.IsOn("maximize") ? -1 : 1);
        (_minus, _plus) = (group["etas[0]"], group["etas[1]"]);
        (_low, _high) = (group["step_sizes[0]"], group["step_sizes[1]"]);
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        state.Step++;
        s_rprop.Update(
            state.Parameter,
            grad,
            [state.Tensor(0), state.Tensor(1, _lr)],
            [_minus, _plus, _low, _high, 0, _sign],
            Spares
        );
    }

    protected override (double Low, double High)? Range(string option) =>
        option switch
        {
            "etas[0]" => (double.Epsilon, 1),
            "etas[1]" => (Math.BitIncrement(1.0), double.PositiveInfinity),
            _ => base.Range(option),
        };
}
