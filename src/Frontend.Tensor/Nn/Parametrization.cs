using System.Globalization;

namespace Picograd;

/// <summary>How a parameter is computed from others, which are trained in its place.</summary>
public abstract class Parametrization : Module
{
    /// <summary>The parameter, from what it is computed of.</summary>
    public abstract Tensor Compute(params Tensor[] originals);

    /// <summary>What it is computed of, from a value that it is to have; the value itself unless a class says otherwise.</summary>
    public virtual Tensor[] RightInverse(Tensor value) => [value];

    public sealed override Tensor Forward(Tensor x) => Compute(x);
}

/// <summary>All parametrizations of one parameter, each of what the one before gives.</summary>
internal sealed class ParametrizationList : Module
{
    public const string Group = "parametrizations";

    private readonly List<Parametrization> _all = [];

    public ParametrizationList(string name, Tensor parameter, Parametrization first)
    {
        Name = name;
        Tensor[] originals;
        using (Tensor.NoGrad())
            originals = [.. first.RightInverse(parameter.Detach()).Select(t => t.Detach().Clone())];
        // The parameter itself where it can be, since optimizers may know it.
        if (originals.Length == 1 && originals[0].Layout.SameSizes(parameter.Layout))
        {
            parameter.Detach().Copy_(originals[0]);
            originals = [parameter];
        }
        Originals = [.. originals.Select((t, i) => Register(originals.Length == 1 ? "original" : $"original{i}", t))];
        foreach (var original in Originals)
            original.RequiresGrad_(parameter.RequiresGrad);
        Add(first);
    }

    public string Name { get; }

    public Tensor[] Originals { get; }

    public void Add(Parametrization parametrization)
    {
        if (_all.Count > 0)
        {
            // The first one's are those that the later ones' value needs.
            using var off = Tensor.NoGrad();
            Tensor[] inverse = parametrization.RightInverse(Value().Detach());
            if (inverse.Length != 1)
                throw new ArgumentException(
                    $"{parametrization.GetType().Name} computes from {inverse.Length} tensors, so it must be the first of a parameter."
                );
            SetWithoutChecks(inverse[0]);
        }
        _all.Add(Register(_all.Count.ToString(CultureInfo.InvariantCulture), parametrization));
    }

    /// <summary>Originals become those of a value.</summary>
    /// <exception cref="ArgumentException">It has another shape.</exception>
    public void Set(Tensor value)
    {
        using var off = Tensor.NoGrad();
        var shape = Value().Shape;
        if (!value.Shape.ToArray().SequenceEqual(shape.ToArray()))
            throw new ArgumentException(
                $"'{Name}' is computed from others and has the shape {shape}, so it cannot become a tensor of shape {value.Shape}.",
                nameof(value)
            );
        SetWithoutChecks(value.Detach());
    }

    private void SetWithoutChecks(Tensor value)
    {
        for (int i = _all.Count - 1; i > 0; i--)
            value = _all[i].RightInverse(value)[0];
        Tensor[] first = _all[0].RightInverse(value);
        for (int i = 0; i < first.Length; i++)
            Originals[i].Detach().Copy_(first[i]);
    }

    public Tensor Value()
    {
        var value = _all[0].Compute(Originals);
        for (int i = 1; i < _all.Count; i++)
            value = _all[i].Call(value);
        return value;
    }

    public override Tensor Forward(Tensor x) => Value();
}

/// <summary>Parameters that are computed from others (torch.nn.utils.parametrize).</summary>
public static class Parametrize
{
    /// <summary>
    /// A parameter becomes computed: <c>parametrizations.weight.original</c> (or <c>original0</c>, <c>original1</c>) is trained in its place.
    /// Another one of the same parameter computes from what the first gives. Returns the module.
    /// </summary>
    /// <exception cref="ArgumentException">No such parameter, or a module that reads it in another way.</exception>
    public static T RegisterParametrization<T>(T module, string tensorName, Parametrization parametrization)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        module.Parametrize_(tensorName, parametrization);
        return module;
    }

    /// <summary>A parameter is one of the module's own again, with the value that was computed last, or what that was computed of.</summary>
    /// <exception cref="ArgumentException">It is not computed, or was of several and is not to keep its value.</exception>
    public static T RemoveParametrizations<T>(T module, string tensorName, bool leaveParametrized = true)
        where T : Module
    {
        ArgumentNullException.ThrowIfNull(module);
        module.Unparametrize(tensorName, leaveParametrized);
        return module;
    }

    /// <summary>Whether a parameter, or any where none is named, is computed.</summary>
    public static bool IsParametrized(Module module, string? tensorName = null)
    {
        ArgumentNullException.ThrowIfNull(module);
        return tensorName is null ? module.IsParametrized : module.ParametrizationOf(tensorName) is not null;
    }
}

