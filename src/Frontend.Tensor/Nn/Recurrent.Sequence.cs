using Picograd.Algorithms;
using Picograd.Calls;
using Picograd.Gradients;

namespace Picograd;

/// <summary>Kinds of recurrent networks, and how many gates each has.</summary>
internal enum RecurrentKind
{
    Tanh,
    Relu,
    Lstm,
    Gru,
}

/// <summary>
/// A layer of a recurrent network over a sequence, in one direction, as one node: what the input gives to all gates is there for all steps at
/// once; a step is a product with the state and one kernel. The gradient goes back the same way, and that of the weights is one product over
/// all steps.
/// </summary>
/// <param name="kind">Of which cells.</param>
/// <param name="sizes">How many sequences each step has, none more than the one before.</param>
/// <param name="reverse">Whether it goes from the last step to the first.</param>
internal sealed class RecurrentSequence(RecurrentKind kind, long[] sizes, bool reverse)
{
    private static readonly Operator LstmCell = new("lstm_cell", derives: true);
    private static readonly Operator LstmGrad = new("lstm_cell_grad");
    private static readonly Operator GruCell = new("gru_cell", derives: true);
    private static readonly Operator GruGrad = new("gru_cell_grad");
    private static readonly Operator TanhCell = new("rnn_cell", derives: true);
    private static readonly Operator TanhGrad = new("rnn_cell_grad");
    private static readonly Operator ReluCell = new("rnn_cell", "act=relu", derives: true);
    private static readonly Operator ReluGrad = new("rnn_cell_grad", "act=relu");
    private static readonly Rule SequenceRule = new(
        "recurrent",
        Saves.Nothing,
        static (n, g) => ((RecurrentSequence)n.Data!).Send(n, g)
    );

    private readonly long[] _offsets = Offsets(sizes);
    private Tensor[] _states = [];
    private Tensor[] _cells = [];
    private Tensor? _gates;
    private Tensor? _other;
    private Tensor? _products;

    public static int GatesOf(RecurrentKind kind) =>
        kind switch
        {
            RecurrentKind.Lstm => 4,
            RecurrentKind.Gru => 3,
            _ => 1,
        };

    private static long[] Offsets(long[] sizes)
    {
        long[] offsets = new long[sizes.Length + 1];
        for (int t = 0; t < sizes.Length; t++)
            offsets[t + 1] = offsets[t] + sizes[t];
        return offsets;
    }

    private long Rows => _offsets[^1];

    private bool IsLstm => kind == RecurrentKind.Lstm;

    /// <summary>One step of tensors [n, …], recorded: the new state and, of an LSTM, the new cell.</summary>
    public static (Tensor H, Tensor? C) Step(RecurrentKind kind, Tensor pre, Tensor product, Tensor h, Tensor? c)
    {
        long[] gates = [h.Size(0), GatesOf(kind), h.Size(1)];
        if (kind == RecurrentKind.Lstm)
        {
            var results = LstmCell.RunAll([pre.Reshape(gates), product.Reshape(gates), c!]);
            return (results[0], results[1]);
        }
        return kind == RecurrentKind.Gru
            ? (GruCell.RunAll([pre.Reshape(gates), product.Reshape(gates), h])[0], null)
            : ((kind == RecurrentKind.Tanh ? TanhCell : ReluCell).Recorded(pre, product), null);
    }

    /// <summary>States of all steps one after the other [Σ sizes, h], of an LSTM the last cells [b, h] behind them.</summary>
    /// <param name="pre">What the input gives to the gates [Σ sizes, gates · h].</param>
    /// <param name="weight">[gates · h, h].</param>
    /// <param name="bias">Of the product with the state, of a GRU [gates · h].</param>
    /// <param name="h0">[b, h].</param>
    /// <param name="c0">[b, h], of an LSTM.</param>
    public Tensor Run(Tensor pre, Tensor weight, Tensor? bias, Tensor h0, Tensor? c0)
    {
        Tensor[] inputs =
        [
            pre,
            weight,
            .. bias is null ? (Tensor[])[] : [bias],
            h0,
            .. c0 is null ? (Tensor[])[] : [c0],
        ];
        bool records = false;
        foreach (var input in inputs)
            records |= Tensor.Records(input);
        Tensor y;
        using (Tensor.NoGrad())
            y = Forward(pre.Contiguous(), weight, bias, h0.Contiguous(), c0?.Contiguous());
        if (!records)
        {
            (_states, _cells, _gates, _other, _products) = ([], [], null, null, null);
            return y;
        }
        Tensor?[] saved = [.. inputs, y];
        y.SetNode(Node.OfMany(SequenceRule, inputs, saved)).Data = this;
        return y;
    }

    private IEnumerable<int> Steps(bool back)
    {
        int count = sizes.Length;
        return Enumerable.Range(0, count).Select(t => reverse == back ? t : count - 1 - t);
    }

