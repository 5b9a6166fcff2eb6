using System.Collections.Immutable;
using System.Runtime.CompilerServices;

namespace Picograd.Algorithms.Compose;

/// <summary>
/// Numbers that say what stages and buffers are, whatever they are called and wherever they stand: the same in every process. Different
/// ones have, in all likelihood, different numbers.
/// </summary>
internal sealed class StageHashes
{
    // How far what reads a buffer is looked at, to tell inputs apart.
    private const int Rounds = 3;

    private readonly List<Stage> _stages;
    private readonly Dictionary<Buffer, ulong> _buffers = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Stage, ulong> _made = new(ReferenceEqualityComparer.Instance);

    public StageHashes(List<Stage> stages, List<StageList.Given> given)
    {
        _stages = stages;
        // Inputs are told apart by what they are to a group, so that equal stages read the same.
        foreach (var (buffer, value, _) in given)
            _buffers[buffer] = Mix(Shape(buffer), (ulong)value + 1);
        Forward();
    }

    public ulong Of(Stage stage) => _made[stage];

    public ulong Of(Buffer buffer) => _buffers[buffer];

    /// <summary>
    /// Numbers that do not depend on which value of a group an input is, but on what reads it, and reads that.
    /// </summary>
    public void Refine(IEnumerable<Buffer> results)
    {
        var asked = new HashSet<Buffer>(results, ReferenceEqualityComparer.Instance);
        var inputs = _buffers.Keys.Where(b => !_stages.Exists(s => s.Outputs.Contains(b))).ToList();
        foreach (var input in inputs)
            _buffers[input] = Shape(input);
        Forward();
        for (int round = 0; round < Rounds; round++)
        {
            var next = new Dictionary<Buffer, ulong>(ReferenceEqualityComparer.Instance);
            foreach (var buffer in _buffers.Keys)
            {
                ulong uses = asked.Contains(buffer) ? 0x51UL : 0;
                // Whichever reader comes first.
                foreach (var reader in _stages)
                {
                    if (reader.Reads.Contains(buffer))
                        uses += Mix(Hash(reader, buffer), reader.Outputs.Aggregate(0UL, (h, o) => Mix(h, _buffers[o])));
                }
                next[buffer] = Mix(_buffers[buffer], uses);
            }
            foreach (var (buffer, hash) in next)
                _buffers[buffer] = hash;
        }
    }

    private void Forward()
    {
        foreach (var stage in _stages)
        {
            ulong hash = Hash(stage, null);
            _made[stage] = hash;
            for (int o = 0; o < stage.Outputs.Length; o++)
                _buffers[stage.Outputs[o]] = Mix(hash, (ulong)o);
        }
    }

    private static ulong Shape(Buffer buffer) =>
        buffer.Shape.Aggregate(Mix(0x1f, (ulong)buffer.Type), (h, e) => Mix(h, (ulong)((IntImm)e).Value));

    private ulong Hash(Stage stage, Buffer? self)
    {
        var places = new Dictionary<Var, int>();
        ulong hash = Mix((ulong)stage.Kind, (ulong)stage.Axes.Length);
        foreach (var axis in stage.Axes)
        {
            places[axis.Var] = places.Count;
            hash = Mix(Mix(hash, (ulong)axis.Kind), (ulong)((IntImm)axis.Extent).Value);
        }
        foreach (var output in stage.Outputs)
            hash = Mix(hash, Shape(output));
        var walk = new Walk(this, places, self);
        foreach (var e in stage.Indices.Concat(stage.Values))
            hash = Mix(hash, walk.Hash(e));
        if (stage.Reducer is { } reducer)
        {
            foreach (var e in reducer.Identity.Concat(reducer.Result))
                hash = Mix(hash, walk.Hash(e));
        }
        if (stage.Initial is { } initial)
            hash = Mix(hash, ReferenceEquals(initial, self) ? 0x5eUL : _buffers[initial]);
        return Mix(hash, (stage.InPlace ? 1UL : 0) + (stage.Detached ? 2UL : 0));
    }

    private static ulong Mix(ulong a, ulong b)
    {
        // The finalizer of SplitMix64.
        ulong x = (a * 0x9E3779B97F4A7C15) ^ (b + 0x7F4A7C15 + (a << 6) + (a >> 2));
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    private static ulong Text(string text) =>
        text.Aggregate(0xcbf29ce484222325, (hash, c) => (hash ^ c) * 0x100000001b3);

    // Parts that are shared are walked once.
    private sealed class Walk(StageHashes owner, Dictionary<Var, int> places, Buffer? self)
    {
        private readonly Dictionary<Expr, ulong> _known = new(ReferenceEqualityComparer.Instance);

        public ulong Hash(Expr e)
        {
            if (_known.TryGetValue(e, out ulong known))
                return known;
            ulong hash = e switch
            {
                IntImm i => Mix(Mix(1, (ulong)i.ImmType), (ulong)i.Value),
                FloatImm f => Mix(Mix(2, (ulong)f.ImmType), BitConverter.DoubleToUInt64Bits(f.Value)),
                Var v => Mix(3, (ulong)places[v]),
                Unary u => Mix(4, (ulong)u.Kind),
                Binary b => Mix(5, (ulong)b.Kind),
                Cast c => Mix(6, (ulong)c.To),
                Bitcast c => Mix(7, (ulong)c.To),
                Load l => Mix(8, ReferenceEquals(l.Buffer, self) ? 0x5eUL : owner._buffers[l.Buffer]),
                Apply a => Mix(9, Text(a.Function.Name)),
                ReducerArg a => Mix(Mix(10, a.IsNew ? 1UL : 0), (ulong)a.Index),
                _ => Mix(11, Text(e.GetType().Name)),
            };
            foreach (var child in e.Children())
                hash = Mix(hash, Hash(child));
            _known[e] = hash;
            return hash;
        }
    }
}
