using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Picograd.Algorithms.Operators;
using Picograd.Calls;
using Xunit;

namespace Picograd.Tests;

/// <summary>docs/new-operator.md: its code compiles, and computes what it says, on the CPU, forward and backward.</summary>
public sealed class NewOperatorPageTests : IDisposable
{
    private static readonly Lazy<Type> s_program = new(Compile);

    public NewOperatorPageTests() => Setup.UseCpu();

    public void Dispose() => Setup.UseEvaluator();

    public static TheoryData<DType, long> Cases()
    {
        var data = new TheoryData<DType, long>();
        foreach (var type in new[] { DType.Float32, DType.Float64, DType.Float16, DType.BFloat16 })
        {
            data.Add(type, 1);
            data.Add(type, 7);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_code_computes_what_it_says(DType type, long count)
    {
        double[] values =
        [
            .. Enumerable.Range(0, (int)count * 6).Select(i => Math.Round(Math.Sin(1.3 + 2.1 * i) * 3, 1)),
        ];
        var x = Tensor.From<double>(values, [count, 2, 3]).To(type).RequiresGrad_();
        double[] stored = x.Detach().ToDoubles();
        var results =
            (IReadOnlyDictionary<string, Tensor>)
                s_program.Value.GetMethod("Run", BindingFlags.Static | BindingFlags.Public)!.Invoke(null, [x])!;

        double[] gates = [1, 0, -1];
        double[] sigmoids = [.. gates.Select(g => 1 / (1 + Math.Exp(-g)))];
        Near(type, stored.Select((v, i) => v * sigmoids[i % 3]), results["gate"]);
        Near(type, stored.Select(v => Math.Clamp(v, -1, 1)), results["cut"]);
        Near(type, stored.Select(v => Math.Sqrt(v * v + Math.Pow(2 * v + 1, 2))), results["length"]);
        Near(type, stored.Chunk(3).Select(row => Math.Log(row.Sum(Math.Exp))), results["rows"]);
        Near(type, stored.Select((_, i) => stored[i / 3 * 3 + (i + 2) % 3]), results["rolled"]);
        // Gradients of the sum of all.
        var expected = stored.Select(
            (v, i) =>
            {
                double sum = stored[(i / 3 * 3)..(i / 3 * 3 + 3)].Sum(Math.Exp);
                double w = 2 * v + 1;
                return sigmoids[i % 3]
                    + (Math.Abs(v) < 1 ? 1 : 0)
                    + (v + 2 * w) / Math.Sqrt(v * v + w * w)
                    + Math.Exp(v) / sum
                    + stored[i / 3 * 3 + (i + 2) % 3]
                    + stored[i / 3 * 3 + (i + 1) % 3];
            }
        );
        Near(type, expected, x.Grad!, 8);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_definition_is_an_operator_of_tensors(DType type, long count)
    {
        var field = s_program.Value.GetField("Mirror", BindingFlags.Static | BindingFlags.NonPublic)!;
        OperatorLibrary.TryAdd((OperatorDefinition)field.GetValue(null)!);
        double[] values = [.. Enumerable.Range(0, (int)count * 6).Select(i => (double)(i % 11))];
        var x = Tensor.From<double>(values, [count, 2, 3]).To(type).RequiresGrad_();
        var mirrored = new Operator("mirror", derives: true).Recorded(x);
        Near(type, values.Select((_, i) => values[i / 3 * 3 + 2 - i % 3]), mirrored);
        (mirrored * x.Detach()).Sum().Backward();
        Near(type, values.Select((_, i) => values[i / 3 * 3 + 2 - i % 3]), x.Grad!);
    }

    private static void Near(DType type, IEnumerable<double> expected, Tensor actual, double factor = 2)
    {
        double unit = type switch
        {
            DType.Float16 => 1e-3,
            DType.BFloat16 => 8e-3,
            DType.Float32 => 4e-7,
            _ => 1e-15,
        };
        // The gradient of x·2 + 1 and of x are rounded before they are added.
        double[] wanted = [.. expected];
        double[] found = actual.Detach().ToDoubles();
        Assert.Equal(wanted.Length, found.Length);
        Assert.Equal(type, actual.DType);
        for (int i = 0; i < found.Length; i++)
            Assert.True(
                Math.Abs(found[i] - wanted[i]) <= factor * unit * Math.Max(4, Math.Abs(wanted[i])),
                $"element {i} is {found[i]:R}, not {wanted[i]:R}"
            );
    }

    private static Type Compile()
    {
        string page = Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", "docs", "new-operator.md");
        string text = File.ReadAllText(page).ReplaceLineEndings("\n");
        string Blocks(string kind) =>
            string.Join(
                '\n',
                Regex
                    .Matches(text, $"```csharp {kind}\n(.*?)```", RegexOptions.Singleline)
                    .Select(m => m.Groups[1].Value)
            );
        var lines = Blocks("declarations").Split('\n').ToLookup(l => l.StartsWith("using ", StringComparison.Ordinal));
        string[] names = ["gate", "cut", "length", "rows", "rolled"];
        string source = $$"""
            using System;
            using System.Collections.Generic;
            using System.Linq;
            {{string.Join('\n', lines[true])}}
            public static class Program
            {
                {{string.Join('\n', lines[false])}}
                public static IReadOnlyDictionary<string, Tensor> Run(Tensor x)
                {
                    {{Blocks("use")}}
                    return new Dictionary<string, Tensor> { {{string.Join(
                ", ",
                names.Select(n => $"[\"{n}\"] = {n}")
            )}} };
                }
            }
            """;
        var libraries = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator);
        var compilation = CSharpCompilation.Create(
            "new-operator",
            [CSharpSyntaxTree.ParseText(source)],
            [.. libraries.Select(l => MetadataReference.CreateFromFile(l))],
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary)
        );
        using var assembly = new MemoryStream();
        var result = compilation.Emit(assembly);
        if (!result.Success)
        {
            var errors = result.Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error);
            throw new InvalidOperationException(
                $"the code of {page} does not compile:\n{string.Join('\n', errors)}\n{source}"
            );
        }
        return Assembly.Load(assembly.ToArray()).GetType("Program")!;
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
