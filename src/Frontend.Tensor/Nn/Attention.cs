using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// Attention of several heads, with products in front and behind (Vaswani and others, 2017): <c>in_proj_weight</c> for queries, keys and
/// values together where they are of one size, else <c>q_proj_weight</c> and so on.
/// </summary>
public sealed class MultiheadAttention : Module
{
    private readonly bool _zero;
    private readonly Tensor? _query;
    private readonly Tensor? _key;
    private readonly Tensor? _value;
    private readonly Tensor? _biasKey;
    private readonly Tensor? _biasValue;
    private readonly Generator? _generator;

    /// <exception cref="ArgumentException">Sizes below 1, or heads that do not divide embedDim.</exception>
    public MultiheadAttention(
        long embedDim,
        long numHeads,
        double dropout = 0,
        bool bias = true,
        bool addBiasKv = false,
        bool addZeroAttn = false,
        long? kdim = null,
        long? vdim = null,
        bool batchFirst = false,
        Generator? generator = null,
        DType dtype = DType.Float32
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(embedDim, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(numHeads, 1);
        if (embedDim % numHeads != 0)
            throw new ArgumentException(
                $"MultiheadAttention: numHeads is {numHeads}, which must divide embedDim, {embedDim}.",
                nameof(numHeads)
            );
        (EmbedDim, NumHeads, Dropout, BatchFirst, _zero, _generator) = (
            embedDim,
            numHeads,
            dropout,
            batchFirst,
            addZeroAttn,
            generator
        );
        (Kdim, Vdim) = (kdim ?? embedDim, vdim ?? embedDim);
        Tensor Weight(string name, long rows, long columns) =>
            Register(name, Init.XavierUniform_(Tensor.Empty([rows, columns], dtype), generator: generator));
        if (Kdim == embedDim && Vdim == embedDim)
            InProjWeight = Weight("in_proj_weight", 3 * embedDim, embedDim);
        else
        {
            _query = Weight("q_proj_weight", embedDim, embedDim);
            _key = Weight("k_proj_weight", embedDim, Kdim);
            _value = Weight("v_proj_weight", embedDim, Vdim);
        }
        if (bias)
            InProjBias = Register("in_proj_bias", Tensor.Zeros([3 * embedDim], dtype));
        OutProj = Register("out_proj", new Linear(embedDim, embedDim, bias, generator, dtype));
        if (OutProj.Bias is { } last)
            Init.Zeros_(last);
        if (!addBiasKv)
            return;
        _biasKey = Register("bias_k", Init.XavierNormal_(Tensor.Empty([1, 1, embedDim], dtype), generator: generator));
        _biasValue = Register(
            "bias_v",
            Init.XavierNormal_(Tensor.Empty([1, 1, embedDim], dtype), generator: generator)
        );
    }

    public long EmbedDim { get; }

    public long NumHeads { get; }

    /// <summary>Size of keys as they are given.</summary>
    public long Kdim { get; }

    /// <summary>Size of values as they are given.</summary>
    public long Vdim { get; }

    /// <summary>How likely a weight is dropped while the module is trained.</summary>
    public double Dropout { get; }

    /// <summary>Whether sequences are the first dimension, [b, t, e], rather than the second.</summary>
    public bool BatchFirst { get; }

    /// <summary>[3 · e, e], for queries, keys and values; null where these are of several sizes.</summary>
    public Tensor? InProjWeight { get; }

    /// <summary>[3 · e]; null without bias.</summary>
    public Tensor? InProjBias { get; }

    /// <summary>What heads together go through.</summary>
    public Linear OutProj { get; }

    /// <summary>Attention of a sequence to itself.</summary>
    public override Tensor Forward(Tensor x) => Forward(x, x, x, needWeights: false).Output;

    /// <param name="query">[t, b, e] ([b, t, e] with batchFirst), or [t, e].</param>
    /// <param name="key">[s, b, kdim], or [s, kdim].</param>
    /// <param name="value">[s, b, vdim], or [s, vdim].</param>
    /// <param name="keyPaddingMask">[b, s] or [s]: bools, true where a key is not seen, or floats that are added to scores.</param>
    /// <param name="needWeights">Whether weights are given, too; without them there need not be memory for all.</param>
    /// <param name="attnMask">[t, s] or [b · heads, t, s]: bools, true where a query does not see a key, or floats.</param>
    /// <param name="averageAttnWeights">Whether weights are those of heads on average.</param>
    /// <param name="isCausal">Whether attnMask is the causal one; alone it makes that.</param>
    /// <returns>Like the query, and weights [b, t, s] ([b, heads, t, s] of each head).</returns>
    /// <exception cref="ArgumentException">Shapes or dtypes that do not fit; names them.</exception>
    public (Tensor Output, Tensor? Weights) Forward(
        Tensor query,
        Tensor key,
        Tensor value,
        Tensor? keyPaddingMask = null,
        bool needWeights = true,
        Tensor? attnMask = null,
        bool averageAttnWeights = true,
        bool isCausal = false
    )
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        Check(query, key, value);
        bool single = query.Rank == 2;
        Tensor Batched(Tensor t) =>
            single ? t.Unsqueeze(0)
            : BatchFirst ? t
            : t.Transpose(0, 1);
        // [b, t, e] from here.
        var (q, k, v) = Projected(query, key, value, Batched);
        var (batch, tq, tk) = (q.Size(0), q.Size(1), k.Size(1));
        var padding = keyPaddingMask is null ? null : Added(single ? keyPaddingMask.Unsqueeze(0) : keyPaddingMask, q);
        var mask = attnMask is null ? null : Added(attnMask, q);
        if (padding is not null && (padding.Rank != 2 || padding.Size(0) != batch || padding.Size(1) != tk))
            throw new ArgumentException(
                $"MultiheadAttention: keyPaddingMask has the shape {keyPaddingMask!.Shape}, but must be {(single ? "" : $"[{batch}, {tk}]")}{(single ? $"[{tk}]" : "")}."
            );
        if (mask is not null)
        {
            bool fits =
                mask.Rank == 2 && mask.Size(0) == tq && mask.Size(1) == tk
                || mask.Rank == 3 && mask.Size(0) == batch * NumHeads && mask.Size(1) == tq && mask.Size(2) == tk;
            if (!fits)
                throw new ArgumentException(
                    $"MultiheadAttention: attnMask has the shape {attnMask!.Shape}, but must be [{tq}, {tk}] or [{batch * NumHeads}, {tq}, {tk}]."
                );
            mask = mask.Rank == 2 ? mask.Reshape(1, 1, tq, tk) : mask.Reshape(batch, NumHeads, tq, tk);
        }
        bool causal = isCausal && mask is null;
        if (_biasKey is not null)
        {
            k = Tensor.Cat([k, _biasKey.Expand(batch, 1, EmbedDim)], 1);
            v = Tensor.Cat([v, _biasValue!.Expand(batch, 1, EmbedDim)], 1);
            (mask, padding) = (Wider(mask, q), Wider(padding, q));
        }
        if (_zero)
        {
            var zeros = Tensor.Zeros([batch, 1, EmbedDim], q.DType, q.Device);
            (k, v) = (Tensor.Cat([k, zeros], 1), Tensor.Cat([v, zeros], 1));
            (mask, padding) = (Wider(mask, q), Wider(padding, q));
        }
        if (padding is not null)
        {
            var wide = padding.Reshape(batch, 1, 1, padding.Size(1));
            mask = mask is null ? wide : mask + wide;
        }
        if (causal && (needWeights || mask is not null || k.Size(1) != tk))
        {
            var own = CausalMask(tq, k.Size(1), q);
            (mask, causal) = (mask is null ? own : mask + own, false);
        }
        Tensor Heads(Tensor t) => t.Reshape(batch, t.Size(1), NumHeads, EmbedDim / NumHeads).Transpose(1, 2);
        var (qh, kh, vh) = (Heads(q), Heads(k), Heads(v));
        double drop = Training ? Dropout : 0;
        Tensor result;
        Tensor? weights = null;
        if (needWeights)
        {
            var scores = (qh * (1 / Math.Sqrt(qh.Size(-1)))).MatMul(kh.Transpose(-2, -1));
            weights = F.Dropout((mask is null ? scores : scores + mask).Softmax(-1), drop, true, generator: _generator);
            result = weights.MatMul(vh);
            weights = averageAttnWeights ? weights.Mean(1) : weights;
            weights = single ? weights.Squeeze(0) : weights;
        }
        else
            result = F.ScaledDotProductAttention(qh, kh, vh, mask, drop, causal, generator: _generator);
        var output = OutProj.Call(result.Transpose(1, 2).Reshape(batch, tq, EmbedDim));
        output =
            single ? output.Squeeze(0)
            : BatchFirst ? output
            : output.Transpose(0, 1);
        return (output, weights);
    }

