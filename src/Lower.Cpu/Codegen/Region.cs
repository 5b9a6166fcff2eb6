using Picograd.Algorithms;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// A straight-line stretch of the program being built: values hash-consed into a DAG, side effects in order. Equal loads
/// share a node until something is stored to their buffer.
/// </summary>
internal sealed class Region
{
    private readonly Dictionary<Buffer, int> _epochs = [];
    private readonly HashSet<Buffer> _read = [];

    // Innermost last: what is built inside may share what is outside, not the other way round.
    private readonly List<Dictionary<Key, Node>> _scopes =
    [
        [],
    ];

    // As _scopes, of expression objects: what they were built to, under which context and after how many effects.
    private readonly List<Dictionary<Expr, (Node Node, object? Context, int Effects)>> _built =
    [
        new(ReferenceEqualityComparer.Instance),
    ];
    private int _ids;

    public List<Effect> Effects { get; } = [];

    /// <summary>Nodes <see cref="NodeOp.FarAngle"/> that are computed always.</summary>
    public List<Node> Angles { get; } = [];

    public bool IsEmpty => Effects.Count == 0;

    public Node Make(NodeOp op, ValueType type, object? data, int epoch, params Node[] inputs)
    {
        var key = new Key(op, type, data, epoch, inputs);
        if (Find(key) is { } known)
            return known;
        var node = _scopes[^1][key] = new Node(op, type, inputs, data, _ids++, _scopes.Count);
        if (op == NodeOp.FarAngle && node.Depth == 1)
            Angles.Add(node);
        return node;
    }

    /// <summary>Whether a value has been made that is computed whenever one made now would be.</summary>
    public bool Contains(NodeOp op, ValueType type, object? data, int epoch, params Node[] inputs) =>
        Find(new Key(op, type, data, epoch, inputs)) is not null;

    public Node Make(NodeOp op, ValueType type, object? data, params Node[] inputs) => Make(op, type, data, 0, inputs);

    public Node Int(long value, DType type = DType.Int64) => Make(NodeOp.IntConst, ValueType.Scalar(type), value);

    /// <summary>
    /// Builds nodes of which nothing outside shares those that are new: for operands that may be left alone at run time.
    /// </summary>
    public Node Private(Func<Expr, Node> build, Expr operand)
    {
        _scopes.Add([]);
        _built.Add(new(ReferenceEqualityComparer.Instance));
        var node = build(operand);
        _built.RemoveAt(_built.Count - 1);
        _scopes.RemoveAt(_scopes.Count - 1);
        return node;
    }

    /// <summary>
    /// The node that an expression object was built to, if it was and nothing has been written since. Without it
    /// expressions are walked as trees: emitting random_normal, where every word of a Philox round is used twice, took
    /// 35 ms.
    /// </summary>
    /// <param name="context">What else decided about the node.</param>
    public Node? Built(Expr e, object? context)
    {
        for (int i = _built.Count - 1; i >= 0; i--)
        {
            if (
                _built[i].TryGetValue(e, out var built)
                && ReferenceEquals(built.Context, context)
                && built.Effects == Effects.Count
            )
                return built.Node;
        }
        return null;
    }

    /// <summary>Notes what an expression object was built to.</summary>
    public Node Built(Expr e, object? context, Node node)
    {
        _built[^1][e] = (node, context, Effects.Count);
        return node;
    }

    /// <summary>How often a buffer has been written, for a load of it.</summary>
    public int EpochOf(Buffer buffer)
    {
        _read.Add(buffer);
        return _epochs.GetValueOrDefault(buffer);
    }

    /// <summary>Whether there is a load of a buffer.</summary>
    public bool WasRead(Buffer buffer) => _read.Contains(buffer);

    public void Written(Buffer buffer) => _epochs[buffer] = _epochs.GetValueOrDefault(buffer) + 1;

    public void Add(EffectKind kind, object? data, params Node[] inputs) => Effects.Add(new Effect(kind, inputs, data));

    private Node? Find(Key key)
    {
        for (int i = _scopes.Count - 1; i >= 0; i--)
        {
            if (_scopes[i].TryGetValue(key, out var node))
                return node;
        }
        return null;
    }

    private readonly struct Key(NodeOp op, ValueType type, object? data, int epoch, Node[] inputs) : IEquatable<Key>
    {
        private readonly NodeOp _op = op;
        private readonly ValueType _type = type;
        private readonly object? _data = data;
        private readonly int _epoch = epoch;
        private readonly Node[] _inputs = inputs;

        public bool Equals(Key other)
        {
            if (
                _op != other._op
                || _type != other._type
                || _epoch != other._epoch
                || _inputs.Length != other._inputs.Length
            )
                return false;
            for (int i = 0; i < _inputs.Length; i++)
            {
                if (!ReferenceEquals(_inputs[i], other._inputs[i]))
                    return false;
            }
            return Equals(_data, other._data);
        }

        public override bool Equals(object? obj) => obj is Key other && Equals(other);

        public override int GetHashCode()
        {
            int hash = HashCode.Combine(_op, _type, _data, _epoch);
            foreach (var input in _inputs)
                hash = HashCode.Combine(hash, input.Id);
            return hash;
        }
    }
}