/// <summary>Parametrizations by name (torch.nn.utils.parametrizations).</summary>
public static class Parametrizations
{
    private sealed class WeightNormalized(int? dim) : Parametrization
    {
        public override Tensor Compute(params Tensor[] originals) => originals[1] * (originals[0] / Norm(originals[1]));

        public override Tensor[] RightInverse(Tensor value) => [Norm(value), value];

        private Tensor Norm(Tensor v)
        {
            if (dim is not { } kept)
                return v.Norm();
            int d = kept < 0 ? kept + v.Rank : kept;
            return v.Norm(2, [.. Enumerable.Range(0, v.Rank).Where(i => i != d)], keepdim: true);
        }
    }

    /// <summary>
    /// A parameter as length times direction, g · v / |v| (Salimans and Kingma, 2016): <c>original0</c> is g, <c>original1</c> v. Lengths
    /// are those along all dimensions but one; of everything where dim is null. Returns the module.
    /// </summary>
    /// <exception cref="ArgumentException">No such parameter or dimension.</exception>
    public static T WeightNorm<T>(T module, string name = "weight", int? dim = 0)
        where T : Module
    {
        if (dim == -1)
            dim = null;
        int rank = Rank(module, name);
        if (dim is { } d && (d >= rank || d < -rank))
            throw new ArgumentException($"weight_norm: dim is {d}, but '{name}' has {rank} dimensions.", nameof(dim));
        return Parametrize.RegisterParametrization(module, name, new WeightNormalized(dim));
    }

    private sealed class SpectrallyNormalized : Parametrization
    {
        private readonly int _dim;
        private readonly int _iterations;
        private readonly double _eps;
        private readonly Tensor? _u;
        private readonly Tensor? _v;

        public SpectrallyNormalized(Tensor weight, int iterations, int dim, double eps, Generator? generator)
        {
            (_dim, _iterations, _eps) = (dim < 0 ? dim + weight.Rank : dim, iterations, eps);
            if (weight.Rank < 2)
                return;
            using var off = Tensor.NoGrad();
            var matrix = AsMatrix(weight.Detach());
            Tensor New(long size) =>
                F.Normalize(Tensor.Randn([size], generator, weight.DType, weight.Device), dim: 0, eps: eps);
            _u = RegisterBuffer("_u", New(matrix.Size(0)));
            _v = RegisterBuffer("_v", New(matrix.Size(1)));
            Improve(matrix, 15);
        }

        public override Tensor Compute(params Tensor[] originals)
        {
            var weight = originals[0];
            if (_u is null)
                return F.Normalize(weight, dim: 0, eps: _eps);
            var matrix = AsMatrix(weight);
            if (Training)
            {
                using var off = Tensor.NoGrad();
                Improve(matrix.Detach(), _iterations);
            }
            // Copies, since later passes change them in place.
            var (u, v) = (_u.Detach().Clone(), _v!.Detach().Clone());
            return weight / u.Dot(matrix.Mv(v));
        }

        private Tensor AsMatrix(Tensor weight) =>
            (_dim == 0 ? weight : weight.MoveDim(_dim, 0)).Reshape(weight.Size(_dim), -1);

        private void Improve(Tensor matrix, int times)
        {
            for (int i = 0; i < times; i++)
            {
                _u!.Copy_(F.Normalize(matrix.Mv(_v!), dim: 0, eps: _eps));
                _v!.Copy_(F.Normalize(matrix.T.Mv(_u), dim: 0, eps: _eps));
            }
        }
    }

    /// <summary>
    /// A parameter over its largest singular value, found by power iterations that go on while the module is trained (Miyato and others,
    /// 2018). Returns the module.
    /// </summary>
    /// <param name="module">A layer.</param>
    /// <param name="name">Its parameter.</param>
    /// <param name="nPowerIterations">Iterations each time it is computed.</param>
    /// <param name="eps">The least length that is divided by.</param>
    /// <param name="dim">The dimension of results; null: 1 of transposed convolutions, else 0.</param>
    /// <param name="generator">Draws the vectors to begin with.</param>
    /// <exception cref="ArgumentException">No such parameter or dimension, or no iterations.</exception>
    public static T SpectralNorm<T>(
        T module,
        string name = "weight",
        int nPowerIterations = 1,
        double eps = 1e-12,
        int? dim = null,
        Generator? generator = null
    )
        where T : Module
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(nPowerIterations, 1);
        int rank = Rank(module, name);
        int d = dim ?? (module is ConvNd { IsTransposed: true } ? 1 : 0);
        if (d >= rank || d < -rank)
            throw new ArgumentException($"spectral_norm: dim is {d}, but '{name}' has {rank} dimensions.", nameof(dim));
        var weight = module.GetParameter(name);
        return Parametrize.RegisterParametrization(
            module,
            name,
            new SpectrallyNormalized(weight, nPowerIterations, d, eps, generator)
        );
    }

    private static int Rank(Module module, string name)
    {
        ArgumentNullException.ThrowIfNull(module);
        return module.GetParameter(name).Rank;
    }
}

