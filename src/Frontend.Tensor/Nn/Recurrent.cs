using System.Globalization;
using Picograd.Algorithms;

namespace Picograd;

/// <summary>
/// What recurrent networks have in common: parameters by layer and direction, <c>weight_ih_l0</c>, <c>weight_hh_l0_reverse</c>, drawn uniform
/// within ±1/√hiddenSize, and the way through layers and directions.
/// </summary>
public abstract class RecurrentNetwork : Module
{
    private readonly RecurrentKind _kind;
    private readonly Generator? _generator;
    private readonly List<Weights> _layers = [];

    // Of a layer in one direction.
    private sealed record Weights(Tensor Input, Tensor State, Tensor? InputBias, Tensor? StateBias, Tensor? Projection)
    {
        // Within Autocast of another than the parameters'.
        public Weights To(DType type) =>
            Input.DType == type
                ? this
                : new(Input.To(type), State.To(type), InputBias?.To(type), StateBias?.To(type), Projection?.To(type));
    }

    private protected RecurrentNetwork(
        RecurrentKind kind,
        long inputSize,
        long hiddenSize,
        int numLayers,
        bool bias,
        bool batchFirst,
        double dropout,
        bool bidirectional,
        long projSize,
        Generator? generator,
        DType dtype
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(numLayers, 1);
        string name = GetType().Name;
        if (!(dropout >= 0 && dropout <= 1))
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{name}: dropout is {dropout}, but must be from 0 to 1."),
                nameof(dropout)
            );
        if (projSize < 0 || projSize >= hiddenSize)
            throw new ArgumentException(
                $"{name}: projSize is {projSize}, but must be at least 0 and below hiddenSize, {hiddenSize}.",
                nameof(projSize)
            );
        (_kind, InputSize, HiddenSize, NumLayers, HasBias) = (kind, inputSize, hiddenSize, numLayers, bias);
        (BatchFirst, Dropout, Bidirectional, ProjSize) = (batchFirst, dropout, bidirectional, projSize);
        _generator = generator;
        double bound = 1 / Math.Sqrt(hiddenSize);
        Tensor New(string parameter, params ReadOnlySpan<long> shape) =>
            Register(parameter, Tensor.Empty(shape, dtype).Uniform_(-bound, bound, generator));
        long gates = RecurrentSequence.GatesOf(kind) * hiddenSize;
        for (int layer = 0; layer < numLayers; layer++)
        for (int direction = 0; direction < Directions; direction++)
        {
            string suffix = $"l{layer}{(direction == 1 ? "_reverse" : "")}";
            long inputs = layer == 0 ? inputSize : StateSize * Directions;
            _layers.Add(
                new(
                    New($"weight_ih_{suffix}", gates, inputs),
                    New($"weight_hh_{suffix}", gates, StateSize),
                    bias ? New($"bias_ih_{suffix}", gates) : null,
                    bias ? New($"bias_hh_{suffix}", gates) : null,
                    projSize > 0 ? New($"weight_hr_{suffix}", projSize, hiddenSize) : null
                )
            );
        }
    }

    public long InputSize { get; }

    public long HiddenSize { get; }

    public int NumLayers { get; }

    /// <summary>Whether there are biases.</summary>
    public bool HasBias { get; }

    /// <summary>Whether sequences are the first dimension, [b, t, …], rather than the second.</summary>
    public bool BatchFirst { get; }

    /// <summary>How likely an element between layers is dropped while the module is trained.</summary>
    public double Dropout { get; }

    public bool Bidirectional { get; }

    /// <summary>Size of the states, of an LSTM with projections; else 0.</summary>
    public long ProjSize { get; }

    private protected override bool IsParametrizable => true;

    private int Directions => Bidirectional ? 2 : 1;

    private long StateSize => ProjSize > 0 ? ProjSize : HiddenSize;

    protected override string ExtraRepr() =>
        $"{InputSize}, {HiddenSize}"
        + (ProjSize > 0 ? $", proj_size={ProjSize}" : "")
        + (NumLayers != 1 ? $", num_layers={NumLayers}" : "")
        + (HasBias ? "" : ", bias=False")
        + (BatchFirst ? ", batch_first=True" : "")
        + (Dropout != 0 ? string.Create(CultureInfo.InvariantCulture, $", dropout={Dropout}") : "")
        + (Bidirectional ? ", bidirectional=True" : "");

    /// <summary>Results in the input's form, and last states [layers · directions, b, h].</summary>
    private protected (Tensor Output, Tensor H, Tensor? C) Run(Tensor x, Tensor? h0, Tensor? c0)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (Autocast.Of("rnn", x) is { } cast)
            return cast.Run([x, h0, c0], t => Run(t[0], t[1], t[2], isCast: true));
        return Run(x, h0, c0, isCast: false);
    }

    private (Tensor Output, Tensor H, Tensor? C) Run(Tensor x, Tensor? h0, Tensor? c0, bool isCast)
    {
        string name = GetType().Name;
        if (x.Rank is not (2 or 3))
            throw new ArgumentException(
                $"{name}: the input has the shape {x.Shape}, but must be {(BatchFirst ? "[b, t, in]" : "[t, b, in]")} or [t, in]."
            );
        bool single = x.Rank == 2;
        var given =
            single ? x.Unsqueeze(1)
            : BatchFirst ? x.Transpose(0, 1)
            : x;
        var (steps, batch) = (given.Size(0), given.Size(1));
        CheckInput(given.Size(2), x, isCast);
        if (steps == 0)
            throw new ArgumentException(
                $"{name}: the input of shape {x.Shape} has no steps; there must be at least one."
            );
        var h = State(h0, batch, single, StateSize, x, "h0");
        var c = _kind == RecurrentKind.Lstm ? State(c0, batch, single, HiddenSize, x, "c0") : null;
        long[] sizes = new long[steps];
        Array.Fill(sizes, batch);
        var (y, hn, cn) = Layers(given.Reshape(steps * batch, InputSize), sizes, h, c);
        y = y.Reshape(steps, batch, y.Size(1));
        if (single)
            return (y.Squeeze(1), hn.Squeeze(1), cn?.Squeeze(1));
        return (BatchFirst ? y.Transpose(0, 1) : y, hn, cn);
    }

    /// <summary>The same of packed sequences.</summary>
    private protected (PackedSequence Output, Tensor H, Tensor? C) Run(PackedSequence x, Tensor? h0, Tensor? c0)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (Autocast.Of("rnn", x.Data) is { } cast)
            return cast.Run([x.Data, h0, c0], t => Run(x with { Data = t[0] }, t[1], t[2], isCast: true));
        return Run(x, h0, c0, isCast: false);
    }

    private (PackedSequence Output, Tensor H, Tensor? C) Run(PackedSequence x, Tensor? h0, Tensor? c0, bool isCast)
    {
        CheckInput(x.Data.Size(-1), x.Data, isCast);
        long batch = x.BatchSizes[0];
        Tensor? Sorted(Tensor? state) =>
            state is null || x.SortedIndices is null ? state : state.IndexSelect(1, x.SortedIndices);
        Tensor? Unsorted(Tensor? state) =>
            state is null || x.UnsortedIndices is null ? state : state.IndexSelect(1, x.UnsortedIndices);
        var h = State(Sorted(h0), batch, false, StateSize, x.Data, "h0");
        var c = _kind == RecurrentKind.Lstm ? State(Sorted(c0), batch, false, HiddenSize, x.Data, "c0") : null;
        var (y, hn, cn) = Layers(x.Data, x.BatchSizes, h, c);
        return (x with { Data = y }, Unsorted(hn)!, Unsorted(cn));
    }

    private void CheckInput(long size, Tensor x, bool isCast)
    {
        if (size != InputSize)
            throw new ArgumentException(
                $"{GetType().Name}: the input has the shape {x.Shape}, but its last size must be {InputSize}."
            );
        var type = _layers[0].Input.DType;
        if (x.DType != type && !isCast)
            throw new ArgumentException(
                $"{GetType().Name}: the input is {x.DType.Name()}, the weights are {type.Name()}; convert one with To()."
            );
    }

    private Tensor State(Tensor? given, long batch, bool single, long size, Tensor like, string name)
    {
        long[] shape = [NumLayers * Directions, batch, size];
        if (given is null)
            return Tensor.Zeros(shape, like.DType, like.Device);
        long[] wanted = single ? [shape[0], size] : shape;
        if (!given.Layout.Sizes.AsSpan().SequenceEqual(wanted))
            throw new ArgumentException(
                $"{GetType().Name}: {name} has the shape {given.Shape}, but must be {new Dimensions(wanted)}: layers and directions, {(single ? "" : "sequences, ")}numbers of a state."
            );
        return single ? given.Unsqueeze(1) : given;
    }

    private (Tensor Output, Tensor H, Tensor? C) Layers(Tensor x, long[] sizes, Tensor h0, Tensor? c0)
    {
        var (lastStates, lastCells) = (new List<Tensor>(), new List<Tensor>());
        for (int layer = 0, at = 0; layer < NumLayers; layer++)
        {
            var results = new Tensor[Directions];
            for (int direction = 0; direction < Directions; direction++, at++)
            {
                var (y, h, c) = Layer(_layers[at], x, sizes, h0.Select(0, at), c0?.Select(0, at), direction == 1);
                results[direction] = y;
                lastStates.Add(h);
                if (c is not null)
                    lastCells.Add(c);
            }
            x = results.Length == 1 ? results[0] : Tensor.Cat(results, -1);
            if (layer + 1 < NumLayers)
                x = F.Dropout(x, Dropout, Training, generator: _generator);
        }
        return (x, Tensor.Stack(lastStates.ToArray()), c0 is null ? null : Tensor.Stack(lastCells.ToArray()));
    }

    private (Tensor Y, Tensor H, Tensor? C) Layer(
        Weights w,
        Tensor x,
        long[] sizes,
        Tensor h0,
        Tensor? c0,
        bool reverse
    )
    {
        bool gru = _kind == RecurrentKind.Gru;
        w = new Weights(
            Current(w.Input),
            Current(w.State),
            w.InputBias is null ? null : Current(w.InputBias),
            w.StateBias is null ? null : Current(w.StateBias),
            w.Projection is null ? null : Current(w.Projection)
        ).To(x.DType);
        // Both biases are added at once, but in a GRU, whose new values see one of them through a gate.
        var bias = gru || w.InputBias is null ? w.InputBias : w.InputBias + w.StateBias!;
        var pre = F.Linear(x, w.Input, bias);
        var sequence = new RecurrentSequence(_kind, sizes, reverse);
        if (w.Projection is not null)
            return Projected(w, pre, sizes, h0, c0!, reverse, sequence);
        var y = sequence.Run(pre, w.State, gru ? w.StateBias : null, h0, c0);
        if (c0 is null)
            return (y, sequence.Last(y), null);
        long rows = pre.Size(0);
        var states = y.Narrow(0, 0, rows);
        return (states, sequence.Last(states), y.Narrow(0, rows, c0.Size(0)));
    }

    // Step by step: the state is projected between.
    private static (Tensor, Tensor, Tensor?) Projected(
        Weights w,
        Tensor pre,
        long[] sizes,
        Tensor h,
        Tensor c,
        bool reverse,
        RecurrentSequence sequence
    )
    {
        var (first, firstCell) = (h, c);
        var (states, cells) = (new Tensor[sizes.Length], new Tensor[sizes.Length]);
        long at = reverse ? pre.Size(0) : 0;
        for (int i = 0; i < sizes.Length; i++)
        {
            int t = reverse ? sizes.Length - 1 - i : i;
            long n = sizes[t];
            at -= reverse ? n : 0;
            Tensor Rows(Tensor before, Tensor start) =>
                i == 0 ? start.Narrow(0, 0, n)
                : before.Size(0) >= n ? before.Narrow(0, 0, n)
                : Tensor.Cat([before, start.Narrow(0, before.Size(0), n - before.Size(0))]);
            (h, c) = (Rows(h, first), Rows(c, firstCell));
            var product = F.Linear(h, w.State);
            var (raw, next) = RecurrentSequence.Step(RecurrentKind.Lstm, pre.Narrow(0, at, n), product, c, c);
            (h, c) = (F.Linear(raw, w.Projection!), next!);
            (states[t], cells[t]) = (h, c);
            at += reverse ? 0 : n;
        }
        var (y, all) = (Tensor.Cat(states), Tensor.Cat(cells));
        return (y, sequence.Last(y), sequence.Last(all));
    }
}

