using Picograd.Algorithms;
using Picograd.Schedules.Ir;

namespace Picograd.Schedules.Interpret;

/// <summary>
/// Runs any loop nest, before or after lowering passes, for CPU or GPU loops, one statement at a time, and watches it
/// with sanitizers. Slow and exact: each operation rounds to its dtype. Threads of a GPU block run in lockstep; missing
/// barriers are found by a log of accesses, not by their effects. Prepared once, runs many times (not at once).
/// </summary>
public sealed class Interpreter
{
    private readonly LoopNest _nest;
    private readonly ExprCompiler _exprs = new();
    private readonly Node _program;
    private readonly bool _concurrent;
    private readonly Site _site;

    public Interpreter(LoopNest nest)
    {
        _nest = IntermediatePlacement.Place(nest);
        foreach (var parameter in nest.Algorithm.Parameters)
            _exprs.Slot(parameter.Var);
        _site = new Site(_nest.Body, []);
        _concurrent = _nest.Loops.Any(l => l.Kind.IsConcurrent());
        _program = new StmtCompiler(_exprs).Compile(_nest.Body);
    }

    /// <summary>Runs a nest on arguments; see <see cref="Execute"/>.</summary>
    public static void Run(
        LoopNest nest,
        IReadOnlyList<HostArray> arguments,
        IReadOnlyDictionary<string, long>? parameters = null,
        InterpreterOptions? options = null
    ) => new Interpreter(nest).Execute(arguments, parameters, options);

    /// <summary>Runs a nest on inputs, in the order of the algorithm's Inputs; returns fresh outputs.</summary>
    public static HostArray[] Run(
        LoopNest nest,
        IReadOnlyDictionary<string, HostArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null,
        InterpreterOptions? options = null
    )
    {
        var outputs = nest.Algorithm.Outputs.Select(o => HostArray.For(o, parameters)).ToArray();
        var arguments = nest.Algorithm.Inputs.Select(i =>
            inputs.TryGetValue(i.Name, out var array)
                ? array
                : throw new ArgumentException($"inputs: {i.Name} is missing")
        );
        Run(nest, [.. arguments, .. outputs], parameters, options);
        return outputs;
    }

    /// <summary>Runs the program.</summary>
    /// <param name="arguments">Arrays for the algorithm's Arguments in order; those of the outputs are filled.</param>
    /// <param name="parameters">Value of each symbolic extent by name; null where there are none.</param>
    /// <param name="options">Null: all sanitizers, ascending order.</param>
    /// <exception cref="ArgumentException">Missing or misshapen arguments or parameters.</exception>
    /// <exception cref="SanitizerException">The program did what it must not.</exception>
    public void Execute(
        IReadOnlyList<HostArray> arguments,
        IReadOnlyDictionary<string, long>? parameters = null,
        InterpreterOptions? options = null
    )
    {
        var algorithm = _nest.Algorithm;
        var run = new Run(_nest, options ?? InterpreterOptions.Default);
        var buffers = algorithm.Arguments;
        if (arguments.Count != buffers.Length)
            throw new ArgumentException(
                $"arguments: {arguments.Count} given, {algorithm.Name} takes {string.Join(", ", buffers.Select(b => b.Name))}"
            );
        // Slots may be added until here, and shapes of arguments are expressions too.
        var shapes = buffers.Select(b => _exprs.Ints(b.Shape, _site)).ToArray();
        var slots = buffers.Select(_exprs.Slot).ToArray();
        var frame = new Frame(run, _exprs.VarCount, _exprs.BufferCount, _exprs.Arity);
        foreach (var p in algorithm.Parameters)
        {
            if (parameters is null || !parameters.TryGetValue(p.Name, out long value))
                throw new ArgumentException($"parameters: no value for {p.Name}");
            if (value < p.Min || value > p.Max)
                throw new ArgumentException($"parameters: {p.Name} is {value}, outside of {p.Min}..{p.Max}");
            frame.Vars[_exprs.Slot(p.Var)] = value;
        }
        for (int i = 0; i < slots.Length; i++)
        {
            var shape = Array.ConvertAll(shapes[i], e => e(frame));
            var array = arguments[i];
            if (array.Type != buffers[i].Type || !array.Shape.AsSpan().SequenceEqual(shape))
                throw new ArgumentException(
                    $"arguments: {buffers[i].Name} is {array}, must be {buffers[i].Type.Name()}[{string.Join(", ", shape)}]"
                );
            bool isInput = i < algorithm.Inputs.Length;
            var replaced = isInput ? null : algorithm.ReplacedBy(buffers[i]);
            if (replaced is not null)
                array.CopyFrom(arguments[buffers.IndexOf(replaced)]);
            bool written = isInput || replaced is not null;
            frame.Buffers[slots[i]] = new Storage(buffers[i], array, written, !isInput && _concurrent, run);
        }
        _program.Execute(new Team([frame], []));
        for (int i = algorithm.Inputs.Length; i < slots.Length; i++)
            frame.Buffers[slots[i]]!.RequireComplete(run);
    }
}
