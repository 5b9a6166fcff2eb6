namespace Picograd;

/// <summary>
/// Scales losses, so that gradients in float16 do not vanish, and steps only where none became infinite; the scale follows. As
/// torch.amp.GradScaler.
/// <code>
/// scaler.Scale(loss).Backward();
/// scaler.Unscale_(optimizer);    // where gradients are clipped
/// scaler.Step(optimizer);
/// scaler.Update();
/// </code>
/// </summary>
public sealed class GradScaler
{
    private enum Stage
    {
        Ready,
        Unscaled,
        Stepped,
    }

    private readonly Dictionary<Optimizer, (Stage Stage, bool Finite)> _optimizers = [];
    private double _scale;
    private double _growth;
    private double _backoff;
    private int _interval;
    private int _good;

    /// <param name="initScale">Scale at first.</param>
    /// <param name="growthFactor">By which it grows after <paramref name="growthInterval"/> good steps in a row; above 1.</param>
    /// <param name="backoffFactor">By which it shrinks after a step that was left out; below 1.</param>
    /// <param name="growthInterval">Good steps until it grows.</param>
    /// <param name="enabled">Whether it does anything.</param>
    /// <exception cref="ArgumentOutOfRangeException">A factor out of its range.</exception>
    public GradScaler(
        double initScale = 65536,
        double growthFactor = 2,
        double backoffFactor = 0.5,
        int growthInterval = 2000,
        bool enabled = true
    )
    {
        if (!(growthFactor > 1))
            throw new ArgumentOutOfRangeException(
                nameof(growthFactor),
                $"growthFactor is {growthFactor}, but must be above 1."
            );
        if (!(backoffFactor < 1))
            throw new ArgumentOutOfRangeException(
                nameof(backoffFactor),
                $"backoffFactor is {backoffFactor}, but must be below 1."
            );
        (_scale, _growth, _backoff, _interval) = (initScale, growthFactor, backoffFactor, growthInterval);
        IsEnabled = enabled;
    }

    public bool IsEnabled { get; }

    /// <summary>The scale; 1 where it is switched off.</summary>
    public double GetScale() => IsEnabled ? _scale : 1;

    /// <summary>A loss times the scale; one number of 16 bits becomes float32, in which the scale is.</summary>
    public Tensor Scale(Tensor loss)
    {
        ArgumentNullException.ThrowIfNull(loss);
        Refuse();
        if (!IsEnabled)
            return loss;
        // A tensor, not a number: 65536 is beyond float16.
        return loss * Tensor.Full([], _scale, DType.Float32, loss.Device);
    }

    /// <summary>Divides the gradients of an optimizer's parameters by the scale; <see cref="Step(Optimizer)"/> does not again.</summary>
    /// <exception cref="InvalidOperationException">Twice between two calls of <see cref="Update"/>, or after a step.</exception>
    public void Unscale_(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        Refuse();
        if (!IsEnabled)
            return;
        if (_optimizers.TryGetValue(optimizer, out var state))
            throw new InvalidOperationException(
                state.Stage == Stage.Unscaled
                    ? "GradScaler.Unscale_: the gradients of this optimizer were unscaled already since the last Update()."
                    : "GradScaler.Unscale_: called after Step()."
            );
        using var off = Tensor.NoGrad();
        bool isFinite = true;
        foreach (var parameter in optimizer.ParamGroups.SelectMany(g => g.Parameters))
        {
            if (parameter.GradOrNull is not { NumElements: > 0 } grad)
                continue;
            using var scope = Tensor.Scope();
            isFinite &= grad.IsFinite().All().Item() != 0;
            grad.Mul_(1 / _scale);
        }
        _optimizers[optimizer] = (Stage.Unscaled, isFinite);
    }

    /// <summary>A step of the optimizer, unless a gradient is infinite or NaN. Returns whether it was done.</summary>
    /// <exception cref="InvalidOperationException">Twice between two calls of <see cref="Update"/>.</exception>
    public bool Step(Optimizer optimizer)
    {
        ArgumentNullException.ThrowIfNull(optimizer);
        if (IsEnabled)
        {
            if (_optimizers.TryGetValue(optimizer, out var state) && state.Stage == Stage.Stepped)
                throw new InvalidOperationException(
                    "GradScaler.Step: this optimizer did a step already since the last Update()."
                );
            if (!_optimizers.ContainsKey(optimizer))
                Unscale_(optimizer);
            bool isFinite = _optimizers[optimizer].Finite;
            _optimizers[optimizer] = (Stage.Stepped, isFinite);
            if (!isFinite)
                return false;
        }
        optimizer.Step();
        return true;
    }

    // The scale is a number of the host, which steps change.
    private void Refuse()
    {
        if (IsEnabled)
            Calls.Executor.Listening?.Refuses("a GradScaler scales by a number that changes; use it outside");
    }

    /// <summary>Fits the scale to what the steps since the last call met.</summary>
    /// <param name="newScale">The scale from now on, whatever was met.</param>
    /// <exception cref="InvalidOperationException">No optimizer's gradients were looked at.</exception>
    public void Update(double? newScale = null)
    {
        Refuse();
        if (!IsEnabled)
            return;
        if (newScale is { } given)
        {
            _scale = given;
        }
        else if (_optimizers.Count == 0)
        {
            throw new InvalidOperationException("GradScaler.Update: there was no Step() or Unscale_() before.");
        }
        else if (_optimizers.Values.Any(o => !o.Finite))
        {
            (_scale, _good) = (_scale * _backoff, 0);
        }
        else if (++_good == _interval)
        {
            // PyTorch keeps the scale where it would become infinite in float32.
            _scale = float.IsInfinity((float)(_scale * _growth)) ? _scale : _scale * _growth;
            _good = 0;
        }
        _optimizers.Clear();
    }

    /// <summary>What it keeps between steps; empty where it is switched off.</summary>
    public OrderedDictionary<string, object?> StateDict() =>
        IsEnabled
            ? new()
            {
                ["scale"] = _scale,
                ["growth_factor"] = _growth,
                ["backoff_factor"] = _backoff,
                ["growth_interval"] = (long)_interval,
                ["_growth_tracker"] = (long)_good,
            }
            : [];

    /// <summary>Takes over what <see cref="StateDict"/> gave.</summary>
    /// <exception cref="ArgumentException">What is missing; nothing is changed.</exception>
    public void LoadStateDict(IReadOnlyDictionary<string, object?> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (!IsEnabled)
            return;
        const string Name = "GradScaler.LoadStateDict";
        double scale = StateTree.Number(state, "scale", Name);
        double growth = StateTree.Number(state, "growth_factor", Name);
        double backoff = StateTree.Number(state, "backoff_factor", Name);
        int interval = (int)StateTree.Number(state, "growth_interval", Name);
        int good = (int)StateTree.Number(state, "_growth_tracker", Name);
        (_scale, _growth, _backoff, _interval, _good) = (scale, growth, backoff, interval, good);
    }
}
