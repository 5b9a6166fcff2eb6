using Picograd.Algorithms;

namespace Picograd;

/// <summary>What single steps of recurrent networks have in common: weights drawn uniform within ±1/√hiddenSize.</summary>
public abstract class RecurrentCell : Module
{
    private readonly RecurrentKind _kind;

    private protected RecurrentCell(
        RecurrentKind kind,
        long inputSize,
        long hiddenSize,
        bool bias,
        Generator? generator,
        DType dtype
    )
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(inputSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(hiddenSize, 1);
        (_kind, InputSize, HiddenSize) = (kind, inputSize, hiddenSize);
        double bound = 1 / Math.Sqrt(hiddenSize);
        long gates = RecurrentSequence.GatesOf(kind) * hiddenSize;
        Tensor New(string name, params ReadOnlySpan<long> shape) =>
            Register(name, Tensor.Empty(shape, dtype).Uniform_(-bound, bound, generator));
        WeightIh = New("weight_ih", gates, inputSize);
        WeightHh = New("weight_hh", gates, hiddenSize);
        if (!bias)
            return;
        BiasIh = New("bias_ih", gates);
        BiasHh = New("bias_hh", gates);
    }

    public long InputSize { get; }

    public long HiddenSize { get; }

    /// <summary>[gates · h, in].</summary>
    public Tensor WeightIh { get; }

    /// <summary>[gates · h, h].</summary>
    public Tensor WeightHh { get; }

    /// <summary>[gates · h]; null without bias.</summary>
    public Tensor? BiasIh { get; }

    /// <summary>[gates · h]; null without bias.</summary>
    public Tensor? BiasHh { get; }

    protected override string ExtraRepr() => $"{InputSize}, {HiddenSize}{(BiasIh is null ? ", bias=False" : "")}";

    private protected (Tensor H, Tensor? C) Step(Tensor x, Tensor? h0, Tensor? c0)
    {
        ArgumentNullException.ThrowIfNull(x);
        if (Autocast.Of("rnn_cell", x) is { } cast)
            return cast.Run(
                [x, h0, c0, WeightIh, WeightHh, BiasIh, BiasHh],
                t => Step(t[0], t[1], t[2], t[3], t[4], t[5], t[6])
            );
        return Step(x, h0, c0, WeightIh, WeightHh, BiasIh, BiasHh);
    }

    private (Tensor H, Tensor? C) Step(
        Tensor x,
        Tensor? h0,
        Tensor? c0,
        Tensor weightIh,
        Tensor weightHh,
        Tensor? biasIh,
        Tensor? biasHh
    )
    {
        string name = GetType().Name;
        if (x.Rank is not (1 or 2) || x.Size(-1) != InputSize)
            throw new ArgumentException(
                $"{name}: the input has the shape {x.Shape}, but must be [b, {InputSize}] or [{InputSize}]."
            );
        bool single = x.Rank == 1;
        var given = single ? x.Unsqueeze(0) : x;
        Tensor State(Tensor? state)
        {
            if (state is null)
                return Tensor.Zeros([given.Size(0), HiddenSize], x.DType, x.Device);
            var own = single && state.Rank == 1 ? state.Unsqueeze(0) : state;
            return own.Rank == 2 && own.Size(0) == given.Size(0) && own.Size(1) == HiddenSize
                ? own
                : throw new ArgumentException(
                    $"{name}: a state has the shape {state.Shape}, but must be {(single ? "" : $"[{given.Size(0)}, {HiddenSize}]")}{(single ? $"[{HiddenSize}]" : "")}."
                );
        }
        var h = State(h0);
        var c = _kind == RecurrentKind.Lstm ? State(c0) : null;
        var pre = F.Linear(given, weightIh, biasIh);
        var product = F.Linear(h, weightHh, biasHh);
        var (next, cell) = RecurrentSequence.Step(_kind, pre, product, h, c);
        return single ? (next.Squeeze(0), cell?.Squeeze(0)) : (next, cell);
    }
}

/// <summary>A step of an <see cref="RNN"/>.</summary>
public sealed class RNNCell(
    long inputSize,
    long hiddenSize,
    bool bias = true,
    string nonlinearity = "tanh",
    Generator? generator = null,
    DType dtype = DType.Float32
) : RecurrentCell(RNN.Of(nonlinearity), inputSize, hiddenSize, bias, generator, dtype)
{
    public override Tensor Forward(Tensor x) => Step(x, null, null).H;

    /// <param name="x">[b, in] or [in].</param>
    /// <param name="hx">[b, h] or [h]; null for 0.</param>
    public Tensor Forward(Tensor x, Tensor? hx) => Step(x, hx, null).H;

    /// <summary>Forward with the module's hooks around it.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor?)"/>
    public Tensor Call(Tensor x, Tensor? hx) => Hooked(x, t => Forward(t, hx));
}

/// <summary>A step of an <see cref="LSTM"/>.</summary>
public sealed class LSTMCell(
    long inputSize,
    long hiddenSize,
    bool bias = true,
    Generator? generator = null,
    DType dtype = DType.Float32
) : RecurrentCell(RecurrentKind.Lstm, inputSize, hiddenSize, bias, generator, dtype)
{
    public override Tensor Forward(Tensor x) => Step(x, null, null).H;

    /// <param name="x">[b, in] or [in].</param>
    /// <param name="hx">States and cells [b, h] or [h]; null for 0.</param>
    public (Tensor H, Tensor C) Forward(Tensor x, (Tensor H, Tensor C)? hx = null)
    {
        var (h, c) = Step(x, hx?.H, hx?.C);
        return (h, c!);
    }

    /// <summary>Forward with the module's hooks around it.</summary>
    /// <inheritdoc cref="Forward(Tensor, ValueTuple{Tensor, Tensor}?)"/>
    public (Tensor H, Tensor C) Call(Tensor x, (Tensor H, Tensor C)? hx = null) => Hooked(x, t => Forward(t, hx));
}

/// <summary>A step of a <see cref="GRU"/>.</summary>
public sealed class GRUCell(
    long inputSize,
    long hiddenSize,
    bool bias = true,
    Generator? generator = null,
    DType dtype = DType.Float32
) : RecurrentCell(RecurrentKind.Gru, inputSize, hiddenSize, bias, generator, dtype)
{
    public override Tensor Forward(Tensor x) => Step(x, null, null).H;

    /// <param name="x">[b, in] or [in].</param>
    /// <param name="hx">[b, h] or [h]; null for 0.</param>
    public Tensor Forward(Tensor x, Tensor? hx) => Step(x, hx, null).H;

    /// <summary>Forward with the module's hooks around it.</summary>
    /// <inheritdoc cref="Forward(Tensor, Tensor?)"/>
    public Tensor Call(Tensor x, Tensor? hx) => Hooked(x, t => Forward(t, hx));
}
