using Picograd.Algorithms;

namespace Picograd;

/// <summary>Changes parameters in place by their gradients.</summary>
public abstract class Optimizer
{
    /// <exception cref="ArgumentException">No parameters, one that is not a leaf with a gradient, or one twice.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A learning rate that is negative or not a number.</exception>
    protected Optimizer(IEnumerable<Tensor> parameters, double lr)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = [.. parameters];
        if (Parameters.Length == 0)
            throw new ArgumentException("An optimizer needs at least one parameter, but none was given.");
        var places = new Dictionary<Tensor, int>();
        for (int i = 0; i < Parameters.Length; i++)
        {
            if (!places.TryAdd(Parameters[i], i))
                throw new ArgumentException(
                    $"An optimizer was given the same parameter twice, as number {places[Parameters[i]]} and {i} (shape "
                        + $"{Parameters[i].Layout}); a module's Parameters have each once, and Distinct() sorts out others."
                );
        }
        foreach (var parameter in Parameters)
        {
            if (!parameter.RequiresGrad || !parameter.IsLeaf)
                throw new ArgumentException(
                    $"An optimizer changes leaf tensors that require a gradient, but one of shape {parameter.Layout} and "
                        + $"dtype {parameter.DType.Name()} is not; call RequiresGrad_() on it."
                );
        }
        Lr = lr;
    }

    /// <summary>What is optimised.</summary>
    protected Tensor[] Parameters { get; }

    /// <summary>Learning rate; may be changed between steps.</summary>
    public double Lr
    {
        get;
        set => field = Checked(nameof(Lr), value, 0, double.PositiveInfinity);
    }

    /// <summary>One step for every parameter that has a gradient.</summary>
    public void Step()
    {
        using var off = Tensor.NoGrad();
        Begin();
        for (int i = 0; i < Parameters.Length; i++)
        {
            if (Parameters[i].GradOrNull is { } grad)
                Update(i, Parameters[i], grad);
        }
    }

    /// <summary>Forgets all gradients.</summary>
    public void ZeroGrad()
    {
        foreach (var parameter in Parameters)
            parameter.ZeroGrad_();
    }

    /// <summary>Called before the updates of a step.</summary>
    protected virtual void Begin() { }

    /// <summary>Changes parameter number <paramref name="index"/> by its gradient; nothing is recorded.</summary>
    protected abstract void Update(int index, Tensor parameter, Tensor grad);

    /// <summary>Zeros that live as long as the optimizer.</summary>
    protected static Tensor State(Tensor parameter) => Tensor.ZerosLike(parameter).Keep();

    /// <summary>A setting within [low, high).</summary>
    protected static double Checked(string name, double value, double low, double high) =>
        value >= low && value < high
            ? value
            : throw new ArgumentOutOfRangeException(
                name,
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{name} is {value}, but must be at least {low} and below {high}."
                )
            );
}