    /// <summary>Forward with the module's hooks around it, which see the query and the output.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor, Tensor, Tensor?, bool, Tensor?, bool, bool)"/>
    public (Tensor Output, Tensor? Weights) Call(
        Tensor query,
        Tensor key,
        Tensor value,
        Tensor? keyPaddingMask = null,
        bool needWeights = true,
        Tensor? attnMask = null,
        bool averageAttnWeights = true,
        bool isCausal = false
    ) =>
        Hooked(
            query,
            q =>
                Forward(
                    q,
                    ReferenceEquals(key, query) ? q : key,
                    ReferenceEquals(value, query) ? q : value,
                    keyPaddingMask,
                    needWeights,
                    attnMask,
                    averageAttnWeights,
                    isCausal
                )
        );

    private (Tensor Q, Tensor K, Tensor V) Projected(
        Tensor query,
        Tensor key,
        Tensor value,
        Func<Tensor, Tensor> batched
    )
    {
        Tensor? Bias(int at) => InProjBias?.Narrow(0, at * EmbedDim, EmbedDim);
        if (InProjWeight is null)
            return (
                F.Linear(batched(query), _query!, Bias(0)),
                F.Linear(batched(key), _key!, Bias(1)),
                F.Linear(batched(value), _value!, Bias(2))
            );
        if (ReferenceEquals(query, key) && ReferenceEquals(key, value))
        {
            var all = F.Linear(batched(query), InProjWeight, InProjBias).Chunk(3, -1);
            return (all[0], all[1], all[2]);
        }
        Tensor One(Tensor t, int at) => F.Linear(batched(t), InProjWeight.Narrow(0, at * EmbedDim, EmbedDim), Bias(at));
        return (One(query, 0), One(key, 1), One(value, 2));
    }

