using Picograd.Algorithms;

namespace Picograd.Gradients;

/// <summary>
/// One recorded operator: its rule, the nodes of its inputs, and what its derivative reads. A leaf has a node too, which
/// adds what it receives to the leaf's gradient. One flat class for all operators keeps recording at one allocation.
/// </summary>
internal sealed partial class Node
{
    private static long s_order;

    private readonly Rule _rule;
    private Node? _nextA;
    private Node? _nextB;
    private Node? _nextC;
    private Node?[]? _nextMore;
    private Layout? _shapeA;
    private Layout? _shapeB;
    private Layout? _shapeC;
    private Layout[]? _shapesMore;
    private Tensor? _a;
    private Tensor? _b;
    private Tensor? _c;
    private Tensor? _output;
    private int _versionA;
    private int _versionB;
    private int _versionC;
    private int _versionOutput;
    private Tensor?[]? _saved;
    private int[]? _versions;
    private bool _released;

    private Node(Rule rule)
    {
        _rule = rule;
        Order = Interlocked.Increment(ref s_order);
        if (Recording.IsWatched)
            Recording.Made(this);
    }

    /// <summary>The number of the node that was made last.</summary>
    public static long LastOrder => Interlocked.Read(ref s_order);

    /// <summary>Later nodes have higher numbers, so falling order is a topological order.</summary>
    public long Order { get; }

    public string Name => _rule.Name;

    /// <summary>Whether it is of a tensor beside a plain number, <see cref="X"/>.</summary>
    public bool IsByNumber =>
        _rule == Derivatives.AddNumber
        || _rule == Derivatives.SubNumber
        || _rule == Derivatives.MulNumber
        || _rule == Derivatives.DivNumber;

    /// <summary>The leaf whose gradient this node adds to; null for an operator.</summary>
    public Tensor? Leaf { get; private init; }

    /// <summary>What few nodes have: hooks, a tensor that keeps its gradient, where it was recorded.</summary>
    public NodeExtras? Extras { get; private set; }

    /// <summary><see cref="Extras"/>, made where there are none.</summary>
    public NodeExtras Extra => Extras ??= new NodeExtras();

    /// <summary>A non-leaf tensor that wants to keep its gradient.</summary>
    public Tensor? Retaining
    {
        get => Extras?.Retaining;
        set
        {
            if (value is not null || Extras is not null)
                Extra.Retaining = value;
        }
    }

    /// <summary>Attributes of the operator, as its row of the table says.</summary>
    public object? Data;
    public long I;
    public double X;

    /// <summary>Of a reduction or a gradient of one: what is reduced.</summary>
    public Layout Whole => Data as Layout ?? Shape(0);

    /// <summary>And a bit for each of its dimensions that is reduced.</summary>
    public uint Over => (uint)I;

    /// <summary>Its sizes, with 1 where it is reduced.</summary>
    public long[] Kept
    {
        get
        {
            long[] sizes = [.. Whole.Sizes];
            for (int d = 0; d < sizes.Length; d++)
                sizes[d] = (Over >> d & 1) != 0 ? 1 : sizes[d];
            return sizes;
        }
    }

    // State of one backward pass.
    public Tensor? Grad;
    public bool GradIsOwn;
    public long Pass;

    private static readonly Rule LeafRule = new("leaf", Saves.Nothing, static (_, _) => { });

    public static Node OfLeaf(Tensor leaf) => new(LeafRule) { Leaf = leaf };

    public static Node Of(Rule rule, Tensor output, Tensor a, Tensor? b = null, Tensor? c = null)
    {
        var node = new Node(rule) { _nextA = a.NodeForGrad(), _shapeA = a.Layout };
        var saves = rule.Saves;
        if ((saves & Saves.A) != 0)
            (node._a, node._versionA) = (a, a.Version);
        if (b is not null)
        {
            node._nextB = b.NodeForGrad();
            node._shapeB = b.Layout;
            if ((saves & Saves.B) != 0)
                (node._b, node._versionB) = (b, b.Version);
        }
        if (c is not null)
        {
            node._nextC = c.NodeForGrad();
            node._shapeC = c.Layout;
            if ((saves & Saves.C) != 0)
                (node._c, node._versionC) = (c, c.Version);
        }
        if ((saves & Saves.Output) != 0)
            (node._output, node._versionOutput) = (output, output.Version);
        return node;
    }

    /// <summary>For a tensor <paramref name="whole"/> of which a part was overwritten by what another node gave.</summary>
    /// <param name="part">Where the part lies.</param>
    /// <param name="values">Layout of the values.</param>
    /// <param name="next">Their node, or null where they are constants.</param>
    public static Node OfPart(Rule rule, Tensor whole, Part part, Layout values, Node? next) =>
        new(rule)
        {
            _nextA = whole.NodeForGrad(),
            _shapeA = whole.Layout,
            _nextB = next,
            _shapeB = values,
            Data = part,
        };

