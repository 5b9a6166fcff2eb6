namespace Picograd;

/// <summary>
/// L-BFGS (Nocedal, 1980) over all parameters as one vector, as PyTorch's: up to <c>maxIter</c> iterations a step, each of which asks the
/// closure for loss and gradients, with steps of lr or a line search for the strong Wolfe conditions. Of operators: a step makes new
/// tensors.
/// </summary>
public sealed class LBFGS : Optimizer
{
    private readonly double _toleranceGrad;
    private readonly double _toleranceChange;
    private readonly int _maxIter;
    private readonly int _maxEval;
    private readonly int _historySize;
    private readonly bool _searches;

    // What goes on from step to step.
    private long _evaluations;
    private long _iterations;
    private Tensor? _direction;
    private double _length;
    private List<Tensor> _oldDirections = [];
    private List<Tensor> _oldSteps = [];
    private List<double> _ro = [];
    private double _diagonal = 1;
    private Tensor? _lastGrad;
    private double _lastLoss;

    /// <param name="parameters">What is trained; one group, since all are one vector.</param>
    /// <param name="lr">Length of steps, of the first try with a line search.</param>
    /// <param name="maxIter">Iterations a step.</param>
    /// <param name="maxEval">Calls of the closure a step; 1.25 · maxIter where null.</param>
    /// <param name="toleranceGrad">Largest element of a gradient that is none.</param>
    /// <param name="toleranceChange">Change of loss and parameters that is none.</param>
    /// <param name="historySize">How many steps the curvature is estimated from.</param>
    /// <param name="lineSearchFn"><c>strong_wolfe</c>, or null for steps of lr.</param>
    /// <exception cref="ArgumentException">Another line search.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A setting out of its range.</exception>
    public LBFGS(
        IEnumerable<Tensor> parameters,
        double lr = 1,
        int maxIter = 20,
        int? maxEval = null,
        double toleranceGrad = 1e-7,
        double toleranceChange = 1e-9,
        int historySize = 100,
        string? lineSearchFn = null
    )
        : base(One(parameters), [("lr", lr)])
    {
        if (lineSearchFn is not (null or "strong_wolfe"))
            throw new ArgumentException(
                $"LBFGS: lineSearchFn is '{lineSearchFn}', but must be 'strong_wolfe' or null.",
                nameof(lineSearchFn)
            );
        ArgumentOutOfRangeException.ThrowIfLessThan(historySize, 1);
        (_maxIter, _maxEval) = (maxIter, maxEval ?? maxIter * 5 / 4);
        (_toleranceGrad, _toleranceChange, _historySize) = (toleranceGrad, toleranceChange, historySize);
        _searches = lineSearchFn is not null;
    }

    /// <exception cref="InvalidOperationException">Always: it has to compute losses on the way.</exception>
    public override void Step() =>
        throw new InvalidOperationException("LBFGS computes losses during a step; call Step(closure).");

    protected override void Update(ParamState state, Tensor grad) => Step();

    /// <inheritdoc/>
    public override Tensor Step(Func<Tensor> closure)
    {
        ArgumentNullException.ThrowIfNull(closure);
        using var off = Tensor.NoGrad();
        Tensor Evaluate()
        {
            using (Tensor.EnableGrad())
                return closure();
        }
        var first = Evaluate();
        double loss = first.Item();
        int evaluations = 1;
        _evaluations++;
        var grad = Gradient();
        if (Largest(grad) <= _toleranceGrad)
            return first;
        int iteration = 0;
        while (iteration < _maxIter)
        {
            iteration++;
            _iterations++;
            var direction = _iterations == 1 ? Restart(grad) : Direct(grad);
            (_lastGrad, _lastLoss) = (grad.Clone().Keep(), loss);
            double length = _iterations == 1 ? Math.Min(1, 1 / grad.Abs().Sum().Item()) * Lr : Lr;
            double slope = Dot(grad, direction);
            (_direction, _length) = (direction.Keep(), length);
            if (slope > -_toleranceChange)
                break;
            int calls = 0;
            bool isFlat = false;
            if (_searches)
            {
                var start = Values();
                (double, Tensor) At(double t)
                {
                    Move(direction, t);
                    double f = Evaluate().Item();
                    var g = Gradient();
                    Restore(start);
                    return (f, g);
                }
                (loss, grad, length, calls) = WolfeSearch.Run(
                    At,
                    length,
                    direction,
                    loss,
                    grad,
                    slope,
                    _toleranceChange
                );
                Move(direction, length);
                _length = length;
                isFlat = Largest(grad) <= _toleranceGrad;
            }
            else
            {
                Move(direction, length);
                if (iteration != _maxIter)
                {
                    loss = Evaluate().Item();
                    grad = Gradient();
                    isFlat = Largest(grad) <= _toleranceGrad;
                    calls = 1;
                }
            }
            evaluations += calls;
            _evaluations += calls;
            if (
                iteration == _maxIter
                || evaluations >= _maxEval
                || isFlat
                || Largest(direction) * Math.Abs(length) <= _toleranceChange
                || Math.Abs(loss - _lastLoss) < _toleranceChange
            )
                break;
        }
        return first;
    }

