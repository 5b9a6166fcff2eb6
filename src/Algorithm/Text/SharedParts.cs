using System.Globalization;
using System.Runtime.CompilerServices;

namespace Picograd.Algorithms.Text;

/// <summary>
/// The parts of some expressions that get names where they are written: those that occur again, where all written out would be
/// long (a normal random number is 333 nodes as a graph and 140,889 as a tree), and those that lie deep. Parts are the same by
/// structure, so that the text says nothing of which objects are shared.
/// </summary>
internal sealed class SharedParts
{
    private readonly Dictionary<Expr, int> _ids = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, int> _known = [];
    private readonly List<Part> _parts = [];
    private readonly List<int> _named = [];
    private readonly Dictionary<object, int> _leaves = new(ReferenceEqualityComparer.Instance);

    private sealed class Part(Expr node, int[] children)
    {
        public Expr Node { get; } = node;

        public int[] Children { get; } = children;

        public int Uses { get; set; }

        public int Name { get; set; } = -1;

        /// <summary>Nodes as written, names counting one; and how many are above one another.</summary>
        public long Size { get; set; } = 1;

        public int Height { get; set; }
    }

    public SharedParts(IEnumerable<Expr> roots)
    {
        int[] tops = [.. roots.Select(Intern)];
        foreach (int top in tops)
            _parts[top].Uses++;
        foreach (var part in _parts)
        {
            foreach (int child in part.Children)
                _parts[child].Uses++;
        }
        bool isLong = WrittenOut(tops) > TextLimits.PrintedNodes;
        // Operands stand before what is made of them.
        for (int id = 0; id < _parts.Count; id++)
        {
            var part = _parts[id];
            foreach (int child in part.Children)
            {
                var operand = _parts[child];
                part.Size += operand.Name >= 0 ? 1 : operand.Size;
                part.Height = Math.Max(part.Height, 1 + (operand.Name >= 0 ? 0 : operand.Height));
            }
            bool again = isLong && part.Uses > 1 && part.Size >= TextLimits.NamedNodes;
            if (part.Children.Length == 0 || (!again && part.Height < TextLimits.PrintedHeight))
                continue;
            part.Name = _named.Count;
            _named.Add(id);
        }
    }

    /// <summary>What has a name, each after its own parts.</summary>
    public IEnumerable<Expr> Named => _named.Select(id => _parts[id].Node);

    /// <summary>Position in <see cref="Named"/>; −1 for what has no name.</summary>
    public int NameOf(Expr e) => _named.Count > 0 && _ids.TryGetValue(e, out int id) ? _parts[id].Name : -1;

    private long WrittenOut(int[] tops)
    {
        var sizes = new long[_parts.Count];
        for (int id = 0; id < sizes.Length; id++)
        {
            sizes[id] = 1;
            foreach (int child in _parts[id].Children)
                sizes[id] = Saturating.Add(sizes[id], sizes[child]);
        }
        return tops.Aggregate(0L, (sum, top) => Saturating.Add(sum, sizes[top]));
    }

    // Without recursion: this is what finds out how deep an expression is.
    private int Intern(Expr root)
    {
        var open = new Stack<Expr>();
        open.Push(root);
        while (open.TryPeek(out var e))
        {
            if (_ids.ContainsKey(e))
            {
                open.Pop();
                continue;
            }
            Expr[] children = [.. e.Children()];
            bool waits = false;
            foreach (var child in children)
            {
                if (_ids.ContainsKey(child))
                    continue;
                open.Push(child);
                waits = true;
            }
            if (waits)
                continue;
            open.Pop();
            int[] ids = [.. children.Select(c => _ids[c])];
            string key = $"{Own(e)} {string.Join(' ', ids)}";
            if (!_known.TryGetValue(key, out int id))
            {
                _known[key] = id = _parts.Count;
                _parts.Add(new Part(e, ids));
            }
            _ids[e] = id;
        }
        return _ids[root];
    }

    // What tells a node from another with the same operands.
    private string Own(Expr e) =>
        e switch
        {
            IntImm i => string.Create(CultureInfo.InvariantCulture, $"i{i.Value}{i.ImmType}"),
            FloatImm { ImmType: DType.Float32 } f => $"f{BitConverter.SingleToInt32Bits((float)f.Value)}",
            FloatImm f => $"f{BitConverter.DoubleToInt64Bits(f.Value)}{f.ImmType}",
            Var v => $"v{Leaf(v)}",
            Unary u => $"u{u.Kind}",
            Apply a => $"a{Leaf(a.Function)}",
            Binary b => $"b{b.Kind}",
            Cast c => $"c{c.To}",
            Bitcast c => $"t{c.To}",
            Load l => $"l{Leaf(l.Buffer)}",
            ReducerArg a => $"{(a.IsNew ? 'n' : 'a')}{a.Index}",
            Fma => "fma",
            Select => "select",
            _ => $"{e.GetType().Name}{RuntimeHelpers.GetHashCode(e)}",
        };

    private int Leaf(object o)
    {
        if (!_leaves.TryGetValue(o, out int number))
            _leaves[o] = number = _leaves.Count;
        return number;
    }
}
