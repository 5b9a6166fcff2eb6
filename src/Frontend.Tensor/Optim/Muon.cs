using Picograd.Algorithms;

namespace Picograd;

/// <summary>How <see cref="Muon"/> fits its learning rate to the shape of a matrix.</summary>
public enum MuonRate
{
    /// <summary>Times √max(1, rows / columns), as Jordan.</summary>
    Original,

    /// <summary>Times 0.2 · √max(rows, columns), with which learning rates are those of AdamW.</summary>
    MatchRmsAdamW,
}

/// <summary>
/// Muon (Jordan and others, 2024), momentum that is made orthogonal by Newton–Schulz iterations in bfloat16, for the matrices of hidden
/// layers; as PyTorch 2.9's.
/// </summary>
public sealed class Muon : Optimizer
{
    private double _lr;
    private double _decay;
    private double _momentum;
    private double _epsilon;
    private bool _nesterov;
    private readonly (double A, double B, double C) _coefficients;
    private readonly int _iterations;
    private readonly MuonRate _rate;

    /// <param name="parameters">Matrices.</param>
    /// <param name="lr">Learning rate.</param>
    /// <param name="weightDecay">Share of the parameter, times lr, that decays a step.</param>
    /// <param name="momentum">How much of the momentum is kept a step.</param>
    /// <param name="nesterov">Whether the gradient looks ahead by the momentum.</param>
    /// <param name="nsCoefficients">X ← a·X + (b·XXᵀ + c·(XXᵀ)²)·X; (3.4445, −4.775, 2.0315) where null.</param>
    /// <param name="eps">Least norm that is divided by.</param>
    /// <param name="nsSteps">Iterations, fewer than 100.</param>
    /// <param name="adjustLrFn">How lr depends on the shape.</param>
    /// <exception cref="ArgumentException">A parameter that is no matrix.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public Muon(
        IEnumerable<Tensor> parameters,
        double lr = 1e-3,
        double weightDecay = 0.1,
        double momentum = 0.95,
        bool nesterov = true,
        (double A, double B, double C)? nsCoefficients = null,
        double eps = 1e-7,
        int nsSteps = 5,
        MuonRate adjustLrFn = MuonRate.Original
    )
        : this(One(parameters), lr, weightDecay, momentum, nesterov, nsCoefficients, eps, nsSteps, adjustLrFn) { }

    /// <inheritdoc cref="Muon(IEnumerable{Tensor}, double, double, double, bool, ValueTuple{double, double, double}?, double, int, MuonRate)"/>
    public Muon(
        IEnumerable<ParamGroup> groups,
        double lr = 1e-3,
        double weightDecay = 0.1,
        double momentum = 0.95,
        bool nesterov = true,
        (double A, double B, double C)? nsCoefficients = null,
        double eps = 1e-7,
        int nsSteps = 5,
        MuonRate adjustLrFn = MuonRate.Original
    )
        : base(
            groups,
            [
                ("lr", lr),
                ("weight_decay", weightDecay),
                ("momentum", momentum),
                ("nesterov", On(nesterov)),
                ("eps", eps),
            ],
            ["momentum_buffer"]
        )
    {
        if (nsSteps is < 0 or >= 100)
            throw new ArgumentOutOfRangeException(
                nameof(nsSteps),
                $"Muon: nsSteps is {nsSteps}, but must be at least 0 and below 100."
            );
        _coefficients = nsCoefficients ?? (3.4445, -4.7750, 2.0315);
        (_iterations, _rate) = (nsSteps, adjustLrFn);
    }

    protected override void CheckParameter(Tensor parameter)
    {
        if (parameter.Rank != 2)
            throw new ArgumentException(
                $"Muon takes matrices, but a parameter has the shape {parameter.Layout}; give it to another optimizer, such as AdamW."
            );
    }

    protected override void Begin(ParamGroup group)
    {
        (_lr, _decay, _momentum, _epsilon) = (group.Lr, group.WeightDecay, group.Momentum, group.Eps);
        _nesterov = group.IsOn("nesterov");
    }

    protected override void Update(ParamState state, Tensor grad)
    {
        Calls.Executor.Listening?.Refuses("Muon's step is not one operator; call Step outside");
        var parameter = state.Parameter;
        if (parameter.NumElements == 0)
            return;
        var type = parameter.DType.Compute();
        using var scope = Tensor.Scope();
        state.Step++;
        var slope = grad.To(type);
        var momentum = state.Tensor(0).To(type);
        momentum += (slope - momentum) * (1 - _momentum);
        state.Tensor(0).Copy_(momentum);
        var update = Orthogonal(_nesterov ? slope + (momentum - slope) * _momentum : momentum);
        var (rows, columns) = ((double)parameter.Shape[0], (double)parameter.Shape[1]);
        double ratio =
            _rate == MuonRate.Original
                ? Math.Sqrt(Math.Max(1, rows / columns))
                : 0.2 * Math.Sqrt(Math.Max(rows, columns));
        parameter.Copy_(parameter.To(type) * (1 - _lr * _decay) - update.To(type) * (_lr * ratio));
    }

    // Singular values of 1, about: a polynomial of odd powers, which moves them towards it, a few times over.
    private Tensor Orthogonal(Tensor update)
    {
        var (a, b, c) = _coefficients;
        bool tall = update.Shape[0] > update.Shape[1];
        var x = update.To(DType.BFloat16);
        if (tall)
            x = x.T;
        x = x / x.Norm().Maximum(Tensor.Full([], _epsilon, DType.BFloat16, x.Device));
        for (int i = 0; i < _iterations; i++)
        {
            var gram = x.MatMul(x.T);
            x = x.Addmm(gram.Addmm(gram, gram, b, c), x, beta: a);
        }
        return tall ? x.T : x;
    }
}
