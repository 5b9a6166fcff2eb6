using Picograd.Algorithms;

namespace Picograd;

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
            new ModuleList<TransformerEncoderLayer>(
                Enumerable.Range(0, numLayers).Select(_ => ModuleCopy.Of(encoderLayer))
            )
        );
        _norm = norm is null ? null : Register("norm", norm);
    }

    public override Tensor Forward(Tensor x) => Forward(x, null);

    /// <inheritdoc cref="TransformerEncoderLayer.Forward(Tensor, Tensor?, Tensor?, bool)"/>
    public Tensor Forward(Tensor x, Tensor? mask, Tensor? srcKeyPaddingMask = null, bool isCausal = false)
    {
        foreach (var layer in _layers)
            x = layer.Call(x, mask, srcKeyPaddingMask, isCausal);
        return _norm is null ? x : _norm.Call(x);
    }

    /// <summary>Forward with the module's hooks around it.</summary>
    /// <inheritdoc cref="TransformerEncoderLayer.Forward(Tensor, Tensor?, Tensor?, bool)"/>
    public Tensor Call(Tensor x, Tensor? mask, Tensor? srcKeyPaddingMask = null, bool isCausal = false) =>
        Hooked(x, t => Forward(t, mask, srcKeyPaddingMask, isCausal));
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
            new ModuleList<TransformerDecoderLayer>(
                Enumerable.Range(0, numLayers).Select(_ => ModuleCopy.Of(decoderLayer))
            )
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
            x = layer.Call(
                x,
                memory,
                tgtMask,
                memoryMask,
                tgtKeyPaddingMask,
                memoryKeyPaddingMask,
                tgtIsCausal,
                memoryIsCausal
            );
        return _norm is null ? x : _norm.Call(x);
    }

    /// <summary>Forward with the module's hooks around it.</summary>
    /// <inheritdoc cref="TransformerDecoderLayer.Forward(Tensor, Tensor, Tensor?, Tensor?, Tensor?, Tensor?, bool, bool)"/>
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
            TransformerSettings.Named(activation),
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
        _decoder.Call(
            tgt,
            _encoder.Call(src, srcMask, srcKeyPaddingMask, srcIsCausal),
            tgtMask,
            memoryMask,
            tgtKeyPaddingMask,
            memoryKeyPaddingMask,
            tgtIsCausal,
            memoryIsCausal
        );

    /// <summary>Forward with the module's hooks around it, which see src and the result.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor, Tensor?, Tensor?, Tensor?, Tensor?, Tensor?, Tensor?, bool, bool, bool)"/>
    public Tensor Call(
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
        Hooked(
            src,
            s =>
                Forward(
                    s,
                    tgt,
                    srcMask,
                    tgtMask,
                    memoryMask,
                    srcKeyPaddingMask,
                    tgtKeyPaddingMask,
                    memoryKeyPaddingMask,
                    srcIsCausal,
                    tgtIsCausal,
                    memoryIsCausal
                )
        );

    /// <summary>[sz, sz]: −∞ above the diagonal, 0 elsewhere, so that places see those up to themselves.</summary>
    public static Tensor GenerateSquareSubsequentMask(long sz, DType dtype = DType.Float32, Device? device = null) =>
        Tensor.Full([sz, sz], double.NegativeInfinity, dtype, device).Triu(1);
}
