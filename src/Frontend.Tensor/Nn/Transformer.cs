using Picograd.Algorithms;

namespace Picograd;

/// <summary>What layers of transformers are made with.</summary>
internal sealed record TransformerSettings(
    long Model,
    long Heads,
    long Feedforward,
    double Dropout,
    string Activation,
    double Eps,
    bool BatchFirst,
    bool NormFirst,
    bool Bias,
    Generator? Generator,
    DType Type
)
{
    public MultiheadAttention Attention() =>
        new(Model, Heads, Dropout, Bias, batchFirst: BatchFirst, generator: Generator, dtype: Type);

    public LayerNorm Norm() => new(Model, Eps, bias: Bias, dtype: Type);

    public Dropout Drop() => new(Dropout, generator: Generator);

    public Tensor Activate(Tensor x) => Activation == "relu" ? x.Relu() : x.Gelu();

    public TransformerSettings Checked(string name) =>
        Activation is "relu" or "gelu"
            ? this
            : throw new ArgumentException($"{name}: activation is \"{Activation}\", but must be \"relu\" or \"gelu\".");

    /// <summary>A module of the same make with the same values.</summary>
    public static T Copy<T>(T of, T into)
        where T : Module
    {
        into.LoadStateDict(of.StateDict());
        into.Train(of.Training);
        return into;
    }
}

/// <summary>Attention of a sequence to itself and two products, each added to what goes in and normalized.</summary>
public sealed class TransformerEncoderLayer : Module
{
    private readonly TransformerSettings _settings;
    private readonly MultiheadAttention _attention;
    private readonly Linear _linear1;
    private readonly Linear _linear2;
    private readonly Dropout _dropout;
    private readonly LayerNorm _norm1;
    private readonly LayerNorm _norm2;
    private readonly Dropout _dropout1;
    private readonly Dropout _dropout2;

    /// <exception cref="ArgumentException">Heads that do not divide dModel, or another activation than "relu" and "gelu".</exception>
    public TransformerEncoderLayer(
        long dModel,
        long nhead,
        long dimFeedforward = 2048,
        double dropout = 0.1,
        string activation = "relu",
        double layerNormEps = 1e-5,
        bool batchFirst = false,
        bool normFirst = false,
        bool bias = true,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
        : this(
            new(
                dModel,
                nhead,
                dimFeedforward,
                dropout,
                activation,
                layerNormEps,
                batchFirst,
                normFirst,
                bias,
                generator,
                dtype
            )
        ) { }

    internal TransformerEncoderLayer(TransformerSettings s)
    {
        _settings = s.Checked(nameof(TransformerEncoderLayer));
        _attention = Register("self_attn", s.Attention());
        _linear1 = Register("linear1", new Linear(s.Model, s.Feedforward, s.Bias, s.Generator, s.Type));
        _dropout = Register("dropout", s.Drop());
        _linear2 = Register("linear2", new Linear(s.Feedforward, s.Model, s.Bias, s.Generator, s.Type));
        _norm1 = Register("norm1", s.Norm());
        _norm2 = Register("norm2", s.Norm());
        _dropout1 = Register("dropout1", s.Drop());
        _dropout2 = Register("dropout2", s.Drop());
    }

    internal TransformerEncoderLayer Copy() => TransformerSettings.Copy(this, new TransformerEncoderLayer(_settings));

    public override Tensor Forward(Tensor x) => Forward(x, null);

    /// <param name="x">[t, b, e] ([b, t, e] with batchFirst), or [t, e].</param>
    /// <param name="srcMask">See <see cref="MultiheadAttention"/>.</param>
    /// <param name="srcKeyPaddingMask">See there.</param>
    /// <param name="isCausal">See there.</param>
    public Tensor Forward(Tensor x, Tensor? srcMask, Tensor? srcKeyPaddingMask = null, bool isCausal = false)
    {
        Tensor Attend(Tensor t) =>
            _dropout1.Forward(
                _attention.Forward(t, t, t, srcKeyPaddingMask, needWeights: false, srcMask, isCausal: isCausal).Output
            );
        Tensor Feed(Tensor t) =>
            _dropout2.Forward(_linear2.Forward(_dropout.Forward(_settings.Activate(_linear1.Forward(t)))));
        ArgumentNullException.ThrowIfNull(x);
        if (_settings.NormFirst)
        {
            x = x + Attend(_norm1.Forward(x));
            return x + Feed(_norm2.Forward(x));
        }
        x = _norm1.Forward(x + Attend(x));
        return _norm2.Forward(x + Feed(x));
    }
}

/// <summary>Attention of a sequence to itself, then to another, and two products, each added to what goes in and normalized.</summary>
public sealed class TransformerDecoderLayer : Module
{
    private readonly TransformerSettings _settings;
    private readonly MultiheadAttention _attention;
    private readonly MultiheadAttention _memory;
    private readonly Linear _linear1;
    private readonly Linear _linear2;
    private readonly Dropout _dropout;
    private readonly LayerNorm[] _norms;
    private readonly Dropout[] _dropouts;

