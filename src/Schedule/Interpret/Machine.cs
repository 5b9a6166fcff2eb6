using System.Collections.Immutable;
using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Interpret;

internal delegate long IntFn(Frame frame);

internal delegate double FloatFn(Frame frame);

/// <summary>A statement of the source as diagnostics name it, with the loops around it and their slots.</summary>
internal sealed record Site(Stmt Stmt, ImmutableArray<(string Name, int Slot)> Loops);

/// <summary>Registers of one thread of execution.</summary>
internal sealed class Frame
{
    public Frame(Run run, int vars, int buffers, int arity)
    {
        Run = run;
        Vars = new long[vars];
        Buffers = new Storage?[buffers];
        TempFloats = new double[3 * arity];
        TempInts = new long[3 * arity];
        Context = Context.Root;
    }

    private Frame(Frame parent, Context context)
    {
        Run = parent.Run;
        Vars = [.. parent.Vars];
        Buffers = [.. parent.Buffers];
        TempFloats = new double[parent.TempFloats.Length];
        TempInts = new long[parent.TempInts.Length];
        IsAsync = parent.IsAsync;
        Context = context;
    }

    public Run Run { get; }

    /// <summary>Variables by slot: parameters, loops, block axes.</summary>
    public long[] Vars { get; }

    public Storage?[] Buffers { get; }

    /// <summary>Operands of a combiner: accumulated values, new values, results.</summary>
    public double[] TempFloats { get; }

    public long[] TempInts { get; }

    public Context Context { get; set; }

    /// <summary>Whether stores to shared memory are only begun, see <see cref="Async"/>.</summary>
    public bool IsAsync { get; set; }

    /// <summary>A thread that starts with the same registers.</summary>
    public Frame Fork(Context context) => new(this, context);
}

/// <summary>
/// Threads that execute the same statement in lockstep. Population are all the threads that the enclosing thread loops
/// started, whether or not they took the branches to here; empty outside of thread loops.
/// </summary>
internal sealed class Team(Frame[] active, Frame[] population)
{
    public readonly Frame[] Active = active;
    public readonly Frame[] Population = population;
}

/// <summary>State of one run.</summary>
internal sealed class Run(LoopNest nest, InterpreterOptions options)
{
    private readonly Random? _random = options.Seed is { } seed ? new Random(seed) : null;
    private long _instances;

    public bool Checks(Sanitizers sanitizer) => (options.Sanitizers & sanitizer) != 0;

    public bool ThreadLoopsJoin => options.ThreadLoopsJoin;

    public long NextInstance() => ++_instances;

    /// <summary>0 … count−1 in the order in which to run them.</summary>
    public long[] Order(long count)
    {
        var order = new long[count];
        for (long i = 0; i < count; i++)
            order[i] = i;
        _random?.Shuffle(order);
        return order;
    }

    public void Shuffle(Frame[] frames) => _random?.Shuffle(frames);

    public SanitizerException Fault(
        SanitizerKind kind,
        string what,
        Buffer? buffer,
        ImmutableArray<long> index,
        Site? site,
        Frame? frame
    ) =>
        new(
            kind,
            what,
            buffer,
            index,
            site is null || frame is null ? [] : [.. site.Loops.Select(l => (l.Name, frame.Vars[l.Slot]))],
            nest,
            site?.Stmt
        );
}

/// <summary>Elements of a buffer in a run, with what is known of each.</summary>
internal sealed class Storage
{
    private readonly Buffer _buffer;
    private readonly double[] _floats;
    private readonly long[] _ints;
    private readonly long[] _shape;
    private readonly long[] _strides;
    private readonly bool[]? _written;
    private readonly AccessLog? _log;

    // Elements to which an asynchronous copy is under way.
    private bool[]? _pending;

    /// <param name="buffer">Name and dtype.</param>
    /// <param name="array">Elements.</param>
    /// <param name="written">Whether the elements have values.</param>
    /// <param name="shared">Whether a concurrent loop inside of the buffer's life uses it.</param>
    /// <param name="run">The run.</param>
    public Storage(Buffer buffer, HostArray array, bool written, bool shared, Run run)
    {
        _buffer = buffer;
        _floats = array.Floats;
        _ints = array.Integers;
        _shape = array.Shape;
        _strides = array.Strides;
        long span = Math.Max(_floats.Length, _ints.Length);
        if (!written)
        {
            // Poison: a value that shows where the sanitizer is off.
            Array.Fill(_floats, double.NaN);
            if (_ints.Length > 0)
                Array.Fill(_ints, Numerics.Wrap(buffer.Type, -1));
            _written = run.Checks(Sanitizers.Unwritten) ? new bool[span] : null;
        }
        _log = shared && run.Checks(Sanitizers.Race) ? new AccessLog(span) : null;
    }

