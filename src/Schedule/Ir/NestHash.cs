using System.Runtime.CompilerServices;
using Picograd.Algorithms;

namespace Picograd.Schedules.Ir;

/// <summary>
/// Structural hash of a nest: the same for nests that differ only in names and in the trace that made them, and stable
/// between processes. Variables, buffers and loops count by order of appearance, arguments by position. 64 bits: among
/// a million nests two different ones collide with a probability below one in thirty million.
/// </summary>
public static class NestHash
{
    public static ulong Of(LoopNest nest)
    {
        var hasher = new Hasher(nest);
        hasher.Add(nest.Body);
        hasher.AddStorage();
        return hasher.Value;
    }

    private sealed class Hasher
    {
        private readonly LoopNest _nest;
        private readonly Dictionary<object, int> _numbers = new(ReferenceEqualityComparer.Instance);
        private readonly Dictionary<string, int> _loops = [];

        public Hasher(LoopNest nest)
        {
            _nest = nest;
            foreach (var parameter in nest.Algorithm.Parameters)
                _numbers.Add(parameter.Var, _numbers.Count);
            foreach (var buffer in nest.Algorithm.Inputs)
                Number(buffer);
            foreach (var buffer in nest.Algorithm.Outputs)
                Number(buffer);
        }

        public ulong Value { get; private set; } = 0x9E3779B97F4A7C15;

        public void Add(Stmt? stmt)
        {
            switch (stmt)
            {
                case null:
                    Mix(1);
                    break;
                case For f:
                    Mix(2, (ulong)f.Kind, (f.Peel ? 1u : 0u) + (f.PeelBegin ? 2u : 0u));
                    Add(f.Extent);
                    Number(f.Var);
                    _loops[f.Name] = _loops.Count;
                    foreach (var (key, value) in f.Annotations)
                    {
                        Mix(key);
                        Mix(value);
                    }
                    Add(f.Body);
                    break;
                case Seq s:
                    Mix(3, (ulong)s.Items.Length);
                    foreach (var item in s.Items)
                        Add(item);
                    break;
                case If i:
                    Mix(4);
                    Add(i.Cond);
                    Add(i.Then);
                    Add(i.Else);
                    break;
                case Allocate a:
                    Mix(5);
                    Number(a.Buffer);
                    Add(a.Body);
                    break;
                case Store s:
                    Mix(6);
                    Number(s.Buffer);
                    foreach (var index in s.Indices)
                        Add(index);
                    Add(s.Value);
                    break;
                case StoreAll a:
                    Mix(11, (ulong)a.Stores.Length);
                    foreach (var store in a.Stores)
                        Add(store);
                    break;
                case Block b:
                    Add(b);
                    break;
                case Barrier b:
                    Mix(8, (ulong)b.Scope);
                    break;
                case Prefetch p:
                    Mix(9);
                    Number(p.Buffer);
                    foreach (var index in p.Indices)
                        Add(index);
                    break;
                case Async a:
                    Mix(12, (ulong)a.Kind);
                    Add(a.Body);
                    break;
                case DeviceOp d:
                    Mix(13, (ulong)d.Values.Length);
                    Mix(d.Instruction.Name);
                    foreach (var operand in d.Operands)
                    {
                        Number(operand.Buffer);
                        foreach (long extent in operand.Tile)
                            Mix((ulong)extent);
                    }
                    foreach (var e in d.Exprs)
                        Add(e);
                    foreach (int number in d.Numbers)
                        Mix((ulong)number);
                    break;
                case LaneReduce r:
                    Mix(15, (ulong)r.Width, (ulong)r.Stride);
                    foreach (var output in r.Outputs)
                        Number(output);
                    foreach (var index in r.Indices)
                        Add(index);
                    foreach (var result in r.Reducer.Result)
                        Add(result);
                    break;
                case Call c:
                    Mix(10);
                    Mix(c.Intrinsic.Name);
                    for (int i = 0; i < c.Buffers.Length; i++)
                    {
                        Number(c.Buffers[i]);
                        foreach (var origin in c.Origins[i])
                            Add(origin);
                        foreach (int dim in c.Dims[i])
                            Mix((ulong)dim);
                    }
                    break;
                default:
                    throw new InvalidOperationException($"no hash for {stmt.GetType().Name}");
            }
        }