    /// <exception cref="ArgumentException">Heads that do not divide dModel, or another activation than "relu" and "gelu".</exception>
    public TransformerDecoderLayer(
        long dModel,
        long nhead,
        long dimFeedforward = 2048,
        double dropout = 0.1,
        string activation = "relu",
        double layerNormEps = 1e-5,
        bool batchFirst = false,
        bool normFirst = false,
        bool bias = true,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
        : this(
            new(
                dModel,
                nhead,
                dimFeedforward,
                dropout,
                activation,
                layerNormEps,
                batchFirst,
                normFirst,
                bias,
                generator,
                dtype
            )
        ) { }

    internal TransformerDecoderLayer(TransformerSettings s)
    {
        _settings = s.Checked(nameof(TransformerDecoderLayer));
        _attention = Register("self_attn", s.Attention());
        _memory = Register("multihead_attn", s.Attention());
        _linear1 = Register("linear1", new Linear(s.Model, s.Feedforward, s.Bias, s.Generator, s.Type));
        _dropout = Register("dropout", s.Drop());
        _linear2 = Register("linear2", new Linear(s.Feedforward, s.Model, s.Bias, s.Generator, s.Type));
        _norms = [.. Enumerable.Range(1, 3).Select(i => Register($"norm{i}", s.Norm()))];
        _dropouts = [.. Enumerable.Range(1, 3).Select(i => Register($"dropout{i}", s.Drop()))];
    }

    internal TransformerDecoderLayer Copy() => TransformerSettings.Copy(this, new TransformerDecoderLayer(_settings));

    /// <param name="x">[t, b, e] ([b, t, e] with batchFirst), or [t, e].</param>
    /// <param name="memory">What an encoder gave.</param>
    /// <param name="tgtMask">See <see cref="MultiheadAttention"/>.</param>
    /// <param name="memoryMask">See there, of the other sequence.</param>
    /// <param name="tgtKeyPaddingMask">See there.</param>
    /// <param name="memoryKeyPaddingMask">See there, of the other sequence.</param>
    /// <param name="tgtIsCausal">See there.</param>
    /// <param name="memoryIsCausal">See there, of the other sequence.</param>
    public Tensor Forward(
        Tensor x,
        Tensor memory,
        Tensor? tgtMask = null,
        Tensor? memoryMask = null,
        Tensor? tgtKeyPaddingMask = null,
        Tensor? memoryKeyPaddingMask = null,
        bool tgtIsCausal = false,
        bool memoryIsCausal = false
    )
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(memory);
        Tensor Own(Tensor t) =>
            _dropouts[0]
                .Forward(
                    _attention
                        .Forward(t, t, t, tgtKeyPaddingMask, needWeights: false, tgtMask, isCausal: tgtIsCausal)
                        .Output
                );
        Tensor Other(Tensor t) =>
            _dropouts[1]
                .Forward(
                    _memory
                        .Forward(
                            t,
                            memory,
                            memory,
                            memoryKeyPaddingMask,
                            needWeights: false,
                            memoryMask,
                            isCausal: memoryIsCausal
                        )
                        .Output
                );
        Tensor Feed(Tensor t) =>
            _dropouts[2].Forward(_linear2.Forward(_dropout.Forward(_settings.Activate(_linear1.Forward(t)))));
        if (_settings.NormFirst)
        {
            x = x + Own(_norms[0].Forward(x));
            x = x + Other(_norms[1].Forward(x));
            return x + Feed(_norms[2].Forward(x));
        }
        x = _norms[0].Forward(x + Own(x));
        x = _norms[1].Forward(x + Other(x));
        return _norms[2].Forward(x + Feed(x));
    }
}

/// <summary>Encoder layers one after the other, all with the first values of the one that is given, and perhaps a norm.</summary>
public sealed class TransformerEncoder : Module
{
    private readonly ModuleList<TransformerEncoderLayer> _layers;
    private readonly Module? _norm;

    public TransformerEncoder(TransformerEncoderLayer encoderLayer, int numLayers, Module? norm = null)
    {
        ArgumentNullException.ThrowIfNull(encoderLayer);
        ArgumentOutOfRangeException.ThrowIfNegative(numLayers);
        _layers = Register(
            "layers",
            new ModuleList<TransformerEncoderLayer>(Enumerable.Range(0, numLayers).Select(_ => encoderLayer.Copy()))
        );
        _norm = norm is null ? null : Register("norm", norm);
    }

    public override Tensor Forward(Tensor x) => Forward(x, null);

    /// <inheritdoc cref="TransformerEncoderLayer.Forward(Tensor, Tensor?, Tensor?, bool)"/>
    public Tensor Forward(Tensor x, Tensor? mask, Tensor? srcKeyPaddingMask = null, bool isCausal = false)
    {
        foreach (var layer in _layers)
            x = layer.Forward(x, mask, srcKeyPaddingMask, isCausal);
        return _norm is null ? x : _norm.Forward(x);
    }
}

/// <summary>Decoder layers one after the other, all with the first values of the one that is given, and perhaps a norm.</summary>
public sealed class TransformerDecoder : Module
{
    private readonly ModuleList<TransformerDecoderLayer> _layers;
    private readonly Module? _norm;

