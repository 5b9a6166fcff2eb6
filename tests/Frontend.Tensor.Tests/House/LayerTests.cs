using System.Reflection;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cuda;
using Picograd.Schedules;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.House;

/// <summary>The folders of a project in an order: code uses its own folder and what comes before it, never what comes after.</summary>
public class LayerTests
{
    // Lowest first; "." is the project's own folder. Folders in one line may use each other.
    private static readonly Dictionary<string, (Assembly Assembly, string[][] Layers)> Projects = new()
    {
        ["Schedule"] = (
            typeof(LoopNest).Assembly,
            [
                ["Ir"],
                ["Intrinsics"],
                ["Backend"],
                ["Guards"],
                ["Analysis"],
                ["Passes"],
                ["Interpret"],
                ["Primitives"],
                ["Traces"],
                ["."],
                ["Patterns"],
                ["Recipes"],
                ["Rules"],
                ["Rules/Gpu"],
                ["Defaults"],
            ]
        ),
        ["Lower.Cpu"] = (
            typeof(CpuBackend).Assembly,
            [
                ["Runtime"],
                ["Machine"],
                ["Codegen"],
                ["Passes"],
                ["."],
                ["Warnings"],
            ]
        ),
        ["Lower.Cuda"] = (
            typeof(CudaBackend).Assembly,
            [
                ["Prelude"],
                ["Emulator"],
                ["Native"],
                ["Codegen"],
                ["Passes"],
                ["Runtime"],
                ["Machine"],
                ["."],
            ]
        ),
        ["Frontend.Tensor"] = (
            typeof(Tensor).Assembly,
            [
                ["Devices"],
                // Kernels are timed as they are chosen, and chosen anew when they were tuned.
                ["Dispatch", "Dispatch/Profiles", "Dispatch/Online"],
                // A tensor has calls of operators for methods, and the graph's node for its history; a node keeps tensors,
                // and derivatives are calls.
                ["Core", "Call", "Autograd"],
                ["Complex"],
                ["LinearAlgebra"],
                ["Nn"],
                ["Nn/Distributions"],
                ["Fourier"],
                ["Optim", "Optim/Schedulers"],
                // Whole steps are compiled, optimizers with them.
                ["Graph"],
                // Files keep the state of all of them.
                ["Formats"],
                ["Models"],
            ]
        ),
    };

    public static TheoryData<string> Names => [.. Projects.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Folders_use_what_comes_before_them(string project)
    {
        var back = Back(References(project), Projects[project].Layers);
        Assert.True(back.Count == 0, $"{back.Count} uses of later folders:\n{string.Join("\n", back.Take(40))}");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_folder_has_its_place(string project)
    {
        var known = Projects[project].Layers.SelectMany(l => l).ToHashSet();
        var there = References(project).SelectMany(r => new[] { Folder(r.From), Folder(r.To) });
        Assert.Subset(known, there.ToHashSet());
    }

    // The two tests above would hold of an assembly in which nothing is found.
    [Theory]
    [MemberData(nameof(Names))]
    public void Uses_are_found(string project)
    {
        var references = References(project);
        Assert.True(references.Count > 100, $"{references.Count} uses");
        Assert.NotEmpty(Back(references, [.. Projects[project].Layers.Reverse()]));
    }

    private static IReadOnlyCollection<SourceReference> References(string project) =>
        SourceReferences.Of(Projects[project].Assembly.Location, $"/src/{project}/");

    private static List<string> Back(IEnumerable<SourceReference> references, string[][] layers)
    {
        var place = layers.SelectMany((l, i) => l.Select(f => (f, i))).ToDictionary();
        int Of(string file) => place.GetValueOrDefault(Folder(file), -1);
        return
        [
            .. references
                .Where(r => Of(r.From) >= 0 && Of(r.From) < Of(r.To))
                .Select(r => $"{r.From} uses {r.What} of {r.To}")
                .Order(StringComparer.Ordinal),
        ];
    }

    private static string Folder(string file) => file.Contains('/') ? file[..file.LastIndexOf('/')] : ".";
}