        /// <summary>Where buffers are told to live.</summary>
        public void AddStorage()
        {
            // In any order of the dictionary: a sum, not a chain.
            ulong sum = 0;
            foreach (var buffer in _nest.Intermediates)
            {
                if (
                    _nest.StoreAt.TryGetValue(buffer.Name, out var loop) && _numbers.TryGetValue(buffer, out int number)
                )
                    sum += Scramble(((ulong)number << 32) | (uint)_loops.GetValueOrDefault(loop, -1));
            }
            Mix(sum);
        }

        private void Add(Block b)
        {
            Mix(7, (ulong)b.Axes.Length, b.Init ? 1u : 0u);
            foreach (var axis in b.Axes)
            {
                Add(axis.Binding);
                Add(axis.Extent);
                Mix((ulong)axis.Kind);
                Number(axis.Var);
            }
            Add(b.Predicate);
            foreach (var output in b.Outputs)
                Number(output);
            foreach (var index in b.Indices)
                Add(index);
            foreach (var value in b.Values)
                Add(value);
            if (b.Reducer is null)
                return;
            Mix(b.Reducer.Name);
            foreach (var e in b.Reducer.Identity)
                Add(e);
            foreach (var e in b.Reducer.Result)
                Add(e);
        }

        private void Add(Expr e)
        {
            switch (e)
            {
                case IntImm i:
                    Mix(20, (ulong)i.Value, (ulong)i.ImmType);
                    break;
                case FloatImm f:
                    Mix(21, BitConverter.DoubleToUInt64Bits(f.Value), (ulong)f.ImmType);
                    break;
                case Var v:
                    Mix(22);
                    Number(v);
                    break;
                case Apply a:
                    Mix(38);
                    Mix(a.Function.Name);
                    foreach (var argument in a.Arguments)
                        Add(argument);
                    break;
                case Unary u:
                    Mix(23, (ulong)u.Kind);
                    Add(u.A);
                    break;
                case Binary b:
                    Mix(24, (ulong)b.Kind);
                    Add(b.A);
                    Add(b.B);
                    break;
                case Fma f:
                    Mix(25);
                    Add(f.A);
                    Add(f.B);
                    Add(f.C);
                    break;
                case Select s:
                    Mix(26);
                    Add(s.Cond);
                    Add(s.Then);
                    Add(s.Else);
                    break;
                case Cast c:
                    Mix(27, (ulong)c.To);
                    Add(c.A);
                    break;
                case Bitcast c:
                    Mix(28, (ulong)c.To);
                    Add(c.A);
                    break;
                case Load l:
                    Mix(29);
                    Number(l.Buffer);
                    foreach (var index in l.Indices)
                        Add(index);
                    break;
                case ReducerArg a:
                    Mix(30, a.IsNew ? 1u : 0u, (ulong)a.Index);
                    break;
                default:
                    throw new InvalidOperationException($"no hash for {e.GetType().Name}");
            }
        }

        private void Number(Var v)
        {
            _numbers.TryAdd(v, _numbers.Count);
            Mix((ulong)_numbers[v]);
        }

        // A buffer's properties count where it first appears.
        private void Number(Algorithms.Buffer buffer)
        {
            if (_numbers.TryGetValue(buffer, out int number))
            {
                Mix((ulong)number);
                return;
            }
            _numbers.Add(buffer, _numbers.Count);
            Mix((ulong)buffer.Type, (ulong)buffer.Scope, (ulong)buffer.Rank);
            foreach (var extent in buffer.Shape)
                Add(extent);
            if (!buffer.Pitches.IsDefault)
            {
                foreach (var pitch in buffer.Pitches)
                    Add(pitch);
            }
            if (!buffer.Strides.IsDefault)
            {
                foreach (long stride in buffer.Strides)
                    Mix((ulong)stride);
            }
            if (buffer.Swizzle is { } swizzle)
                Mix((ulong)swizzle.Bits, (ulong)swizzle.Base, (ulong)swizzle.Shift);
        }

        private void Mix(string text)
        {
            Mix((ulong)text.Length);
            foreach (char c in text)
                Mix(c);
        }

        private void Mix(ulong a, ulong b, ulong c = 0)
        {
            Mix(a);
            Mix(b);
            Mix(c);
        }

        private void Mix(ulong value) => Value = Scramble(Value ^ (value + 0x9E3779B97F4A7C15));

        // The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static ulong Scramble(ulong z)
        {
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return z ^ (z >> 31);
        }
    }
}
