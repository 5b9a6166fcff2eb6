using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Xunit;

namespace Picograd.Tests.House;

/// <summary>A file's namespace is its project's, then its folders.</summary>
public partial class NamespaceTests
{
    private static readonly Dictionary<string, string> Roots = new()
    {
        ["src/Algorithm"] = "Picograd.Algorithms",
        ["src/Schedule"] = "Picograd.Schedules",
        ["src/Lower.Cpu"] = "Picograd.Lower.Cpu",
        ["src/Lower.Cuda"] = "Picograd.Lower.Cuda",
        ["src/Search"] = "Picograd.Search",
        ["src/Frontend.Tensor"] = "Picograd",
        // What the front end loads by name for GPUs is part of its dispatch.
        ["src/Frontend.Cuda"] = "Picograd.Dispatch",
        // Its folders are for people; a program names one namespace.
        ["src/Frontend.Data"] = "Picograd.Data",
        ["src/Frontend.Onnx"] = "Picograd.Onnx",
        ["tunedb"] = "Picograd.TuneDb",
    };

    // A model needs one using: its types, from dtypes to optimizers, are all in Picograd, wherever they lie.
    private const string OfModels = "Picograd";
    private static readonly string[] WithTypesOfModels = ["src/Algorithm", "src/Frontend.Tensor"];

    // Call is a statement of loop nests.
    private static readonly Dictionary<string, string> Exceptions = new()
    {
        ["src/Frontend.Tensor/Call"] = "Picograd.Calls",
        // Autograd is a class that models call.
        ["src/Frontend.Tensor/Autograd"] = "Picograd.Gradients",
        // Graph is what models call.
        ["src/Frontend.Tensor/Graph"] = "Picograd.Graphs",
    };

    [GeneratedRegex(@"^namespace ([\w.]+)", RegexOptions.Multiline)]
    private static partial Regex Namespace();

    public static TheoryData<string> Projects => [.. Roots.Keys];

    [Theory]
    [MemberData(nameof(Projects))]
    public void Namespaces_follow_folders(string project)
    {
        var wrong = new List<string>();
        int files = 0;
        foreach (
            string path in Directory.EnumerateFiles(Path.Combine(Root(), project), "*.cs", SearchOption.AllDirectories)
        )
        {
            string file = Path.GetRelativePath(Root(), path).Replace('\\', '/');
            if (Generated().IsMatch(file))
                continue;
            files++;
            string folder = file[..file.LastIndexOf('/')];
            string found = Namespace().Match(File.ReadAllText(path)) is { Success: true } m
                ? m.Groups[1].Value
                : "none";
            string wanted =
                Exceptions.GetValueOrDefault(folder) ?? Roots[project] + folder[project.Length..].Replace('/', '.');
            bool isFlat = project == "src/Frontend.Data" && found == Roots[project];
            if (found != wanted && !isFlat && !(found == OfModels && WithTypesOfModels.Contains(project)))
                wrong.Add($"{file}: {found}, by its folder {wanted}");
        }
        Assert.True(files > 0, $"no files in {project}");
        Assert.True(wrong.Count == 0, string.Join("\n", wrong));
    }

    [GeneratedRegex("(^|/)(bin|obj)/")]
    private static partial Regex Generated();

    private static string Root([CallerFilePath] string here = "") =>
        Path.GetFullPath(Path.Combine(Path.GetDirectoryName(here)!, "../../.."));
}
