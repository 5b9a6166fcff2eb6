using Google.Protobuf;
using Picograd.Calls;
using Picograd.Onnx.Proto;

namespace Picograd.Onnx.Export;

/// <summary>
/// Writes modules and functions as ONNX models (version 17 of the operators): one pass with example inputs is recorded, and each call
/// becomes nodes. Shapes are those of the inputs; weights keep their names.
/// </summary>
public static class OnnxExport
{
    internal const long Opset = 17;

    /// <summary>Writes a module, through a file beside it that takes its place when it is complete.</summary>
    /// <param name="module">In the mode that is wanted: mostly <c>module.Eval()</c>.</param>
    /// <param name="input">An example of what it takes.</param>
    /// <param name="path">The file.</param>
    /// <exception cref="UnsupportedOperatorsException">Calls that have no nodes of ONNX here; lists all of them. Nothing is written.</exception>
    /// <exception cref="NotSupportedException">It changes weights, or other tensors that were there before, in place.</exception>
    public static void Save(Module module, Tensor input, string path)
    {
        ArgumentNullException.ThrowIfNull(module);
        Save(inputs => [module.Forward(inputs[0])], [input], path, module.StateDict());
    }

    /// <summary>Writes a function of tensors.</summary>
    /// <param name="function">What is run once; values that it reads of tensors become part of the model.</param>
    /// <param name="inputs">Examples of what it takes, named x0, x1, … (x where there is one).</param>
    /// <param name="path">The file.</param>
    /// <param name="weights">Names of tensors that it uses, such as <see cref="Module.StateDict"/>.</param>
    /// <inheritdoc cref="Save(Module, Tensor, string)" path="/exception"/>
    public static void Save(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        string path,
        IEnumerable<KeyValuePair<string, Tensor>>? weights = null
    )
    {
        ArgumentNullException.ThrowIfNull(function);
        ArgumentNullException.ThrowIfNull(inputs);
        byte[] bytes = Model(function, inputs, path, weights ?? []).ToByteArray();
        FileBeside.Write(path, file => file.Write(bytes));
    }

    internal static ModelProto Model(
        Func<Tensor[], Tensor[]> function,
        Tensor[] inputs,
        string path,
        IEnumerable<KeyValuePair<string, Tensor>> weights
    )
    {
        using var off = Tensor.NoGrad();
        using var recorder = new Recorder();
        // Each in memory of its own, by which it is known.
        Tensor[] given = [.. inputs.Select(i => i.Detach().Contiguous().Clone())];
        var graph = new ExportGraph();
        for (int i = 0; i < given.Length; i++)
            graph.AddInput(given.Length == 1 ? "x" : $"x{i}", given[i]);
        foreach (var (name, tensor) in weights)
            graph.AddWeight(name, tensor);
        Tensor[] outputs;
        using (recorder.Enter())
            outputs = function(given);
        graph.Ran(recorder);
        var wanting = new List<string>();
        foreach (var call in recorder.Calls)
        {
            if (!ExportOperators.Add(graph, call))
                wanting.Add(call.Spec);
        }
        if (wanting.Count > 0)
            throw new UnsupportedOperatorsException(path, [.. wanting.Distinct()]);
        for (int i = 0; i < outputs.Length; i++)
            graph.AddOutput(outputs.Length == 1 ? "y" : $"y{i}", outputs[i]);
        var model = new ModelProto
        {
            IrVersion = 8,
            ProducerName = "Picograd",
            Graph = graph.Finished(),
        };
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = Opset });
        return model;
    }
}