/// <summary>Layers that are one where a norm over a batch follows, which does not learn any more (torch.nn.utils.fusion).</summary>
public static class Fusion
{
    /// <summary>A convolution that computes what it and the norm behind it compute in evaluation.</summary>
    /// <exception cref="ArgumentException">One of them is trained, or the norm has no running statistics.</exception>
    public static T FuseConvBnEval<T>(T conv, BatchNormNd bn)
        where T : ConvNd
    {
        Check("fuse_conv_bn_eval", conv, bn);
        var fused = ModuleCopy.Of(conv);
        var (weight, bias) = FuseConvBnWeights(
            conv.Weight,
            conv.Bias,
            bn.RunningMean!,
            bn.RunningVar!,
            bn.Eps,
            bn.Weight,
            bn.Bias,
            conv.IsTransposed
        );
        fused.Become(weight, bias);
        return fused;
    }

    /// <summary>A linear layer that computes what it and the norm behind it compute in evaluation.</summary>
    /// <exception cref="ArgumentException">One of them is trained, or the norm has no running statistics.</exception>
    public static Linear FuseLinearBnEval(Linear linear, BatchNormNd bn)
    {
        Check("fuse_linear_bn_eval", linear, bn);
        if (bn.RunningMean!.NumElements != linear.Weight.Size(0) && bn.RunningMean.NumElements != 1)
            throw new ArgumentException(
                $"fuse_linear_bn_eval: the norm has {bn.RunningMean.NumElements} features, the layer {linear.Weight.Size(0)}."
            );
        var (weight, bias) = FuseConvBnWeights(
            linear.Weight,
            linear.Bias,
            bn.RunningMean,
            bn.RunningVar!,
            bn.Eps,
            bn.Weight,
            bn.Bias
        );
        var fused = ModuleCopy.Of(linear);
        fused.Become(weight, bias);
        return fused;
    }

    /// <summary>Weight and bias of a convolution or linear layer and a norm behind it, together.</summary>
    /// <param name="convW">[out, …]; [in, out, …] of transposed convolutions.</param>
    /// <param name="convB">[out]; null for 0.</param>
    /// <param name="bnRm">Running means.</param>
    /// <param name="bnRv">Running variances.</param>
    /// <param name="bnEps">Added to these.</param>
    /// <param name="bnW">The norm's weight; null for 1.</param>
    /// <param name="bnB">The norm's bias; null for 0.</param>
    /// <param name="transpose">Whether it is of a transposed convolution.</param>
    public static (Tensor Weight, Tensor Bias) FuseConvBnWeights(
        Tensor convW,
        Tensor? convB,
        Tensor bnRm,
        Tensor bnRv,
        double bnEps,
        Tensor? bnW,
        Tensor? bnB,
        bool transpose = false
    )
    {
        ArgumentNullException.ThrowIfNull(convW);
        ArgumentNullException.ThrowIfNull(bnRm);
        ArgumentNullException.ThrowIfNull(bnRv);
        using var off = Tensor.NoGrad();
        var scale = (bnRv + bnEps).Rsqrt();
        if (bnW is not null)
            scale = scale * bnW;
        long[] shape = [.. Enumerable.Repeat(1L, convW.Rank)];
        shape[transpose ? 1 : 0] = -1;
        var bias = ((convB is null ? -bnRm : convB - bnRm) * scale);
        if (bnB is not null)
            bias = bias + bnB;
        return ((convW * scale.Reshape(shape)).To(convW.DType).Detach(), bias.To((convB ?? convW).DType).Detach());
    }

    private static void Check(string what, Module layer, BatchNormNd bn)
    {
        ArgumentNullException.ThrowIfNull(layer);
        ArgumentNullException.ThrowIfNull(bn);
        if (layer.Training || bn.Training)
            throw new ArgumentException($"{what}: both modules must be in evaluation; call Eval() first.");
        if (bn.RunningMean is null || bn.RunningVar is null)
            throw new ArgumentException($"{what}: the norm keeps no running statistics.");
    }
}