    /// <summary>Notes of a reduction what it reduced; null is its input.</summary>
    public Node OfReduced(Layout? whole, uint over)
    {
        Data = whole;
        I = over;
        return this;
    }

    /// <summary>Of any number of inputs.</summary>
    /// <param name="rule">Its rule.</param>
    /// <param name="inputs">All inputs.</param>
    /// <param name="saved">Inputs and outputs that its derivative reads, at their places; null for nothing.</param>
    public static Node OfMany(Rule rule, ReadOnlySpan<Tensor> inputs, Tensor?[]? saved = null)
    {
        var node = new Node(rule)
        {
            _nextMore = new Node?[inputs.Length],
            _shapesMore = new Layout[inputs.Length],
            _saved = saved,
        };
        for (int i = 0; i < inputs.Length; i++)
        {
            node._nextMore[i] = inputs[i].NodeForGrad();
            node._shapesMore[i] = inputs[i].Layout;
        }
        if (saved is not null)
            node._versions = Array.ConvertAll(saved, t => t?.Version ?? 0);
        return node;
    }

    public Tensor A => Saved(_a, _versionA);

    public Tensor B => Saved(_b, _versionB);

    public Tensor C => Saved(_c, _versionC);

    public Tensor Output => Saved(_output, _versionOutput);

    /// <summary>For an operator in place: its output is saved as it is after the change.</summary>
    public void ResaveOutput() => _versionOutput = _output?.Version ?? 0;

    /// <summary>Inputs of a node that is made by <see cref="Of"/>.</summary>
    public const int MostInputs = 3;

    /// <summary>Whether what it saved was let go of.</summary>
    public bool IsReleased => _released;

    /// <summary>An input that was saved.</summary>
    public Tensor Saved(int input) =>
        _saved is not null
            ? Saved(_saved[input], _versions![input])
            : input switch
            {
                0 => A,
                1 => B,
                _ => C,
            };

    /// <summary>An output that was saved, by its place among inputs and outputs.</summary>
    public Tensor SavedOutput(int operand) => _saved is null ? Output : Saved(operand);

    /// <summary>Whether an input or output was saved, by its place among inputs and outputs.</summary>
    public bool IsSaved(int operand) => _saved?[operand] is not null;

    public int InputCount => _nextMore?.Length ?? 3;

    /// <summary>Shape of an input.</summary>
    public Layout Shape(int input) =>
        _shapesMore is { } more
            ? more[input]
            : input switch
            {
                0 => _shapeA!,
                1 => _shapeB!,
                _ => _shapeC!,
            };

    public Node? Next(int input) =>
        _nextMore is { } more
            ? more[input]
            : input switch
            {
                0 => _nextA,
                1 => _nextB,
                _ => _nextC,
            };

    /// <summary>Whether an input wants its gradient.</summary>
    public bool Needs(int input) => Next(input) is { } next && !(Engine.IsPartial && Engine.Skips(next));

    /// <summary>
    /// Hands an input its gradient. One of a larger shape, because the input was broadcast, is summed to the input's shape.
    /// </summary>
    public void Send(int input, Tensor grad)
    {
        if (Next(input) is not { } next)
            return;
        var shape = Shape(input);
        if (!grad.Layout.SameSizes(shape))
        {
            var summed = grad.SumTo(shape);
            grad.DropIfUnheld(summed);
            grad = summed;
        }
        if (Anomalies.IsOn)
            Anomalies.Check(this, input, grad);
        Engine.Deliver(next, grad);
    }

    public void Apply(Tensor grad)
    {
        if (_released)
            throw new InvalidOperationException(
                $"Backward: the graph of {Name} was already used and freed; call Backward(retainGraph: true) the first time "
                    + "to go through it twice."
            );
        if (Extras is { Forgotten: not null })
            Recall();
        _rule.Apply(this, grad);
    }

    /// <summary>Whether its derivative is a program's own, or runs a part of the program again.</summary>
    public bool RunsUserCode => Data is FunctionContext || Extras is { Forgotten: not null };

    /// <summary>
    /// Lets go of saved tensors, so that memory is free before the whole graph is. A node that saved none can be gone
    /// through again.
    /// </summary>
    public void Release()
    {
        if (Data is FunctionContext context)
            context.Release();
        if (_a is null && _b is null && _c is null && _output is null && _saved is null)
            return;
        _released = true;
        _a = _b = _c = _output = null;
        _nextA = _nextB = _nextC = null;
        _nextMore = null;
        _saved = null;
        Data = null;
    }

    private Tensor Saved(Tensor? tensor, int version)
    {
        if (tensor is null)
            throw new InvalidOperationException($"Backward: {Name} did not save what its derivative reads.");
        if (tensor.Version != version)
            throw new InvalidOperationException(
                $"Backward: the {tensor.DType.Name()} tensor of shape {tensor.Layout} that {Name} saved was changed in place "
                    + $"afterwards (it is at version {tensor.Version}, saved at {version}); change a Clone() instead."
            );
        return tensor;
    }
}
