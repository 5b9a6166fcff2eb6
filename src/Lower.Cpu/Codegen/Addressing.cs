using System.Reflection.Emit;
using Picograd.Algorithms;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cpu.Codegen;

/// <summary>
/// Strength-reduced addresses. An access at base + Σ cᵢ·loopᵢ + constant uses a pointer local for (base, cᵢ) that the
/// loops advance, and the constant as displacement; cᵢ may hold symbolic extents, and terms of these alone are part of the
/// pointer. What is not affine in the loops in scope is added at run time. Accesses that differ by a constant share the pointer.
/// </summary>
internal sealed class Addressing(IlWriter il, IReadOnlyDictionary<Var, LocalBuilder> parameters)
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
    /// Before a loop over <paramref name="var"/>: makes the pointers that it advances. Returns them with their steps;
    /// <paramref name="start"/> (a local, null for 0) is the variable's first value.
    /// </summary>
    public List<(LocalBuilder Pointer, PointerStep Step)> EnterLoop(
        Var var,
        LocalBuilder local,
        LocalBuilder? start,
        IEnumerable<(Buffer Buffer, LinearForm Form)> accesses
    )
    {
        var advancing = new List<(LocalBuilder, PointerStep)>();
        var made = new Dictionary<Prefix, LocalBuilder>();
        foreach (var (buffer, form) in accesses)
        {
            if (!_bases.ContainsKey(buffer) || StepOf(form, var) is not { } step)
                continue;
            var outer = PrefixOf(buffer, form);
            var inner = outer.With(var, step);
            if (made.ContainsKey(inner))
                continue;
            var pointer = il.NewLocal(typeof(nint));
            var walk = StepBytes(step, buffer.Type.Size());
            il.Load(Pointer(outer));
            if (start is not null)
            {
                il.Load(start);
                Load(walk);
                il.Emit(OpCodes.Mul);
                il.Emit(OpCodes.Conv_I);
                il.Emit(OpCodes.Add);
            }
            il.Store(pointer);
            made[inner] = pointer;
            advancing.Add((pointer, walk));
        }
        foreach (var (prefix, pointer) in made)
            _pointers[prefix] = pointer;
        _scope.Add((var, local));
        return advancing;
    }

    /// <summary>Moves a pointer by a step.</summary>
    public void Advance(LocalBuilder pointer, PointerStep step)
    {
        il.Load(pointer);
        if (step.Symbolic is { } bytes)
        {
            il.Load(bytes);
            il.Emit(OpCodes.Conv_I);
            il.Emit(OpCodes.Add);
        }
        else
        {
            il.AddOffset(step.Constant);
        }
        il.Store(pointer);
    }

    public void LeaveLoop() => _scope.RemoveAt(_scope.Count - 1);

    /// <summary>Pointer and the terms that are left to add at run time (no loop in scope, no lane).</summary>
    public (LocalBuilder Pointer, LinearForm Others) Resolve(Buffer buffer, LinearForm form, Var? lane)
    {
        var prefix = PrefixOf(buffer, form);
        var (_, others) = form.Partition(a => (lane is not null && a.Uses(lane)) || IsInPrefix(form, a));
        return (Pointer(prefix), others);
    }

    // Whether the pointer holds a term: one of extents alone, or a loop's own step.
    private bool IsInPrefix(LinearForm form, Expr atom)
    {
        if (atom is Var v && LocalOf(v) is not null)
            return StepOf(form, v) is not null;
        if (IsOfParameters(atom))
            return true;
        foreach (var (var, _) in _scope)
        {
            if (atom is Binary && atom.Uses(var))
                return StepOf(form, var) is not null;
        }
        return false;
    }

    private bool IsOfParameters(Expr atom) =>
        parameters.Count > 0
        && atom.Nodes()
            .All(n =>
                n switch
                {
                    IntImm => true,
                    Var v => parameters.ContainsKey(v),
                    _ => n is Binary { Type: DType.Int64 },
                }
            );

    /// <summary>The bytes between lanes of an access whose lanes lie a symbolic number of elements apart; null for others.</summary>
    public SymbolicStride? StrideOf(LinearForm form, Var lane, int size) =>
        StepOf(form, lane) is { IsConstant: false } step
            ? new SymbolicStride(Op.Mul(step.ToExpr(), size), () => Number(step, size))
            : null;

    private LinearForm? StepOf(LinearForm form, Var var)
    {
        var step = form.StepOf(var, parameters.ContainsKey);
        return step is null or { IsConstant: true, Constant: 0 } ? null : step;
    }

    private Prefix PrefixOf(Buffer buffer, LinearForm form)
    {
        if (!_prefixes.TryGetValue(buffer, out var prefix))
            _prefixes[buffer] = prefix = new Prefix(buffer, null, null, null);
        if (parameters.Count > 0)
        {
            var (fix, _) = form.Partition(IsOfParameters);
            if (!fix.IsConstant)
                prefix = prefix.With(null, fix);
        }
        foreach (var (var, _) in _scope)
        {
            if (StepOf(form, var) is { } step)
                prefix = prefix.With(var, step);
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
        int size = prefix.Buffer.Type.Size();
        il.Load(_bases[prefix.Buffer]);
        for (var at = prefix; !at.IsBase; at = at.Outer!)
        {
            if (at.Var is null)
            {
                Number(at.Step!, size);
            }
            else
            {
                il.Load(LocalOf(at.Var)!);
                Number(at.Step!, size);
                il.Emit(OpCodes.Mul);
            }
            il.Emit(OpCodes.Conv_I);
            il.Emit(OpCodes.Add);
        }
        pointer = il.NewLocal(typeof(nint));
        il.Store(pointer);
        return _pointers[prefix] = pointer;
    }

    private PointerStep StepBytes(LinearForm step, int size)
    {
        if (step.IsConstant)
            return new(step.Constant * size, null);
        var local = il.NewLocal(typeof(long));
        Number(step, size);
        il.Store(local);
        return new(0, local);
    }

    private void Load(PointerStep step)
    {
        if (step.Symbolic is { } bytes)
            il.Load(bytes);
        else
            il.Long(step.Constant);
    }

    // size · form, over symbolic extents.
    private void Number(LinearForm form, int size)
    {
        il.Long(form.Constant * size);
        foreach (var (atom, coefficient) in form.Terms)
        {
            Number(atom);
            il.Long(coefficient * size);
            il.Emit(OpCodes.Mul);
            il.Emit(OpCodes.Add);
        }
    }

    /// <summary>Puts the value of an expression of symbolic extents on the stack.</summary>
    public void Value(Expr e) => Number(e);

    private void Number(Expr e)
    {
        switch (e)
        {
            case IntImm i:
                il.Long(i.Value);
                break;
            case Var v:
                il.Load(parameters[v]);
                break;
            case Binary b:
                Number(b.A);
                Number(b.B);
                switch (b.Kind)
                {
                    case BinaryOp.Add:
                        il.Emit(OpCodes.Add);
                        break;
                    case BinaryOp.Sub:
                        il.Emit(OpCodes.Sub);
                        break;
                    case BinaryOp.Mul:
                        il.Emit(OpCodes.Mul);
                        break;
                    default:
                        string name = b.Kind.ToString();
                        var owner = b.Kind is BinaryOp.Min or BinaryOp.Max ? typeof(Math) : typeof(IntegerArithmetic);
                        il.Call(owner.GetMethod(name, [typeof(long), typeof(long)])!);
                        break;
                }
                break;
            default:
                throw new LoweringException("unsupported", $"the symbolic extent {e} on the CPU");
        }
    }

    /// <summary>
    /// A buffer, an offset of extents, and the steps of loop variables, in order of the loops: one object for equal ones, so
    /// that they compare by identity.
    /// </summary>
    private sealed class Prefix(Buffer buffer, Prefix? outer, Var? var, LinearForm? step)
    {
        private readonly List<Prefix> _longer = [];

        public Buffer Buffer => buffer;

        public bool IsBase => outer is null;

        public Prefix? Outer => outer;

        public Var? Var => var;

        public LinearForm? Step => step;

        public Prefix With(Var? next, LinearForm by)
        {
            foreach (var known in _longer)
            {
                if (ReferenceEquals(known.Var, next) && known.Step!.HasSameTerms(by))
                    return known;
            }
            var longer = new Prefix(buffer, this, next, by);
            _longer.Add(longer);
            return longer;
        }
    }
}

/// <summary>What a loop adds to a pointer, in bytes: a constant, or the value of a local.</summary>
internal readonly record struct PointerStep(long Constant, LocalBuilder? Symbolic);