/// <summary>A plain recurrent network: hₜ = tanh(W·xₜ + b + U·hₜ₋₁ + c), or max(…, 0).</summary>
/// <exception cref="ArgumentException">Sizes below 1, a dropout out of range, or another nonlinearity.</exception>
public sealed class RNN(
    long inputSize,
    long hiddenSize,
    int numLayers = 1,
    string nonlinearity = "tanh",
    bool bias = true,
    bool batchFirst = false,
    double dropout = 0,
    bool bidirectional = false,
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : RecurrentNetwork(
        Of(nonlinearity),
        inputSize,
        hiddenSize,
        numLayers,
        bias,
        batchFirst,
        dropout,
        bidirectional,
        0,
        generator,
        dtype
    )
{
    /// <summary>All states of the last layer.</summary>
    public override Tensor Forward(Tensor x) => Run(x, null, null).Output;

    /// <param name="x">[t, b, in] ([b, t, in] with batchFirst), or [t, in].</param>
    /// <param name="h0">First states [layers · directions, b, h]; null for 0.</param>
    /// <returns>All states of the last layer, and the last ones of all.</returns>
    public (Tensor Output, Tensor H) Forward(Tensor x, Tensor? h0 = null)
    {
        var (y, h, _) = Run(x, h0, null);
        return (y, h);
    }

    /// <summary>Forward with the module's hooks around it, which see all states.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor?)"/>
    public (Tensor Output, Tensor H) Call(Tensor x, Tensor? h0 = null) => Hooked(x, t => Forward(t, h0));

    /// <inheritdoc cref="Forward(Tensor, Tensor?)"/>
    public (PackedSequence Output, Tensor H) Forward(PackedSequence x, Tensor? h0 = null)
    {
        var (y, h, _) = Run(x, h0, null);
        return (y, h);
    }

    internal static RecurrentKind Of(string nonlinearity) =>
        nonlinearity switch
        {
            "tanh" => RecurrentKind.Tanh,
            "relu" => RecurrentKind.Relu,
            _ => throw new ArgumentException(
                $"RNN: nonlinearity is \"{nonlinearity}\", but must be \"tanh\" or \"relu\".",
                nameof(nonlinearity)
            ),
        };
}

/// <summary>Long short-term memory (Hochreiter and Schmidhuber, 1997), with forget gates; gates are in the order input, forget, cell, output.</summary>
/// <exception cref="ArgumentException">Sizes below 1, a dropout or projSize out of range.</exception>
public sealed class LSTM(
    long inputSize,
    long hiddenSize,
    int numLayers = 1,
    bool bias = true,
    bool batchFirst = false,
    double dropout = 0,
    bool bidirectional = false,
    long projSize = 0,
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : RecurrentNetwork(
        RecurrentKind.Lstm,
        inputSize,
        hiddenSize,
        numLayers,
        bias,
        batchFirst,
        dropout,
        bidirectional,
        projSize,
        generator,
        dtype
    )
{
    /// <summary>All states of the last layer.</summary>
    public override Tensor Forward(Tensor x) => Run(x, null, null).Output;

    /// <param name="x">[t, b, in] ([b, t, in] with batchFirst), or [t, in].</param>
    /// <param name="hx">First states and cells [layers · directions, b, h]; null for 0.</param>
    /// <returns>All states of the last layer, and the last states and cells of all.</returns>
    public (Tensor Output, (Tensor H, Tensor C) State) Forward(Tensor x, (Tensor H, Tensor C)? hx = null)
    {
        var (y, h, c) = Run(x, hx?.H, hx?.C);
        return (y, (h, c!));
    }

    /// <summary>Forward with the module's hooks around it, which see all states.</summary>
    /// <inheritdoc cref="Forward(Tensor, ValueTuple{Tensor, Tensor}?)"/>
    public (Tensor Output, (Tensor H, Tensor C) State) Call(Tensor x, (Tensor H, Tensor C)? hx = null) =>
        Hooked(x, t => Forward(t, hx));

    /// <inheritdoc cref="Forward(Tensor, ValueTuple{Tensor, Tensor}?)"/>
    public (PackedSequence Output, (Tensor H, Tensor C) State) Forward(
        PackedSequence x,
        (Tensor H, Tensor C)? hx = null
    )
    {
        var (y, h, c) = Run(x, hx?.H, hx?.C);
        return (y, (h, c!));
    }
}

/// <summary>Gated recurrent units (Cho and others, 2014), as PyTorch and cuDNN have them; gates are in the order reset, update, new.</summary>
/// <exception cref="ArgumentException">Sizes below 1, or a dropout out of range.</exception>
public sealed class GRU(
    long inputSize,
    long hiddenSize,
    int numLayers = 1,
    bool bias = true,
    bool batchFirst = false,
    double dropout = 0,
    bool bidirectional = false,
    Generator? generator = null,
    DType dtype = DType.Float32
)
    : RecurrentNetwork(
        RecurrentKind.Gru,
        inputSize,
        hiddenSize,
        numLayers,
        bias,
        batchFirst,
        dropout,
        bidirectional,
        0,
        generator,
        dtype
    )
{
    /// <summary>All states of the last layer.</summary>
    public override Tensor Forward(Tensor x) => Run(x, null, null).Output;

    /// <param name="x">[t, b, in] ([b, t, in] with batchFirst), or [t, in].</param>
    /// <param name="h0">First states [layers · directions, b, h]; null for 0.</param>
    /// <returns>All states of the last layer, and the last ones of all.</returns>
    public (Tensor Output, Tensor H) Forward(Tensor x, Tensor? h0 = null)
    {
        var (y, h, _) = Run(x, h0, null);
        return (y, h);
    }

    /// <summary>Forward with the module's hooks around it, which see all states.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor?)"/>
    public (Tensor Output, Tensor H) Call(Tensor x, Tensor? h0 = null) => Hooked(x, t => Forward(t, h0));

    /// <inheritdoc cref="Forward(Tensor, Tensor?)"/>
    public (PackedSequence Output, Tensor H) Forward(PackedSequence x, Tensor? h0 = null)
    {
        var (y, h, _) = Run(x, h0, null);
        return (y, h);
    }
}
