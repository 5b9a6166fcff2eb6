using System.Reflection.Emit;
using Picograd.Algorithms;

namespace Picograd.Lower.Cpu;

/// <summary>
/// Strength-reduced addresses. An access at base + Σ cᵢ·loopᵢ + constant uses a pointer local for (base, cᵢ) that the
/// loops advance, and the constant as displacement; what is not affine in the loops in scope is added at run time.
/// Accesses that differ by a constant share the pointer.
/// </summary>
internal sealed class Addressing(IlWriter il)
{
    private readonly Dictionary<object, LinearForm> _forms = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Buffer, LocalBuilder> _bases = [];
    private readonly List<(Var Var, LocalBuilder Local)> _scope = [];
    private readonly Dictionary<Buffer, Prefix> _prefixes = [];
    private Dictionary<Prefix, LocalBuilder> _pointers = [];

    /// <summary>Loop variables with locals, outermost first.</summary>
    public IReadOnlyList<(Var Var, LocalBuilder Local)> LoopsInScope => _scope;

    public void SetBase(Buffer buffer, LocalBuilder pointer) => _bases[buffer] = pointer;

    public bool HasBase(Buffer buffer) => _bases.ContainsKey(buffer);

    public LocalBuilder? LocalOf(Var var)
    {
        foreach (var (v, local) in _scope)
        {
            if (ReferenceEquals(v, var))
                return local;
        }
        return null;
    }

    public LinearForm FormOf(object access, Buffer buffer, System.Collections.Immutable.ImmutableArray<Expr> indices)
    {
        if (!_forms.TryGetValue(access, out var form))
            _forms[access] = form = LinearForm.Of(buffer.Offset(indices));
        return form;
    }

    /// <summary>Variables that a body sees for the first time (captured, parallel).</summary>
    public void Enter(Var var, LocalBuilder local) => _scope.Add((var, local));

    /// <summary>Pointers made from here on are forgotten at <see cref="Restore"/>.</summary>
    public object Save() => new Dictionary<Prefix, LocalBuilder>(_pointers);

    public void Restore(object saved) => _pointers = (Dictionary<Prefix, LocalBuilder>)saved;

    /// <summary>
    /// Before a loop over <paramref name="var"/>: makes the pointers that it advances. Returns them with their step in
    /// bytes; <paramref name="start"/> (a local, null for 0) is the variable's first value.
    /// </summary>
    public List<(LocalBuilder Pointer, long Step)> EnterLoop(
        Var var,
        LocalBuilder local,
        LocalBuilder? start,
        IEnumerable<(Buffer Buffer, LinearForm Form)> accesses
    )
    {
        var advancing = new List<(LocalBuilder, long)>();
        var made = new Dictionary<Prefix, LocalBuilder>();
        foreach (var (buffer, form) in accesses)
        {
            long coefficient = form.CoefficientOf(var);
            if (coefficient == 0 || !_bases.ContainsKey(buffer))
                continue;
            var outer = PrefixOf(buffer, form);
            var inner = outer.With(var, coefficient);
            if (made.ContainsKey(inner))
                continue;
            long step = coefficient * buffer.Type.Size();
            var pointer = il.NewLocal(typeof(nint));
            il.Load(Pointer(outer));
            if (start is not null)
            {
                il.Load(start);
                il.Long(step);
                il.Emit(OpCodes.Mul);
                il.Emit(OpCodes.Conv_I);
                il.Emit(OpCodes.Add);
            }
            il.Store(pointer);
            made[inner] = pointer;
            advancing.Add((pointer, step));
        }
        foreach (var (prefix, pointer) in made)
            _pointers[prefix] = pointer;
        _scope.Add((var, local));
        return advancing;
    }

    public void LeaveLoop() => _scope.RemoveAt(_scope.Count - 1);

    /// <summary>Pointer and the terms that are left to add at run time (no loop in scope, no lane).</summary>
    public (LocalBuilder Pointer, LinearForm Others) Resolve(Buffer buffer, LinearForm form, Var? lane)
    {
        var prefix = PrefixOf(buffer, form);
        var (_, others) = form.Partition(a => a is Var v && (ReferenceEquals(v, lane) || LocalOf(v) is not null));
        return (Pointer(prefix), others);
    }

    private Prefix PrefixOf(Buffer buffer, LinearForm form)
    {
        if (!_prefixes.TryGetValue(buffer, out var prefix))
            _prefixes[buffer] = prefix = new Prefix(buffer, null, null, 0);
        foreach (var (var, _) in _scope)
        {
            long coefficient = form.CoefficientOf(var);
            if (coefficient != 0)
                prefix = prefix.With(var, coefficient);
        }
        return prefix;
    }

    private LocalBuilder Pointer(Prefix prefix)
    {
        if (prefix.IsBase)
            return _bases[prefix.Buffer];
        if (_pointers.TryGetValue(prefix, out var pointer))
            return pointer;
        // From scratch: base + Σ coefficient · variable.
        il.Load(_bases[prefix.Buffer]);
        foreach (var (var, local) in _scope)
        {
            long coefficient = prefix.CoefficientOf(var);
            if (coefficient == 0)
                continue;
            il.Load(local);
            il.Long(coefficient * prefix.Buffer.Type.Size());
            il.Emit(OpCodes.Mul);
            il.Emit(OpCodes.Conv_I);
            il.Emit(OpCodes.Add);
        }
        pointer = il.NewLocal(typeof(nint));
        il.Store(pointer);
        return _pointers[prefix] = pointer;
    }

    /// <summary>
    /// A buffer and the coefficients of loop variables, in order of the loops: one object for equal ones, so that they
    /// compare by identity.
    /// </summary>
    private sealed class Prefix(Buffer buffer, Prefix? outer, Var? var, long coefficient)
    {
        private readonly Dictionary<(Var, long), Prefix> _longer = [];

        public Buffer Buffer => buffer;

        public bool IsBase => outer is null;

        public Prefix With(Var next, long by)
        {
            if (!_longer.TryGetValue((next, by), out var longer))
                _longer[(next, by)] = longer = new Prefix(buffer, this, next, by);
            return longer;
        }

        public long CoefficientOf(Var of) => ReferenceEquals(var, of) ? coefficient : outer?.CoefficientOf(of) ?? 0;
    }
}