    private void Check(Tensor query, Tensor key, Tensor value)
    {
        bool ranks = query.Rank is 2 or 3 && key.Rank == query.Rank && value.Rank == query.Rank;
        bool sizes = ranks && query.Size(-1) == EmbedDim && key.Size(-1) == Kdim && value.Size(-1) == Vdim;
        int at = BatchFirst ? 0 : 1;
        bool batches =
            sizes
            && (
                query.Rank == 2
                    ? key.Size(0) == value.Size(0)
                    : query.Size(at) == key.Size(at) && key.Size(0) == value.Size(0) && key.Size(1) == value.Size(1)
            );
        if (!batches)
            throw new ArgumentException(
                $"MultiheadAttention: a query of shape {query.Shape}, a key of shape {key.Shape} and a value of shape {value.Shape} do not fit; "
                    + $"they must be {(BatchFirst ? $"[b, t, {EmbedDim}], [b, s, {Kdim}] and [b, s, {Vdim}]" : $"[t, b, {EmbedDim}], [s, b, {Kdim}] and [s, b, {Vdim}]")}, or all without b."
            );
    }

    // What bools hide is −∞.
    private static Tensor Added(Tensor mask, Tensor like) =>
        mask.DType == DType.Bool
            ? Tensor.Zeros(mask.Shape, like.DType, like.Device).MaskedFill(mask, double.NegativeInfinity)
        : mask.DType.IsFloat() ? mask.To(like.DType)
        : throw new ArgumentException(
            $"MultiheadAttention: a mask is {mask.DType.Name()}, but must be of bools or floats."
        );

