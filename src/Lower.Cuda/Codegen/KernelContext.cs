using Picograd.Algorithms;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Lower.Cuda.Codegen;

/// <summary>Where the elements of a buffer are.</summary>
internal enum PlaceKind
{
    /// <summary>Device memory, behind a parameter of the kernel.</summary>
    Device,

    /// <summary>Shared memory of the block.</summary>
    Shared,

    /// <summary>An array of the thread: registers once its indices are constants.</summary>
    Local,
}

/// <summary>A buffer as the text has it.</summary>
internal sealed record Place(Buffer Buffer, string Name, PlaceKind Kind);

/// <summary>
/// A scope that index arithmetic may be hoisted to: the kernel or a serial loop. <see cref="Prologue"/> is at its start.
/// </summary>
internal sealed record HoistScope(CodeText Prologue, HashSet<Var> Vars, Dictionary<(string, Expr), Var> Known);

/// <summary>What is known while one kernel is written: names, ranges, places, functions in use.</summary>
internal sealed class KernelContext(
    NameTable names,
    Dictionary<Var, Interval> ranges,
    HashSet<string> functions,
    Dictionary<Buffer, int> alignments,
    GpuInfo gpu,
    CudaEmitOptions options
)
{
    private readonly Dictionary<Var, string> _vars = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<Var> _used = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<Buffer, Place> _places = new(ReferenceEqualityComparer.Instance);
    private readonly Simplifier _simplifier = new(ranges);

    public NameTable Names => names;

    public GpuInfo Gpu => gpu;

    public CudaEmitOptions Options => options;

    public Dictionary<Var, Interval> Ranges => ranges;

    /// <summary>Scopes around the statement being written, outermost first.</summary>
    public List<HoistScope> Scopes { get; } = [];

    /// <summary>Text of the thread's number in its block.</summary>
    public string Thread => ThreadVar is null ? "threadIdx.x" : NameOf(ThreadVar);

    /// <summary>Variable of the thread loop.</summary>
    public Var? ThreadVar { get; set; }

    /// <summary>Names of the tensor maps among the parameters.</summary>
    public Dictionary<TensorMap, string> Maps { get; } = [];

    /// <summary>Threads of a block.</summary>
    public int Threads { get; set; } = 1;

    public Expr Simplify(Expr e) => _simplifier.Visit(e);

    public Interval RangeOf(Expr e) => e.Type == DTypes.Index ? _simplifier.RangeOf(e) : Interval.Of(e, ranges);

    /// <summary>Has a device function written out above the kernels; returns its name.</summary>
    public string Use(string function)
    {
        functions.Add(function);
        return function;
    }

    /// <summary>Notes an access of a number of bytes to a buffer, at a multiple of that number from its start.</summary>
    public void Touch(Buffer buffer, int bytes) =>
        alignments[buffer] = Math.Max(alignments.GetValueOrDefault(buffer), bytes);

    public string NameOf(Var v)
    {
        _used.Add(v);
        return _vars.TryGetValue(v, out var name)
            ? name
            : throw new InvalidOperationException($"{v.Name} is used outside of its loop in a kernel");
    }

    /// <summary>Whether the text written so far names a variable.</summary>
    public bool IsUsed(Var v) => _used.Contains(v);

    /// <summary>Names a variable and states its range.</summary>
    public string Declare(Var v, string wish, Interval range)
    {
        ranges[v] = range;
        return _vars[v] = names.Fresh(wish);
    }

    public string TypeOf(Var v) => CText.FitsInt(RangeOf(v)) ? "int" : "long long";

    public Place PlaceOf(Buffer buffer) =>
        _places.TryGetValue(buffer, out var place)
            ? place
            : throw new LoweringException(
                "kernel-form",
                $"{buffer.Name} ({buffer.Scope.ToString().ToLowerInvariant()}) is used where it is not allocated"
            );

    public Place Put(Buffer buffer, PlaceKind kind) =>
        _places[buffer] = new Place(buffer, names.Fresh(buffer.Name), kind);

    /// <summary>Index of the innermost scope that a pure expression must stay in; int.MaxValue: where it is used.</summary>
    public int LevelOf(Expr e)
    {
        int level = 0;
        foreach (var node in e.Nodes())
        {
            switch (node)
            {
                case Var v:
                    level = Math.Max(level, LevelOf(v));
                    break;
                case Load or Named:
                    return int.MaxValue;
                default:
                    break;
            }
        }
        return level;
    }

    private int LevelOf(Var v)
    {
        for (int i = Scopes.Count - 1; i >= 0; i--)
        {
            if (Scopes[i].Vars.Contains(v))
                return i;
        }
        return int.MaxValue;
    }
}