    public double LoadFloat(IntFn[] indices, Frame frame, Site site)
    {
        long at = Offset(indices, frame, site);
        if (at < 0)
            return 0;
        BeforeRead(at, indices, frame, site);
        return _floats[at];
    }

    public long LoadInt(IntFn[] indices, Frame frame, Site site)
    {
        long at = Offset(indices, frame, site);
        if (at < 0)
            return 0;
        BeforeRead(at, indices, frame, site);
        return _ints[at];
    }

    public void StoreFloat(IntFn[] indices, double value, Frame frame, Site site)
    {
        long at = Offset(indices, frame, site);
        if (at < 0)
            return;
        BeforeWrite(at, indices, frame, site);
        _floats[at] = Numerics.Round(_buffer.Type, value);
    }

    public void StoreInt(IntFn[] indices, long value, Frame frame, Site site)
    {
        long at = Offset(indices, frame, site);
        if (at < 0)
            return;
        BeforeWrite(at, indices, frame, site);
        _ints[at] = Numerics.Wrap(_buffer.Type, value);
    }

    /// <summary>Throws where an element was not written.</summary>
    public void RequireComplete(Run run)
    {
        if (_written is null)
            return;
        var index = new long[_shape.Length];
        long count = _shape.Aggregate(1L, (n, e) => n * e);
        for (long position = 0; position < count; position++)
        {
            long rest = position;
            long at = 0;
            for (int d = _shape.Length - 1; d >= 0; d--)
            {
                index[d] = rest % _shape[d];
                rest /= _shape[d];
                at += index[d] * _strides[d];
            }
            if (!_written[at])
                throw run.Fault(
                    SanitizerKind.UnwrittenOutput,
                    $"{Element(index)} was not written",
                    _buffer,
                    [.. index],
                    null,
                    null
                );
        }
    }

    // −1: outside, and the sanitizer is off.
    private long Offset(IntFn[] indices, Frame frame, Site site)
    {
        long at = 0;
        for (int d = 0; d < indices.Length; d++)
        {
            long i = indices[d](frame);
            if ((ulong)i >= (ulong)_shape[d])
            {
                if (!frame.Run.Checks(Sanitizers.Bounds))
                    return -1;
                var index = Index(indices, frame);
                throw frame.Run.Fault(
                    SanitizerKind.OutOfBounds,
                    $"{Element(index)} is outside of [{string.Join(", ", _shape)}]",
                    _buffer,
                    [.. index],
                    site,
                    frame
                );
            }
            at += i * _strides[d];
        }
        return at;
    }

    private void BeforeRead(long at, IntFn[] indices, Frame frame, Site site)
    {
        if (_pending is not null && _pending[at])
            throw Pending("read", indices, frame, site);
        if (_written is not null && !_written[at])
        {
            var index = Index(indices, frame);
            throw frame.Run.Fault(
                SanitizerKind.UnwrittenRead,
                $"{Element(index)} is read before it is written",
                _buffer,
                [.. index],
                site,
                frame
            );
        }
        if (_log?.Read(at, frame.Context) is { } other)
            throw Race("read", other, indices, frame, site);
    }

    private void BeforeWrite(long at, IntFn[] indices, Frame frame, Site site)
    {
        if (_pending is not null && _pending[at])
            throw Pending("written", indices, frame, site);
        if (_written is not null)
            _written[at] = true;
        if (frame.IsAsync && _buffer.Scope == Scope.Shared && frame.Context.Block is { } block && _written is not null)
        {
            _pending ??= new bool[_written.Length];
            _pending[at] = true;
            block.Copies.Begin(frame.Context, this, at);
        }
        if (_log?.Write(at, frame.Context) is { } other)
            throw Race("written", other, indices, frame, site);
    }

    /// <summary>An asynchronous copy to an element was waited for: as if its thread wrote it now.</summary>
    public void Complete(long at, Context by)
    {
        _pending![at] = false;
        _log?.Write(at, by);
    }

    private SanitizerException Pending(string how, IntFn[] indices, Frame frame, Site site)
    {
        var index = Index(indices, frame);
        return frame.Run.Fault(
            SanitizerKind.PendingCopy,
            $"{Element(index)} is {how} while an asynchronous copy to it has not been waited for",
            _buffer,
            [.. index],
            site,
            frame
        );
    }

    private SanitizerException Race(string how, Context other, IntFn[] indices, Frame frame, Site site)
    {
        var index = Index(indices, frame);
        return frame.Run.Fault(
            SanitizerKind.Race,
            $"{Element(index)} is {how} by {frame.Context.Describe()} and used by {other.Describe()} at the same time",
            _buffer,
            [.. index],
            site,
            frame
        );
    }

    private static long[] Index(IntFn[] indices, Frame frame) => [.. indices.Select(i => i(frame))];

    private string Element(long[] index) => $"{_buffer.Name}[{string.Join(", ", index)}]";
}