    // What is added behind is always seen.
    private static Tensor? Wider(Tensor? mask, Tensor like) =>
        mask is null
            ? null
            : Tensor.Cat([mask, Tensor.Zeros([.. mask.Layout.Sizes[..^1], 1], like.DType, like.Device)], -1);

    private static Tensor CausalMask(long tq, long tk, Tensor like)
    {
        var hidden = Tensor.Arange(tk, like.Device) > Tensor.Arange(tq, like.Device).Unsqueeze(1);
        return Added(hidden, like);
    }
}

/// <summary>
/// Queries and keys turned by their places (Su and others, 2021): pairs of numbers, at distances of half the size or, interleaved,
/// neighbours, by angles of place · base^(−2i/dim).
/// </summary>
public sealed class RotaryEmbedding : Module
{
    private readonly Tensor _cos;
    private readonly Tensor _sin;
    private readonly bool _interleaved;

    /// <exception cref="ArgumentException">An odd dim, or sizes below 1.</exception>
    public RotaryEmbedding(
        long dim,
        long maxSeqLen = 4096,
        double @base = 10000,
        bool interleaved = false,
        DType dtype = DType.Float32
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxSeqLen, 1);
        if (dim < 2 || dim % 2 != 0)
            throw new ArgumentException(
                $"RotaryEmbedding: dim is {dim}, but must be even and at least 2.",
                nameof(dim)
            );
        (Dim, _interleaved) = (dim, interleaved);
        var powers = Tensor.Arange(0, dim, 2, DType.Float64) / (double)dim;
        var angles = Tensor.Arange(0, maxSeqLen, 1, DType.Float64).Outer(Tensor.Pow(@base, -powers));
        _cos = RegisterBuffer("cos", angles.Cos().To(dtype), persistent: false);
        _sin = RegisterBuffer("sin", angles.Sin().To(dtype), persistent: false);
    }

    /// <summary>Numbers that are turned.</summary>
    public long Dim { get; }

    public override Tensor Forward(Tensor x) => Forward(x, 0);

    /// <param name="x">[…, t, dim].</param>
    /// <param name="offset">The place of the first one.</param>
    /// <exception cref="ArgumentException">A shape that does not fit, or places beyond the last one.</exception>
    public Tensor Forward(Tensor x, long offset)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (x.Rank < 2 || x.Size(-1) != Dim || offset < 0 || offset + x.Size(-2) > _cos.Size(0))
            throw new ArgumentException(
                $"RotaryEmbedding: an input of shape {x.Shape} from place {offset} on does not fit; it must be […, t, {Dim}] with places below {_cos.Size(0)}."
            );
        var (cos, sin) = (
            _cos.Narrow(0, offset, x.Size(-2)).To(x.DType),
            _sin.Narrow(0, offset, x.Size(-2)).To(x.DType)
        );
        if (_interleaved)
        {
            var pairs = x.Unflatten(-1, Dim / 2, 2);
            var (a, b) = (pairs.Select(-1, 0), pairs.Select(-1, 1));
            return Tensor.Stack([a * cos - b * sin, b * cos + a * sin], -1).Flatten(-2, -1);
        }
        var (first, second) = (x.Narrow(-1, 0, Dim / 2), x.Narrow(-1, Dim / 2, Dim / 2));
        return Tensor.Cat([first * cos - second * sin, second * cos + first * sin], -1);
    }

    protected override string ExtraRepr() => $"{Dim}, max_seq_len={_cos.Size(0)}, interleaved={_interleaved}";
}