    private Tensor Forward(Tensor pre, Tensor weight, Tensor? bias, Tensor h0, Tensor? c0)
    {
        int count = GatesOf(kind);
        var (batch, h) = (h0.Size(0), h0.Size(1));
        var (type, runtime) = (pre.DType, pre.Runtime);
        Tensor New(params ReadOnlySpan<long> shape) => Tensor.Allocate(shape, type, runtime);
        var y = New(Rows + (IsLstm ? batch : 0), h);
        // Contiguous, so that steps are parts of them.
        var cells = IsLstm ? New(Rows, h) : null;
        _gates =
            IsLstm ? New(Rows, 4, h)
            : kind == RecurrentKind.Gru ? New(Rows, 2, h)
            : null;
        _other = count > 1 ? New(Rows, h) : null;
        _products = kind == RecurrentKind.Gru ? New(Rows, 3, h) : null;
        (_states, _cells) = (new Tensor[sizes.Length], new Tensor[IsLstm ? sizes.Length : 0]);
        int before = -1;
        foreach (int t in Steps(back: false))
        {
            long n = sizes[t];
            var state = _states[t] = Previous(y, h0, before, n);
            var product = F.LinearOperator.Product(state, weight, bias, transposed: true);
            var (own, result) = (Part(pre, t), Part(y, t));
            switch (kind)
            {
                case RecurrentKind.Lstm:
                    var cell = _cells[t] = Previous(cells!, c0!, before, n);
                    LstmCell.RunInto(
                        [own.ReshapeTo([n, 4, h]), product.ReshapeTo([n, 4, h]), cell],
                        [result, Part(cells!, t), Part(_gates!, t), Part(_other!, t)]
                    );
                    break;
                case RecurrentKind.Gru:
                    var three = product.ReshapeTo([n, 3, h]);
                    Part(_products!, t).Copy_(three);
                    GruCell.RunInto(
                        [own.ReshapeTo([n, 3, h]), three, state],
                        [result, Part(_gates!, t), Part(_other!, t)]
                    );
                    break;
                default:
                    (kind == RecurrentKind.Tanh ? TanhCell : ReluCell).RunInto([own, product], [result]);
                    break;
            }
            before = t;
        }
        if (IsLstm)
            y.Narrow(0, Rows, batch).Copy_(Last(cells!));
        return y;
    }

    private Tensor Part(Tensor all, int t) => all.Narrow(0, _offsets[t], sizes[t]);

    // The first n rows of the step before; what joins comes from the start.
    private Tensor Previous(Tensor all, Tensor start, int before, long n)
    {
        if (before < 0)
            return n == start.Size(0) ? start : start.Narrow(0, 0, n);
        long there = sizes[before];
        var own = all.Narrow(0, _offsets[before], Math.Min(n, there));
        return n <= there ? own : Tensor.Cat([own, start.Narrow(0, there, n - there)]);
    }

    /// <summary>The last state of each sequence [b, h] among those of all steps.</summary>
    public Tensor Last(Tensor all)
    {
        if (reverse)
            return all.Narrow(0, 0, sizes[0]);
        var pieces = new List<Tensor>();
        long have = 0;
        for (int t = sizes.Length - 1; t >= 0; t--)
        {
            if (sizes[t] > have)
                pieces.Add(all.Narrow(0, _offsets[t] + have, sizes[t] - have));
            have = Math.Max(have, sizes[t]);
        }
        return pieces.Count == 0 ? all.Narrow(0, 0, 0) : Joined(pieces);
    }

