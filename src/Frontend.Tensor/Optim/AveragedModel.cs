namespace Picograd;

/// <summary>
/// A copy of a model whose parameters are averages of the model's over time: of all that it was given (SWA, Izmailov and others, 2018),
/// or exponential ones (<see cref="Ema"/>). As torch.optim.swa_utils.AveragedModel.
/// </summary>
public sealed class AveragedModel : Module
{
    private readonly Func<Tensor, Tensor, long, Tensor> _average;
    private readonly bool _useBuffers;

    /// <param name="model">What is averaged; it is copied.</param>
    /// <param name="avgFn">From the average, the model's value and how many were averaged: the average; the mean of all where null.</param>
    /// <param name="useBuffers">Whether buffers of floats are averaged too; else they are the model's.</param>
    public AveragedModel(Module model, Func<Tensor, Tensor, long, Tensor>? avgFn = null, bool useBuffers = false)
    {
        ArgumentNullException.ThrowIfNull(model);
        Module = ModuleCopy.Of(model);
        foreach (var parameter in Module.Parameters)
            parameter.ZeroGrad_();
        _average = avgFn ?? ((average, value, count) => average + (value - average) / (count + 1));
        _useBuffers = useBuffers;
        NAveraged = RegisterBuffer("n_averaged", Tensor.Zeros([], DType.Int64));
        Register("module", Module);
    }

    /// <summary>The copy with the averages.</summary>
    [Unregistered]
    public Module Module { get; }

    /// <summary>How often it was updated.</summary>
    [Unregistered]
    public Tensor NAveraged { get; }

    /// <summary>The function of an exponential moving average: decay · average + (1 − decay) · value.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A decay that is not from 0 to 1.</exception>
    public static Func<Tensor, Tensor, long, Tensor> Ema(double decay = 0.999) =>
        decay is >= 0 and <= 1
            ? (average, value, _) => average * decay + value * (1 - decay)
            : throw new ArgumentOutOfRangeException(nameof(decay), $"decay is {decay}, but must be from 0 to 1.");

    /// <inheritdoc/>
    public override Tensor Forward(Tensor x) => Module.Call(x);

    /// <summary>Takes the model's present parameters into the averages.</summary>
    /// <exception cref="ArgumentException">A model of other parts.</exception>
    public void UpdateParameters(Module model)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var off = Tensor.NoGrad();
        long count = NAveraged.Item<long>();
        // What has several names is one tensor.
        var trained = model.Parameters.Select(p => p.Address).ToHashSet();
        var met = new HashSet<nint>();
        var values = model.StateDict();
        var averages = Module.StateDict();
        if (!values.Keys.SequenceEqual(averages.Keys))
            throw new ArgumentException(
                $"AveragedModel.UpdateParameters: the averages are of {string.Join(", ", averages.Keys)}, but the model has {string.Join(", ", values.Keys)}."
            );
        foreach (var (name, average) in averages)
        {
            if (average.NumElements > 0 && !met.Add(average.Address))
                continue;
            var value = values[name].ToDevice(average.Device);
            bool isAveraged = average.DType.IsFloat() && (trained.Contains(values[name].Address) || _useBuffers);
            using var scope = Tensor.Scope();
            average.Copy_(isAveraged && count > 0 ? _average(average, value.To(average.DType), count) : value);
        }
        NAveraged.Fill_(count + 1);
    }

    /// <summary>
    /// Computes the running statistics of all batch norms anew, as means over the batches of some data, since those of the model do not fit
    /// averaged weights (swa_utils.update_bn).
    /// </summary>
    public static void UpdateBn(IEnumerable<Tensor> loader, Module model)
    {
        ArgumentNullException.ThrowIfNull(loader);
        ArgumentNullException.ThrowIfNull(model);
        var norms = Norms(model).ToList();
        if (norms.Count == 0)
            return;
        bool training = model.Training;
        var momenta = norms.ConvertAll(n => n.Momentum);
        foreach (var norm in norms)
        {
            norm.ResetRunningStats();
            norm.Momentum = null;
        }
        model.Train();
        try
        {
            using var off = Tensor.NoGrad();
            foreach (var batch in loader)
            {
                using var scope = Tensor.Scope();
                model.Call(batch);
            }
        }
        finally
        {
            for (int i = 0; i < norms.Count; i++)
                norms[i].Momentum = momenta[i];
            model.Train(training);
        }
    }

    private static IEnumerable<BatchNormNd> Norms(Module module) =>
        (module is BatchNormNd norm ? [norm] : Enumerable.Empty<BatchNormNd>()).Concat(
            module.Children.SelectMany(Norms)
        );
}