    private Tensor Restart(Tensor grad)
    {
        (_oldDirections, _oldSteps, _ro, _diagonal) = ([], [], [], 1);
        return grad.Neg();
    }

    // The direction of the gradient, as the last steps say that the slope changes.
    private Tensor Direct(Tensor grad)
    {
        var y = grad - _lastGrad!;
        var s = _direction! * _length;
        double ys = Dot(y, s);
        if (ys > 1e-10)
        {
            if (_oldDirections.Count == _historySize)
            {
                _oldDirections.RemoveAt(0);
                _oldSteps.RemoveAt(0);
                _ro.RemoveAt(0);
            }
            _oldDirections.Add(y.Keep());
            _oldSteps.Add(s.Keep());
            _ro.Add(1 / ys);
            _diagonal = ys / Dot(y, y);
        }
        var shares = new double[_oldDirections.Count];
        var q = grad.Neg();
        for (int i = shares.Length - 1; i >= 0; i--)
        {
            shares[i] = Dot(_oldSteps[i], q) * _ro[i];
            q -= _oldDirections[i] * shares[i];
        }
        var r = q * _diagonal;
        for (int i = 0; i < shares.Length; i++)
            r += _oldSteps[i] * (shares[i] - Dot(_oldDirections[i], r) * _ro[i]);
        return r;
    }

    private static double Dot(Tensor a, Tensor b) => WolfeSearch.Dot(a, b);

    private static double Largest(Tensor t) => t.NumElements == 0 ? 0 : t.Abs().Amax().Item();

    private IReadOnlyList<Tensor> All => ParamGroups[0].Parameters;

    private Tensor Gradient() =>
        Tensor.Cat([.. All.Select(p => (p.GradOrNull is { } g ? g.Detach() : Tensor.ZerosLike(p)).Reshape(-1))]);

    private Tensor[] Values() => [.. All.Select(p => p.Detach().Clone())];

    private void Restore(Tensor[] values)
    {
        for (int i = 0; i < values.Length; i++)
            All[i].Copy_(values[i]);
    }

    private void Move(Tensor direction, double length)
    {
        long at = 0;
        foreach (var parameter in All)
        {
            long count = parameter.NumElements;
            parameter.Add_(direction.Narrow(0, at, count).Reshape(parameter.Shape) * length);
            at += count;
        }
    }

    private protected override OrderedDictionary<string, object?> Saved(ParamState state)
    {
        var kept = new OrderedDictionary<string, object?>();
        if (_evaluations == 0 || state != StateOf(All[0]))
            return kept;
        kept["func_evals"] = _evaluations;
        kept["n_iter"] = _iterations;
        if (_direction is null)
            return kept;
        kept["d"] = _direction;
        kept["t"] = _length;
        kept["old_dirs"] = new List<object?>(_oldDirections);
        kept["old_stps"] = new List<object?>(_oldSteps);
        kept["ro"] = new List<object?>(_ro.Select(r => (object?)r));
        kept["H_diag"] = _diagonal;
        kept["prev_flat_grad"] = _lastGrad;
        kept["prev_loss"] = _lastLoss;
        return kept;
    }

    private protected override void Load(
        ParamState state,
        IReadOnlyDictionary<string, object?> saved,
        string what,
        List<Action> load
    )
    {
        long elements = All.Sum(p => p.NumElements);
        Tensor Vector(object? value, string key) =>
            value is Tensor t && t.Rank == 1 && t.NumElements == elements
                ? t.To(All[0].DType).ToDevice(All[0].Device).Clone().Keep()
                : throw new ArgumentException(
                    $"{what}: '{key}' must be a vector of {elements} elements, but is {(value is Tensor other ? $"of shape {other.Layout}" : StateTree.Kind(value))}."
                );
        List<Tensor> Vectors(string key) => [.. StateTree.List(saved, key, what).Select(v => Vector(v, key))];
        long evaluations = (long)StateTree.Number(saved, "func_evals", what);
        long iterations = (long)StateTree.Number(saved, "n_iter", what);
        if (!saved.TryGetValue("d", out object? direction) || direction is null)
        {
            load.Add(() => (_evaluations, _iterations, _direction, _lastGrad) = (evaluations, iterations, null, null));
            return;
        }
        var d = Vector(direction, "d");
        var last = Vector(saved.GetValueOrDefault("prev_flat_grad"), "prev_flat_grad");
        var (directions, steps) = (Vectors("old_dirs"), Vectors("old_stps"));
        List<double> ro = [.. StateTree.Numbers(saved, "ro", what)];
        if (directions.Count != steps.Count || directions.Count != ro.Count)
            throw new ArgumentException(
                $"{what}: old_dirs, old_stps and ro are {directions.Count}, {steps.Count} and {ro.Count}, but must be as many."
            );
        double length = StateTree.Number(saved, "t", what);
        double diagonal = StateTree.Number(saved, "H_diag", what);
        double loss = StateTree.Number(saved, "prev_loss", what);
        load.Add(() =>
        {
            (_evaluations, _iterations, _direction, _length) = (evaluations, iterations, d, length);
            (_oldDirections, _oldSteps, _ro, _diagonal) = (directions, steps, ro, diagonal);
            (_lastGrad, _lastLoss) = (last, loss);
        });
    }
}
