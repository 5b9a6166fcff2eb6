using Picograd.Algorithms;

namespace Picograd;

/// <summary>What layers of transformers are made with.</summary>
internal sealed record TransformerSettings(
    long Model,
    long Heads,
    long Feedforward,
    double Dropout,
    Func<Tensor, Tensor> Activation,
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

    public static Func<Tensor, Tensor> Named(string activation) =>
        activation switch
        {
            "relu" => x => x.Relu(),
            "gelu" => x => x.Gelu(),
            _ => throw new ArgumentException(
                $"Transformer: activation is \"{activation}\", but must be \"relu\" or \"gelu\", or a function.",
                nameof(activation)
            ),
        };
}

/// <summary>What layers of encoders and decoders have in common: attention of a sequence to itself, two products, norms and dropouts.</summary>
public abstract class TransformerLayer : Module
{
    private readonly MultiheadAttention _attention;
    private readonly Linear _linear1;
    private readonly Linear _linear2;
    private readonly Dropout _dropout;
    private readonly LayerNorm[] _norms;
    private readonly Dropout[] _dropouts;
    private readonly bool _normFirst;
    private readonly Func<Tensor, Tensor> _activation;

    // Each part of a layer has a norm and a dropout.
    private protected TransformerLayer(TransformerSettings s, int parts)
    {
        (_normFirst, _activation) = (s.NormFirst, s.Activation);
        _attention = Register("self_attn", s.Attention());
        if (parts == 3)
            Memory = Register("multihead_attn", s.Attention());
        _linear1 = Register("linear1", new Linear(s.Model, s.Feedforward, s.Bias, s.Generator, s.Type));
        _dropout = Register("dropout", s.Drop());
        _linear2 = Register("linear2", new Linear(s.Feedforward, s.Model, s.Bias, s.Generator, s.Type));
        _norms = [.. Enumerable.Range(1, parts).Select(i => Register($"norm{i}", s.Norm()))];
        _dropouts = [.. Enumerable.Range(1, parts).Select(i => Register($"dropout{i}", s.Drop()))];
    }

    private protected MultiheadAttention? Memory { get; }

    // Added to what goes in, and normalized in front of it or behind.
    private protected Tensor Part(int place, Tensor x, Func<Tensor, Tensor> part)
    {
        Tensor Dropped(Tensor t) => _dropouts[place].Call(part(t));
        return _normFirst ? x + Dropped(_norms[place].Call(x)) : _norms[place].Call(x + Dropped(x));
    }

    private protected Tensor Own(Tensor x, Tensor? mask, Tensor? padding, bool isCausal) =>
        Part(0, x, t => _attention.Call(t, t, t, padding, needWeights: false, mask, isCausal: isCausal).Output);

    private protected Tensor Feed(Tensor x) =>
        Part(_norms.Length - 1, x, t => _linear2.Call(_dropout.Call(_activation(_linear1.Call(t)))));
}

/// <summary>Attention of a sequence to itself and two products, each added to what goes in and normalized.</summary>
public sealed class TransformerEncoderLayer : TransformerLayer
{
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
            dModel,
            nhead,
            dimFeedforward,
            dropout,
            TransformerSettings.Named(activation),
            layerNormEps,
            batchFirst,
            normFirst,
            bias,
            generator,
            dtype
        ) { }

    /// <summary>With an activation of one's own.</summary>
    /// <exception cref="ArgumentException">Heads that do not divide dModel.</exception>
    public TransformerEncoderLayer(
        long dModel,
        long nhead,
        long dimFeedforward,
        double dropout,
        Func<Tensor, Tensor> activation,
        double layerNormEps = 1e-5,
        bool batchFirst = false,
        bool normFirst = false,
        bool bias = true,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
        : this(
            new TransformerSettings(
                dModel,
                nhead,
                dimFeedforward,
                dropout,
                activation ?? throw new ArgumentNullException(nameof(activation)),
                layerNormEps,
                batchFirst,
                normFirst,
                bias,
                generator,
                dtype
            )
        ) { }

    internal TransformerEncoderLayer(TransformerSettings s)
        : base(s, parts: 2) { }

    public override Tensor Forward(Tensor x) => Forward(x, null);

    /// <param name="x">[t, b, e] ([b, t, e] with batchFirst), or [t, e].</param>
    /// <param name="srcMask">See <see cref="MultiheadAttention"/>.</param>
    /// <param name="srcKeyPaddingMask">See there.</param>
    /// <param name="isCausal">See there.</param>
    public Tensor Forward(Tensor x, Tensor? srcMask, Tensor? srcKeyPaddingMask = null, bool isCausal = false)
    {
        ArgumentNullException.ThrowIfNull(x);
        return Feed(Own(x, srcMask, srcKeyPaddingMask, isCausal));
    }

    /// <summary>Forward with the module's hooks around it.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor?, Tensor?, bool)"/>
    public Tensor Call(Tensor x, Tensor? srcMask, Tensor? srcKeyPaddingMask = null, bool isCausal = false) =>
        Hooked(x, t => Forward(t, srcMask, srcKeyPaddingMask, isCausal));
}

/// <summary>Attention of a sequence to itself, then to another, and two products, each added to what goes in and normalized.</summary>
public sealed class TransformerDecoderLayer : TransformerLayer
{
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
            dModel,
            nhead,
            dimFeedforward,
            dropout,
            TransformerSettings.Named(activation),
            layerNormEps,
            batchFirst,
            normFirst,
            bias,
            generator,
            dtype
        ) { }

    /// <summary>With an activation of one's own.</summary>
    /// <exception cref="ArgumentException">Heads that do not divide dModel.</exception>
    public TransformerDecoderLayer(
        long dModel,
        long nhead,
        long dimFeedforward,
        double dropout,
        Func<Tensor, Tensor> activation,
        double layerNormEps = 1e-5,
        bool batchFirst = false,
        bool normFirst = false,
        bool bias = true,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
        : this(
            new TransformerSettings(
                dModel,
                nhead,
                dimFeedforward,
                dropout,
                activation ?? throw new ArgumentNullException(nameof(activation)),
                layerNormEps,
                batchFirst,
                normFirst,
                bias,
                generator,
                dtype
            )
        ) { }

    internal TransformerDecoderLayer(TransformerSettings s)
        : base(s, parts: 3) { }

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
        x = Own(x, tgtMask, tgtKeyPaddingMask, tgtIsCausal);
        x = Part(
            1,
            x,
            t =>
                Memory!
                    .Call(
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
        return Feed(x);
    }

    /// <summary>Forward with the module's hooks around it.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor, Tensor?, Tensor?, Tensor?, Tensor?, bool, bool)"/>
    public Tensor Call(
        Tensor x,
        Tensor memory,
        Tensor? tgtMask = null,
        Tensor? memoryMask = null,
        Tensor? tgtKeyPaddingMask = null,
        Tensor? memoryKeyPaddingMask = null,
        bool tgtIsCausal = false,
        bool memoryIsCausal = false
    ) =>
        Hooked(
            x,
            t =>
                Forward(
                    t,
                    memory,
                    tgtMask,
                    memoryMask,
                    tgtKeyPaddingMask,
                    memoryKeyPaddingMask,
                    tgtIsCausal,
                    memoryIsCausal
                )
        );
}
