using System.Text;
using Picograd.Onnx;
using Picograd.Onnx.Proto;
using Xunit;
using Xunit.Abstractions;

namespace Picograd.Tests.Onnx;

/// <summary>
/// The node tests of ONNX itself, as Debian's package libonnx-testdata has them: <c>PICOGRAD_ONNX_TESTDATA</c> names its folder
/// <c>data</c>. A case counts as one of floats where all inputs and outputs are tensors of float16, float32, float64, and of integers and
/// bools beside them, and at least one is of floats, and nothing is random.
/// </summary>
public class OnnxNodeTests(ITestOutputHelper output)
{
    private static string Folder()
    {
        string? folder = Environment.GetEnvironmentVariable("PICOGRAD_ONNX_TESTDATA");
        Skip.If(
            string.IsNullOrEmpty(folder) || !Directory.Exists(Path.Combine(folder, "node")),
            "PICOGRAD_ONNX_TESTDATA names no folder with node tests (Debian's libonnx-testdata, usr/share/libonnx-testdata/data)"
        );
        return folder!;
    }

    [SkippableFact]
    public void Cases_of_floats_hold()
    {
        string folder = Folder();
        int floats = 0;
        int held = 0;
        var others = new List<string>();
        var wanting = new SortedDictionary<string, int>(StringComparer.Ordinal);
        var report = new StringBuilder();
        var wrong = new List<string>();
        foreach (
            string path in Directory.EnumerateDirectories(Path.Combine(folder, "node")).Order(StringComparer.Ordinal)
        )
        {
            string name = Path.GetFileName(path)["test_".Length..];
            if (IsRandom(name))
                continue;
            bool isFloat = IsOfFloats(path);
            floats += isFloat ? 1 : 0;
            string result = Run(path, wanting, isFloat ? wrong : []);
            if (result.Length == 0)
                held += isFloat ? 1 : 0;
            else if (isFloat)
                report.AppendLine($"{name}: {result}");
            else
                others.Add($"{name}: {result}");
        }
        string text =
            $"{held} of {floats} cases of floats hold\n{report}\nunsupported: {string.Join(", ", wanting.Select(w => $"{w.Key} {w.Value}"))}\n\nothers:\n{string.Join('\n', others)}";
        output.WriteLine(text);
        if (Environment.GetEnvironmentVariable("PICOGRAD_ONNX_REPORT") is { Length: > 0 } file)
            File.WriteAllText(file, text);
        Assert.True(floats > 500, $"{floats} cases of floats");
        Assert.True(held >= 0.95 * floats, text);
        // What is not run is refused, and nothing that runs is wrong.
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    // What these give is random.
    private static bool IsRandom(string name) =>
        name.StartsWith("bernoulli", StringComparison.Ordinal)
        || (
            name.StartsWith("training_dropout", StringComparison.Ordinal)
            && !name.Contains("zero_ratio", StringComparison.Ordinal)
        );

    private static string Run(string path, SortedDictionary<string, int> wanting, List<string> wrong)
    {
        string name = Path.GetFileName(path)["test_".Length..];
        try
        {
            var model = OnnxModel.Load(Path.Combine(path, "model.onnx"));
            model.Eval();
            using var off = Tensor.NoGrad();
            string data = Path.Combine(path, "test_data_set_0");
            var inputs = new Dictionary<string, object?>();
            for (int i = 0; i < model.Inputs.Count; i++)
                inputs[model.Inputs[i].Name] = OnnxValues.Read(
                    Path.Combine(data, $"input_{i}.pb"),
                    model.Inputs[i].DType
                );
            object?[] outputs = model.RunValues(inputs);
            for (int i = 0; i < outputs.Length; i++)
            {
                object? wanted = OnnxValues.Read(Path.Combine(data, $"output_{i}.pb"), model.Outputs[i].DType);
                string difference = OnnxValues.Difference(outputs[i], wanted);
                if (difference.Length > 0)
                {
                    // The file has float32 cut off where bfloat16 is rounded to the nearest, as everywhere else.
                    if (name != "cast_FLOAT_to_BFLOAT16")
                        wrong.Add($"{name}: output {i}, {difference}");
                    return $"output {i}, {difference}";
                }
            }
            return "";
        }
        catch (UnsupportedOperatorsException e)
        {
            foreach (string node in e.Nodes)
            {
                string op = node.Split(' ')[0];
                wanting[op] = wanting.GetValueOrDefault(op) + 1;
            }
            return $"unsupported {string.Join(", ", e.Nodes)}";
        }
        catch (Exception e) when (e is InvalidDataException or InvalidOperationException or ArgumentException)
        {
            // Said not to be supported is no wrong answer; any other failure is, but that of cases whose data are of another shape than
            // their model says.
            bool isRefused =
                e is InvalidDataException && e.Message.Contains("not supported", StringComparison.Ordinal)
                || e is ArgumentException
                    && name.StartsWith("castlike_", StringComparison.Ordinal)
                    && name.Contains("BFLOAT16", StringComparison.Ordinal);
            if (!isRefused)
                wrong.Add($"{name}: {e.GetType().Name} {e.Message}");
            return $"{e.GetType().Name} {e.Message}";
        }
    }

    private static bool IsOfFloats(string path)
    {
        using var file = File.OpenRead(Path.Combine(path, "model.onnx"));
        var graph = ModelProto.Parser.ParseFrom(file).Graph;
        var types = graph.Input.Concat(graph.Output).Select(v => v.Type.TensorType).ToList();
        return types.All(t => t is not null && OnnxTensors.TypeOf(t.ElemType) is not null)
            && types.Any(t => OnnxTensors.TypeOf(t!.ElemType)!.Value.IsFloat());
    }
}
