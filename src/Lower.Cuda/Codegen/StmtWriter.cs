using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Analysis;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Barrier = Picograd.Schedules.Ir.Barrier;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>Statements of one kernel as C, inside of its loops over blocks and threads.</summary>
internal sealed class StmtWriter
{
    private readonly VectorWriter _vectors;

    public StmtWriter(KernelContext kernel, CodeText code)
    {
        Kernel = kernel;
        Code = code;
        Access = new MemoryAccess(kernel);
        _vectors = new VectorWriter(this);
    }

    public KernelContext Kernel { get; }

    public MemoryAccess Access { get; }

    public ExprWriter Values => Access.Values;

    /// <summary>Where the next line goes.</summary>
    public CodeText Code { get; private set; }

    public void Line(string text) => Code.Line(text);

    public void Write(Stmt stmt)
    {
        switch (stmt)
        {
            case Seq q:
                foreach (var item in q.Items)
                    Write(item);
                break;
            case For f:
                Loop(f, Write);
                break;
            case If i:
                Branch(i, Write);
                break;
            case Allocate a:
                Local(a);
                break;
            case Store s:
                WriteStore(s);
                break;
            case StoreAll all:
                WriteAll(all);
                break;
            case Barrier b:
                Meet(b);
                break;
            case LaneReduce r:
                LaneReduction.Write(this, r);
                break;
            case DeviceOp d:
                Line(DeviceOpTexts.Of(this, d));
                break;
            // Only a hint, and one for the caches of processors: a GPU hides latency with other warps.
            case Prefetch:
                break;
            case Call c:
                WriteCall(c);
                break;
            default:
                throw new LoweringException("kernel-form", $"{stmt.GetType().Name} is not a statement of kernels");
        }
    }

    private void WriteCall(Call call)
    {
        if (Kernel.Options.Intrinsics.TryGetValue(call.Intrinsic.Name, out var text))
        {
            text(call, new IntrinsicWriter(this, call));
            return;
        }
        string function =
            call.Intrinsic.DeviceFunction
            ?? throw new LoweringException("unsupported", $"there is no CUDA text for {call.Intrinsic.Name}");
        var operands = call.Buffers.Zip(call.Origins, (b, origin) => "&" + Access.Element(b, origin));
        Line($"{Kernel.Use(function)}({string.Join(", ", operands)});");
    }

    /// <summary>Writes the body of a loop with <paramref name="write"/>.</summary>
    public void Loop(For loop, Action<Stmt> write)
    {
        if (loop.Kind == LoopKind.Vector)
        {
            _vectors.Loop(loop);
            return;
        }
        if (loop.Kind is not (LoopKind.Serial or LoopKind.Unrolled))
            throw new LoweringException(
                "kernel-form",
                $"loop {loop.Name} is {loop.Kind.Text()}, and inside of a kernel's threads loops are serial, unrolled or vector"
            );
        if (loop.ConstantExtent is 0)
            return;
        if (loop.ConstantExtent is 1)
        {
            write(loop.Body.Substitute(new Dictionary<Var, Expr> { [loop.Var] = 0 }));
            return;
        }
        bool unrolled = loop.Kind == LoopKind.Unrolled || IndexesLocals(loop);
        if (unrolled && loop.ConstantExtent is null)
            throw new LoweringException(
                loop.Kind == LoopKind.Unrolled ? "unroll" : "register-index",
                $"loop {loop.Name} runs over registers and must be unrolled, but its extent {loop.Extent} is not a constant"
            );
        long max = Kernel.RangeOf(loop.Extent).Max;
        string name = Kernel.Declare(loop.Var, ShortName(loop.Var), new Interval(0, Math.Max(0, max - 1)));
        string type = CText.FitsInt(max) ? "int" : "long long";
        if (Pragma(loop, unrolled) is { } pragma)
            Line(pragma);
        Line($"for ({type} {name} = 0; {name} < {Values.Write(Kernel.Simplify(loop.Extent))}; {name}++) {{");
        Nested(unrolled ? null : loop.Var, () => write(loop.Body));
        Line("}");
    }

    public void Branch(If i, Action<Stmt> write)
    {
        var cond = Kernel.Simplify(i.Cond);
        if (cond.IsTrue())
        {
            write(i.Then);
            return;
        }
        if (cond.IsFalse())
        {
            if (i.Else is not null)
                write(i.Else);
            return;
        }
        Branch(Values.Write(cond), () => write(i.Then), i.Else is null ? null : () => write(i.Else));
    }

    public void Branch(string cond, Action then, Action? otherwise)
    {
        Line($"if ({cond}) {{");
        Nested(null, then);
        if (otherwise is not null)
        {
            Line("} else {");
            Nested(null, otherwise);
        }
        Line("}");
    }

    /// <summary>Writes one level deeper; with a variable, in a scope that index arithmetic may be hoisted to.</summary>
    public void Nested(Var? scope, Action write)
    {
        var outer = Code;
        Code = outer.Indented();
        if (scope is not null)
        {
            Kernel.Scopes.Add(new HoistScope(Code.Piece(), new(ReferenceEqualityComparer.Instance) { scope }, []));
            Code = Code.Piece();
        }
        write();
        if (scope is not null)
            Kernel.Scopes.RemoveAt(Kernel.Scopes.Count - 1);
        Code = outer;
    }