    private void Send(Node n, Tensor grad)
    {
        if (GradMode.Enabled)
        {
            SendRecorded(n, grad);
            return;
        }
        bool biased = kind == RecurrentKind.Gru && n.InputCount == 4;
        int at = biased ? 3 : 2;
        var (weight, h0) = (n.Saved(1), n.Saved(at));
        var y = n.Saved(n.InputCount);
        var (batch, h, gates) = (h0.Size(0), h0.Size(1), GatesOf(kind));
        grad = grad.Contiguous();
        var dx = Tensor.Allocate([Rows, gates, h], grad.DType, grad.Runtime);
        var dr = kind == RecurrentKind.Gru ? Tensor.Allocate([Rows, gates, h], grad.DType, grad.Runtime) : dx;
        Tensor? carried = null;
        var cells = IsLstm ? grad.Narrow(0, Rows, batch) : null;
        Tensor? cell = null;
        var (ended, endedCells) = (new List<Tensor>(), new List<Tensor>());
        int[] steps = [.. Steps(back: true)];
        for (int i = 0; i < steps.Length; i++)
        {
            int t = steps[i];
            long count = sizes[t];
            carried = Grown(carried, count, null, grad);
            var own = Part(grad, t);
            var (dxt, drt) = (Part(dx, t), Part(dr, t));
            Tensor? more = null;
            switch (kind)
            {
                case RecurrentKind.Lstm:
                    cell = Grown(cell, count, cells, grad);
                    var before = cell.AllocateLike(cell.DType);
                    LstmGrad.RunInto(
                        [Part(_gates!, t), _cells[t], Part(_other!, t), carried, own, cell],
                        [dxt, before]
                    );
                    cell = before;
                    break;
                case RecurrentKind.Gru:
                    more = carried.AllocateLike(carried.DType);
                    GruGrad.RunInto(
                        [Part(_gates!, t), Part(_other!, t), Part(_products!, t), _states[t], carried, own],
                        [dxt, drt, more]
                    );
                    break;
                default:
                    (kind == RecurrentKind.Tanh ? TanhGrad : ReluGrad).RunInto(
                        [Part(y, t), carried, own],
                        [dxt.ReshapeTo([count, h])]
                    );
                    break;
            }
            carried = Tensor.MatmulOperator.Product(drt.ReshapeTo([count, gates * h]), weight);
            if (more is not null)
                carried = carried + more;
            // In the other direction sequences begin at their ends: these are done.
            long next = i + 1 < steps.Length ? sizes[steps[i + 1]] : 0;
            if (next < count)
            {
                ended.Add(carried.Narrow(0, next, count - next));
                carried = carried.Narrow(0, 0, next);
                if (cell is not null)
                {
                    endedCells.Add(cell.Narrow(0, next, count - next));
                    cell = cell.Narrow(0, 0, next);
                }
            }
        }
        ended.Reverse();
        endedCells.Reverse();
        if (n.Needs(0))
            n.Send(0, dx.ReshapeTo([Rows, gates * h]));
        var flat = dr.ReshapeTo([Rows, gates * h]);
        if (n.Needs(1))
            n.Send(1, Tensor.MatmulOperator.Product(flat.Transpose(0, 1), Tensor.Cat(_states)));
        if (biased && n.Needs(2))
            n.Send(2, flat.Sum(0));
        if (n.Needs(at))
            n.Send(at, Started(ended, h0));
        if (IsLstm && n.Needs(at + 1))
            n.Send(at + 1, Started(endedCells, h0));
    }

    // Of no sequences there is nothing.
    private static Tensor Started(List<Tensor> ended, Tensor h0) =>
        ended.Count == 0 ? Tensor.Zeros(h0.Shape, h0.DType, h0.Device) : Joined(ended);

    private static Tensor Joined(List<Tensor> pieces) => pieces.Count == 1 ? pieces[0] : Tensor.Cat(pieces.ToArray());

    // A gradient that is differentiated in its turn is that of the steps one by one.
    private void SendRecorded(Node n, Tensor grad)
    {
        Tensor[] inputs = [.. Enumerable.Range(0, n.InputCount).Select(n.Saved)];
        bool biased = kind == RecurrentKind.Gru && inputs.Length == 4;
        int at = biased ? 3 : 2;
        var (states, cells) = (new Tensor[sizes.Length], new Tensor[IsLstm ? sizes.Length : 0]);
        int before = -1;
        Tensor Rows(Tensor[] all, Tensor start, long count)
        {
            if (before < 0)
                return start.Narrow(0, 0, count);
            long there = sizes[before];
            return there >= count
                ? all[before].Narrow(0, 0, count)
                : Tensor.Cat([all[before], start.Narrow(0, there, count - there)]);
        }
        foreach (int t in Steps(back: false))
        {
            var h = Rows(states, inputs[at], sizes[t]);
            var c = IsLstm ? Rows(cells, inputs[at + 1], sizes[t]) : null;
            var product = F.Linear(h, inputs[1], biased ? inputs[2] : null);
            var (next, cell) = Step(kind, Part(inputs[0], t), product, h, c);
            states[t] = next;
            if (cell is not null)
                cells[t] = cell;
            before = t;
        }
        var y = Tensor.Cat(states);
        if (IsLstm)
            y = Tensor.Cat([y, Last(Tensor.Cat(cells))]);
        int[] wanted = [.. Enumerable.Range(0, inputs.Length).Where(n.Needs)];
        var slopes = Autograd.Grad([y], [.. wanted.Select(i => inputs[i])], [grad], createGraph: true);
        for (int i = 0; i < wanted.Length; i++)
            n.Send(wanted[i], slopes[i]!);
    }

    // What comes from the step behind, with rows for the sequences that end here: zeros, or those of the last cells.
    private static Tensor Grown(Tensor? carried, long rows, Tensor? ends, Tensor like)
    {
        long have = carried?.Size(0) ?? 0;
        if (carried is not null && have == rows)
            return carried;
        var more = ends is null
            ? Tensor.Zeros([rows - have, like.Size(1)], like.DType, like.Device)
            : ends.Narrow(0, have, rows - have);
        return have == 0 ? more : Tensor.Cat([carried!, more]);
    }
}