    public TransformerDecoder(TransformerDecoderLayer decoderLayer, int numLayers, Module? norm = null)
    {
        ArgumentNullException.ThrowIfNull(decoderLayer);
        ArgumentOutOfRangeException.ThrowIfNegative(numLayers);
        _layers = Register(
            "layers",
            new ModuleList<TransformerDecoderLayer>(Enumerable.Range(0, numLayers).Select(_ => decoderLayer.Copy()))
        );
        _norm = norm is null ? null : Register("norm", norm);
    }

    /// <inheritdoc cref="TransformerDecoderLayer.Forward(Tensor, Tensor, Tensor?, Tensor?, Tensor?, Tensor?, bool, bool)"/>
    public Tensor Forward(
        Tensor x,
        Tensor memory,
        Tensor? tgtMask = null,
        Tensor? memoryMask = null,
        Tensor? tgtKeyPaddingMask = null,
        Tensor? memoryKeyPaddingMask = null,
        bool tgtIsCausal = false,
        bool memoryIsCausal = false
    )
    {
        foreach (var layer in _layers)
            x = layer.Forward(
                x,
                memory,
                tgtMask,
                memoryMask,
                tgtKeyPaddingMask,
                memoryKeyPaddingMask,
                tgtIsCausal,
                memoryIsCausal
            );
        return _norm is null ? x : _norm.Forward(x);
    }
}

/// <summary>An encoder and a decoder, each with a norm behind; weights are drawn as <see cref="Init.XavierUniform_"/> does.</summary>
public sealed class Transformer : Module
{
    private readonly TransformerEncoder _encoder;
    private readonly TransformerDecoder _decoder;

    /// <exception cref="ArgumentException">Heads that do not divide dModel, or another activation than "relu" and "gelu".</exception>
    public Transformer(
        long dModel = 512,
        long nhead = 8,
        int numEncoderLayers = 6,
        int numDecoderLayers = 6,
        long dimFeedforward = 2048,
        double dropout = 0.1,
        string activation = "relu",
        double layerNormEps = 1e-5,
        bool batchFirst = false,
        bool normFirst = false,
        bool bias = true,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
    {
        var s = new TransformerSettings(
            dModel,
            nhead,
            dimFeedforward,
            dropout,
            activation,
            layerNormEps,
            batchFirst,
            normFirst,
            bias,
            generator,
            dtype
        );
        _encoder = Register("encoder", new TransformerEncoder(new(s), numEncoderLayers, s.Norm()));
        _decoder = Register("decoder", new TransformerDecoder(new(s), numDecoderLayers, s.Norm()));
        foreach (var parameter in Parameters.Where(p => p.Rank > 1))
            Init.XavierUniform_(parameter, generator: generator);
    }

    /// <param name="src">[s, b, e] ([b, s, e] with batchFirst), or [s, e].</param>
    /// <param name="tgt">[t, b, e] ([b, t, e] with batchFirst), or [t, e].</param>
    /// <param name="srcMask">See <see cref="MultiheadAttention"/>.</param>
    /// <param name="tgtMask">See there.</param>
    /// <param name="memoryMask">See there.</param>
    /// <param name="srcKeyPaddingMask">See there.</param>
    /// <param name="tgtKeyPaddingMask">See there.</param>
    /// <param name="memoryKeyPaddingMask">See there.</param>
    /// <param name="srcIsCausal">See there.</param>
    /// <param name="tgtIsCausal">See there.</param>
    /// <param name="memoryIsCausal">See there.</param>
    /// <returns>Like tgt.</returns>
    public Tensor Forward(
        Tensor src,
        Tensor tgt,
        Tensor? srcMask = null,
        Tensor? tgtMask = null,
        Tensor? memoryMask = null,
        Tensor? srcKeyPaddingMask = null,
        Tensor? tgtKeyPaddingMask = null,
        Tensor? memoryKeyPaddingMask = null,
        bool srcIsCausal = false,
        bool tgtIsCausal = false,
        bool memoryIsCausal = false
    ) =>
        _decoder.Forward(
            tgt,
            _encoder.Forward(src, srcMask, srcKeyPaddingMask, srcIsCausal),
            tgtMask,
            memoryMask,
            tgtKeyPaddingMask,
            memoryKeyPaddingMask,
            tgtIsCausal,
            memoryIsCausal
        );

    /// <summary>[sz, sz]: −∞ above the diagonal, 0 elsewhere, so that places see those up to themselves.</summary>
    public static Tensor GenerateSquareSubsequentMask(long sz, DType dtype = DType.Float32, Device? device = null) =>
        Tensor.Full([sz, sz], double.NegativeInfinity, dtype, device).Triu(1);
}