    /// <summary>A loop variable's last name: C.m.o.i is m_o_i, since a kernel mostly has one stage.</summary>
    public static string ShortName(Var v)
    {
        int dot = v.Name.IndexOf('.');
        return dot >= 0 && dot + 1 < v.Name.Length ? v.Name[(dot + 1)..] : v.Name;
    }

    /// <summary>One element, its value in terms of what is loaded for it.</summary>
    public void WriteStore(Store s)
    {
        var value = new SharedValues(this).Split([Kernel.Simplify(s.Value)])[0];
        string target = Access.Element(s.Buffer, s.Indices);
        Line(Assignment(s, target, value));
    }

    /// <summary>"target += x;" where the value is the target and more, else "target = value;".</summary>
    public string Assignment(Store s, string target, Expr value)
    {
        if (
            s.Buffer.Type is DType.Float32 or DType.Float64
            && value is Binary { Kind: BinaryOp.Add, A: Load old } sum
            && old.Buffer == s.Buffer
            && Access.Element(old.Buffer, old.Indices) == target
        )
            return $"{target} += {Values.Write(sum.B)};";
        return $"{target} = {Values.WriteStored(s.Buffer.Type, value)};";
    }

    private void WriteAll(StoreAll all)
    {
        var values = new SharedValues(this).Split([.. all.Stores.Select(s => Kernel.Simplify(s.Value))]);
        // Everything is computed before anything is stored: targets too, where they depend on memory.
        var targets = all.Stores.Select(s => Access.Element(s.Buffer, [.. s.Indices.Select(Fixed)])).ToList();
        var lines = new List<string>();
        foreach (var (store, value, target) in all.Stores.Zip(values, targets))
        {
            string name = Kernel.Names.Fresh("new_" + store.Buffer.Name);
            Line($"const {CText.Stored(store.Buffer.Type)} {name} = {Values.WriteStored(store.Buffer.Type, value)};");
            lines.Add($"{target} = {name};");
        }
        lines.ForEach(Line);
    }

    private Expr Fixed(Expr index)
    {
        index = Kernel.Simplify(index);
        return index.Loads().Count == 0 ? index : Temporary(index, "i");
    }

    /// <summary>Computes a value here, once.</summary>
    public Named Temporary(Expr value, string wish)
    {
        string name = Kernel.Names.Fresh(wish);
        Line($"const {Values.TypeOf(value)} {name} = {Values.Write(value)};");
        return new Named(name, value.Type);
    }

    private void Local(Allocate a)
    {
        var buffer = a.Buffer;
        if (buffer.Scope is not (Scope.Register or Scope.Stack or Scope.Fragment))
            throw new LoweringException(
                "kernel-form",
                $"{buffer.Name} is {buffer.Scope.ToString().ToLowerInvariant()} memory and allocated inside of the threads of a kernel"
            );
        long size =
            buffer.ConstantSize()
            ?? throw new LoweringException(
                "register-index",
                $"{buffer} is an array of a thread, and its size is not constant"
            );
        var place = Kernel.Put(buffer, PlaceKind.Local);
        // Instructions take elements of 2 bytes in pairs.
        string align = buffer.Type.Size() < 4 ? "__align__(16) " : "";
        Line($"{align}{CText.Stored(buffer.Type)} {place.Name}[{Math.Max(1, size)}];");
        Write(a.Body);
    }

    private void Meet(Barrier b)
    {
        switch (b.Scope)
        {
            case BarrierScope.Block when Kernel.Threads == GpuInfo.WarpSize:
            case BarrierScope.Warp:
                Line("__syncwarp();");
                break;
            case BarrierScope.Block:
                Line("__syncthreads();");
                break;
            default:
                // Barrier 0 is __syncthreads; each warpgroup has one of its own behind it.
                Line($"{Kernel.Use("named_barrier_sync")}(1 + {Kernel.Thread} / 128, 128);");
                break;
        }
    }

    // Registers have no addresses: a loop whose variable picks one is unrolled whatever it is called.
    private bool IndexesLocals(For loop)
    {
        var locals = loop.Nodes().OfType<Allocate>().Select(a => a.Buffer).ToHashSet();
        bool IsRegister(Buffer b) =>
            b.Scope is Scope.Register or Scope.Fragment
            && (locals.Contains(b) || Kernel.PlaceOf(b).Kind == PlaceKind.Local);
        return loop
            .Body.Nodes()
            .Where(s => s is not (For or DeviceOp))
            .SelectMany(BufferAccess.Own)
            .Any(a => IsRegister(a.Buffer) && a.Indices.Any(i => i.Uses(loop.Var)));
    }

    // Loops that wait for other threads or hold much code stay loops; short ones are the compiler's to unroll.
    private static string? Pragma(For loop, bool unrolled)
    {
        if (unrolled)
            return "#pragma unroll";
        if (loop.Annotations.TryGetValue("unroll", out var factor))
            return $"#pragma unroll {factor}";
        bool waits = loop
            .Body.Nodes()
            .Any(s => s is Barrier or Call || s is DeviceOp d && d.Orders(DeviceQueue.Copies));
        return waits || Copies(loop.Body) > 64 ? "#pragma unroll 1" : null;
    }

    private static long Copies(Stmt s) =>
        s switch
        {
            For { Kind: LoopKind.Unrolled or LoopKind.Vector } f => (f.ConstantExtent ?? 1) * Copies(f.Body),
            Store or StoreAll or Call or LaneReduce => 1,
            _ => s.Children().Sum(Copies),
        };
}
