using Picograd.Algorithms;
using Picograd.Algorithms.Evaluation;
using Picograd.Schedules.Interpret;
using Picograd.Schedules.Ir;

namespace Picograd.Tests.Gpu;

/// <summary>An algorithm with inputs and its right answer; runs schedules of it in the interpreter, sanitizers on.</summary>
internal sealed class Interpreted
{
    private readonly Algorithm _algorithm;
    private readonly IReadOnlyDictionary<Buffer, NDArray> _inputs;
    private readonly IReadOnlyDictionary<Buffer, BoundedArray> _expected;
    private readonly IReadOnlyDictionary<string, long>? _parameters;

    public Interpreted(
        Algorithm algorithm,
        IReadOnlyDictionary<Buffer, NDArray> inputs,
        IReadOnlyDictionary<string, long>? parameters = null
    )
    {
        // What is stored where strides make elements share memory is what was written last.
        inputs = inputs.ToDictionary(x => x.Key, x => HostArray.From(x.Value, x.Key).ToNDArray());
        (_algorithm, _inputs, _parameters) = (algorithm, inputs, parameters);
        _expected = Evaluator.RunWithBounds(algorithm, inputs, parameters);
    }

    /// <summary>With random inputs: numbers of both signs, or, for integer types, numbers from 0 to 3.</summary>
    public static Interpreted Random(Algorithm algorithm, IReadOnlyDictionary<string, long>? parameters = null)
    {
        var random = new Random(17);
        var inputs = new Dictionary<Buffer, NDArray>();
        foreach (var input in algorithm.Inputs)
        {
            var array = HostArray.For(input, parameters);
            for (int i = 0; i < array.Count; i++)
                array[i] = input.Type.IsFloat() ? Math.Round(random.NextDouble() * 4 - 2, 3) : random.Next(4);
            inputs[input] = array.ToNDArray();
        }
        return new Interpreted(algorithm, inputs, parameters);
    }

    /// <summary>What is wrong with what a nest computes, or with how; null where it is right.</summary>
    /// <param name="nest">Of the algorithm.</param>
    /// <param name="seed">Draws the order of threads.</param>
    /// <param name="threadLoopsJoin">As in a schedule; not so in kernel form.</param>
    public string? Wrong(LoopNest nest, int seed, bool threadLoopsJoin = true)
    {
        HostArray[] arguments =
        [
            .. _algorithm.Inputs.Select(b => HostArray.From(_inputs[b], b)),
            .. _algorithm.Outputs.Select(b => HostArray.For(b, _parameters)),
        ];
        try
        {
            Interpreter.Run(
                nest,
                arguments,
                _parameters,
                new InterpreterOptions(Seed: seed, ThreadLoopsJoin: threadLoopsJoin)
            );
        }
        catch (SanitizerException e)
        {
            return e.Message;
        }
        for (int o = 0; o < _algorithm.Outputs.Length; o++)
        {
            var output = _algorithm.Outputs[o];
            var actual = arguments[_algorithm.Inputs.Length + o].ToNDArray();
            for (int i = 0; i < actual.Length; i++)
            {
                if (!_expected[output].Accepts(i, actual.At(i)))
                    return $"{output.Name} element {i} is {actual.At(i)}, must be {_expected[output].Value.At(i)} within {_expected[output].Bound[i]}\n{nest}";
            }
        }
        return null;
    }
}
