using Picograd.Algorithms;
using Picograd.Calls;

namespace Picograd;

/// <summary>RMSprop (Hinton, 2012): divides by the root of averaged squares, <c>centered</c> by that of the variance.</summary>
public sealed class RMSprop : Optimizer
{
    private static readonly StepOperator s_plain = new("rmsprop");
    private static readonly StepOperator s_momentum = new("rmsprop_momentum");

    private double _lr;
    private double _alpha;
    private double _epsilon;
    private double _momentum;
    private double _decay;
    private double _sign;
    private bool _centered;

    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public RMSprop(
        IEnumerable<Tensor> parameters,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        double momentum = 0,
        bool centered = false,
        bool maximize = false
    )
        : this(One(parameters), lr, alpha, eps, weightDecay, momentum, centered, maximize) { }

    /// <inheritdoc cref="RMSprop(IEnumerable{Tensor}, double, double, double, double, double, bool, bool)"/>
    public RMSprop(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-2,
        double alpha = 0.99,
        double eps = 1e-8,
        double weightDecay = 0,
        double momentum = 0,
        bool centered = false,
        bool maximize = false
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("momentum", momentum),
                ("alpha", alpha),
                ("eps", eps),
                ("centered", On(centered)),
                ("weight_decay", weightDecay),
                ("maximize", On(maximize)),
            ],
            ["square_avg", "momentum_buffer", "grad_avg"]
        ) { }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _epsilon, _decay) = (group.Lr, group.Eps, group.WeightDecay);
        (_alpha, _momentum, _centered) = (group["alpha"], group.Momentum, group.IsOn("centered"));
        _sign = group.IsOn("maximize") ? -1 : 1;
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        state.Step++;
        if (_centered)
            Center(state, grad);
        else if (_momentum > 0)
            s_momentum.Update(
                state.Parameter,
                grad,
                [state.Tensor(0), state.Tensor(1)],
                [_lr, _alpha, 1 - _alpha, _epsilon, _decay, _sign, _momentum],
                Spares
            );
        else
            s_plain.Update(
                state.Parameter,
                grad,
                [state.Tensor(0)],
                [_lr, _alpha, 1 - _alpha, _epsilon, _decay, _sign],
                Spares
            );
    }

    // Of operators: the variance is a difference that may be rounded to less than 0, of which a kernel of its own would be as unsure.
    private void Center(ParamState state, Tensor grad)
    {
        var parameter = state.Parameter;
        var type = parameter.DType.Compute();
        using var scope = Tensor.Scope();
        var slope = grad.To(type) * _sign;
        if (_decay != 0)
            slope += parameter.To(type) * _decay;
        var square = state.Tensor(0).To(type) * _alpha + slope * slope * (1 - _alpha);
        var mean = state.Tensor(2).To(type);
        mean = mean + (slope - mean) * (1 - _alpha);
        var step = slope / ((square - mean * mean).Sqrt() + _epsilon);
        state.Tensor(0).Copy_(square);
        state.Tensor(2).Copy_(mean);
        if (_momentum > 0)
        {
            step += state.Tensor(1).To(type) * _momentum;
            state.Tensor(1).Copy_(step);
        }
        parameter.Copy_(parameter.To(type) - step * _lr);
    }

    protected override (double Low, double High)? Range(string option) =>
        option == "alpha" ? (0, double.PositiveInfinity) : base.Range(option);
}
