using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Picograd.Algorithms;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch;

namespace Picograd.Calls;

/// <summary>
/// One call of an operator, on the caller's stack: the operator, its attributes as words, its operands. Operands are given in
/// the order of the definition, inputs first; from their layouts follow the words, and the shapes and dtypes of results.
/// Nothing is recorded for gradients here.
/// </summary>
internal unsafe ref partial struct OpCall
{
    /// <summary>Words that any call has at most: a head, dimensions (<see cref="CustomDefinition.MostDimensions"/>), three lists.</summary>
    public const int MostWords = 24;

    /// <summary>Inputs and outputs together: those of the gradients of seven inputs, each of which is read.</summary>
    public const int MostOperands = 16;

    // Of those the first ones may be numbers.
    private const int MostCells = 8;

    [InlineArray(MostOperands)]
    private struct Tensors
    {
        private Tensor? _first;
    }

    [InlineArray(MostOperands)]
    private struct Pointers
    {
        private nint _first;
    }

    [InlineArray(3)]
    private struct Layouts
    {
        private Layout? _first;
    }

    private readonly OperatorWords _plan;
    private readonly Span<long> _words;
    private Tensors _tensors;
    private Pointers _pointers;

    // Of numbers on the stack: their sizes, a byte an operand.
    private long _cellBytes;
    private int _swapped;
    private int _typed;
    private int _next;
    private int _count;
    private DeviceRuntime? _runtime;
    private bool _empty;

    // Of operands that broadcast: the shape that they have together.
    private long[]? _shape;

    /// <param name="op">What is called.</param>
    /// <param name="words">Place for <see cref="MostWords"/> words.</param>
    [SkipLocalsInit]
    public OpCall(Operator op, Span<long> words)
    {
        Operator = op;
        _plan = op.Words;
        _words = words;
        Head = _plan.Head;
        Unsafe.SkipInit(out _pointers);
    }

    public Operator Operator { get; }

    /// <summary>First word: the operator, flags, choices.</summary>
    public long Head { get; set; }

    /// <summary>The attributes; equal ones are calls of one instance.</summary>
    [UnscopedRef]
    public readonly ReadOnlySpan<long> Words => _words[.._count];

    /// <summary>Operands that broadcast have a shape each in the words, though all might lie alike.</summary>
    public bool Apart { get; set; }

    /// <summary>Places of operands that were given, missing ones included.</summary>
    public readonly int Operands => _next;

    /// <summary>Where it runs: the one device of all tensors.</summary>
    public DeviceRuntime Runtime
    {
        readonly get => _runtime!;
        set => _runtime = value;
    }

    /// <summary>An operand that is a tensor; null for a number, or for one that is missing.</summary>
    public readonly Tensor? this[int operand] => _tensors[operand];

    /// <summary>Where an operand lies in main memory that is a number; 0 for others.</summary>
    public readonly (nint At, int Bytes) Cell(int operand) =>
        BytesOf(operand) is > 0 and var bytes ? (_pointers[operand], bytes) : (0, 0);

    /// <summary>Whether the transpose of an operand's matrices was meant.</summary>
    public readonly bool Swapped(int operand) => (_swapped >> operand & 1) != 0;

    private readonly int BytesOf(int operand) => operand < MostCells ? (int)(_cellBytes >> (8 * operand) & 0xff) : 0;

    /// <summary>
    /// The next operand; copied where it is not dense and the operator does not take its layout.
    /// </summary>
    /// <param name="t">The tensor.</param>
    /// <param name="transposed">Whether the transpose of its matrices is meant, of operands that may be stored so.</param>
    public void In(Tensor t, bool transposed = false)
    {
        var plan = _plan.Operands[_next];
        if (transposed)
            _swapped |= 1 << _next;
        if (!t.IsContiguous)
        {
            if (plan.Transposed != 0 && IsTransposed(t.Layout))
                transposed = !transposed;
            else if (!plan.MayRepeat || !t.Layout.Once().IsContiguous)
                t = Copying.Dense(t);
        }
        Head |= plan.Present | (transposed ? plan.Transposed : 0);
        Place(t);
    }

    /// <summary>The next operand as it lies; the caller writes the words.</summary>
    public void Place(Tensor t)
    {
        var runtime = t.Runtime;
        if (!ReferenceEquals(_runtime, runtime))
        {
            _runtime = _runtime is null ? runtime : CommonDevice.Joined(Operator.Title, _runtime, runtime);
        }
        // The first operand of a dtype that a key names says which.
        var plan = _plan.Operands[_next];
        if (plan.Type >= 0 && (_typed >> plan.Type & 1) == 0)
        {
            long bits = plan.TypeBits[(int)t.DType];
            if (bits < 0)
                ThrowType(t.DType);
            Head |= bits;
            _typed |= 1 << plan.Type;
        }
        _tensors[_next++] = t;
    }

    /// <summary>The next operand, numbers of its dtype on the caller's stack.</summary>
    public void Cell(void* at, int bytes)
    {
        _cellBytes |= (long)bytes << (8 * _next);
        _pointers[_next++] = (nint)at;
    }

    /// <summary>An input that may be missing, and is.</summary>
    public void Skip() => _next++;

    /// <summary>Runs it and returns its only result, in new memory; of a dtype where inputs do not say which.</summary>
    public Tensor Result(DType? type = null)
    {
        Encode();
        var plan = _plan.Operands[_next];
        var result = Allocate(plan, type ?? Type(plan));
        if (type is null)
            _tensors[_next++] = result;
        else
            Place(result);
        Run();
        return result;
    }

    /// <summary>Runs it and returns all its results, in new memory.</summary>
    public Tensor[] Results()
    {
        Encode();
        var results = new Tensor[_plan.Outputs];
        for (int i = 0; i < results.Length; i++)
        {
            var plan = _plan.Operands[_next];
            results[i] = Allocate(plan, Type(plan));
            _tensors[_next++] = results[i];
        }
        Run();
        return results;
    }

    /// <summary>Runs it, all operands being given.</summary>
    public void RunInto()
    {
        Encode();
        Run();
    }

    /// <summary>
    /// Adds it to calls that run later, all inputs being given and of as many elements side by side, on the CPU: what it computes takes the
    /// places of some of them. False where something else is to see the call, which then has to run otherwise.
    /// </summary>
    /// <param name="calls">Gets it.</param>
    /// <param name="elements">Of each input.</param>
    /// <param name="replaced">For each output the input whose place it takes.</param>
    public bool TryAddTo(InPlaceCalls calls, long elements, byte[] replaced)
    {
        if (!ReferenceEquals(_runtime, CpuRuntime.Instance) || Executor.Current is not null)
            return false;
        Encode();
        _words[0] = Head;
        int at = _words[1.._count].IndexOf(elements);
        if (at < 0)
            return false;
        var context = _runtime.Context;
        DispatchedKernel? whole = null;
        DispatchedKernel? rest = null;
        if (elements >= InPlaceCalls.Stretch)
            whole = Of(InPlaceCalls.Stretch, ref this);
        if (elements % InPlaceCalls.Stretch is > 0 and var left)
            rest = Of(left, ref this);
        var cell = ReadOnlySpan<byte>.Empty;
        for (int i = 0; i < _next; i++)
        {
            if (Cell(i) is (var address, > 0 and var bytes))
                cell = new ReadOnlySpan<byte>((void*)address, bytes);
        }
        calls.Add(whole, rest, ((ReadOnlySpan<Tensor?>)_tensors)[.._next], cell, replaced, context.Threads);
        return true;

        DispatchedKernel Of(long count, ref OpCall call)
        {
            call._words[1 + at] = count;
            return context.Table.Find(call.Words) ?? context.Miss(call._plan, call.Words);
        }
    }

    /// <summary>Runs the call whose words the caller wrote behind the head.</summary>
    public void Run(int count)
    {
        _count = count;
        Run();
    }

    /// <summary>The words that the caller writes.</summary>
    [UnscopedRef]
    public readonly Span<long> Free => _words;

    /// <summary>
    /// The addresses of all operands in order, as kernels take them; valid as long as the call is. Numbers on the stack are
    /// where a kernel that is started next finds them.
    /// </summary>
    private nint* Addresses()
    {
        int at = 0;
        for (int i = 0; i < _next; i++)
        {
            if (_tensors[i] is { } tensor)
                _pointers[at++] = tensor.Address;
            else if (BytesOf(i) is > 0 and var bytes)
                _pointers[at++] = _runtime!.Cells(_pointers[i], bytes);
        }
        // The call is on a stack, so nothing moves it.
        return (nint*)Unsafe.AsPointer(ref _pointers);
    }

    /// <summary>Keeps the operands' memory while a kernel has it.</summary>
    private readonly void KeepAlive()
    {
        for (int i = 0; i < _next; i++)
            GC.KeepAlive(_tensors[i]);
    }

    private void Run()
    {
        bool one = _next <= _plan.Inputs + 1;
        if (one && _tensors[_next - 1]!.NumElements == 0)
            return;
        if (_empty)
        {
            Operator.OfNothing(ref this);
            return;
        }
        _words[0] = Head;
        if (Executor.Current is { } executor)
            executor.Run(ref this);
        else
            Start();
    }

    /// <summary>Finds its kernel by its words and starts it.</summary>
    public void Start()
    {
        if (!_runtime!.Computes)
            return;
        var context = _runtime.Context;
        var kernel = context.Table.Find(Words) ?? context.Miss(_plan, Words);
        nint* arguments = Addresses();
        if (kernel.Packing is not { } packing || !TryRunPacked(kernel, packing, arguments))
            kernel.Run(arguments);
        KeepAlive();
    }

    // On copies of operands that earlier calls found as they are now.
    private readonly bool TryRunPacked(DispatchedKernel kernel, OperandPacking packing, nint* arguments)
    {
        int operands = packing.Operands;
        for (int i = 0; i < operands; i++)
        {
            if (Argument(packing.Input(i)) is not { } tensor)
                continue;
            var storage = tensor.Storage;
            // What somebody else may change without a word is never copied.
            if (storage.IsForeign)
                continue;
            int version = storage.Version;
            long offset = tensor.Address - storage.Address;
            if (kernel.TryRunPacked(packing, i, storage, offset, version, storage.Length, arguments))
            {
                storage.MayBePacked();
                return true;
            }
        }
        return false;
    }

    // The tensor that is an argument of the kernel, by its number among those that are there; null for a number.
    private readonly Tensor? Argument(int argument)
    {
        for (int i = 0; i < _next; i++)
        {
            if (_tensors[i] is null && BytesOf(i) == 0)
                continue;
            if (argument-- == 0)
                return _tensors[i];
        }
        return null;
    }

    private readonly DType Type(OperandPlan plan)
    {
        if (plan.Fixed is { } type)
            return type;
        for (int i = 0; i < _next; i++)
        {
            if (_tensors[i] is { } tensor && _plan.Operands[i].Type == plan.Type)
                return tensor.DType;
        }
        throw new InvalidOperationException($"{Operator.Title}: the dtype of a result is not known.");
    }

    // The transpose of a dense matrix, or a batch of them.
    private static bool IsTransposed(Layout layout)
    {
        long rows = layout.Sizes[^2];
        long columns = layout.Sizes[^1];
        return layout.Strides[^2] == 1
            && layout.Strides[^1] == rows
            && (layout.Rank == 2 || layout.Sizes[0] == 1 || layout.Strides[0] == rows * columns);
    }

    [DoesNotReturn]
    private readonly void ThrowType(DType type) =>
        throw new ArgumentException(
            $"{Operator.Title}: not defined for {type.Name()} tensors; convert them with To()."
        );
}
