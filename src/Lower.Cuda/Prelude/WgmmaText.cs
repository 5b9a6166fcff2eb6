using System.Text;

namespace Picograd.Lower.Cuda.Prelude;

/// <summary>Texts of the wgmma functions, one for each shape, type and place of the left operand.</summary>
internal static class WgmmaText
{
    /// <summary>What a type means for the text: its depth, its number in the emulator, and whether operands may be transposed.</summary>
    private sealed record Element(string Name, int Depth, int Kind, bool Transposes);

    private static readonly Element[] Elements =
    [
        new("bf16", 16, 1, true),
        new("f16", 16, 2, true),
        new("tf32", 8, 0, false),
    ];

    public static IEnumerable<(string Name, string Text)> All()
    {
        foreach (var element in Elements)
        {
            for (var n = 8; n <= 256; n += 8)
            {
                yield return Function(element, n, registers: false);
                yield return Function(element, n, registers: true);
            }
        }
    }

    private static (string Name, string Text) Function(Element element, int n, bool registers)
    {
        var shape = $"m64n{n}k{element.Depth}";
        var name = $"wgmma_{shape}_{element.Name}" + (registers ? "_ra" : "");
        var count = n / 2;
        // Operands of the asm statement after the accumulators: a (one descriptor or four registers), b, scale_d, transpositions.
        var a = registers ? 4 : 1;
        var sources = registers ? "\"r\"(a[0]), \"r\"(a[1]), \"r\"(a[2]), \"r\"(a[3])" : "\"l\"(a)";
        var left = registers
            ? "{" + string.Join(", ", Enumerable.Range(count, 4).Select(i => $"%{i}")) + "}"
            : $"%{count}";
        var template =
            !element.Transposes ? ""
            : registers ? "template <int TransposeB> "
            : "template <int TransposeA, int TransposeB> ";
        var transposes =
            !element.Transposes ? ""
            : registers ? $", %{count + a + 2}"
            : $", %{count + a + 2}, %{count + a + 3}";
        var constants =
            !element.Transposes ? ""
            : registers ? ", \"n\"(TransposeB)"
            : ", \"n\"(TransposeA), \"n\"(TransposeB)";
        var text = new StringBuilder();
        text.Append(
            $"// c = a b + (scale_d != 0 ? c : 0) over a warpgroup: 64 x {element.Depth} by {element.Depth} x {n}, sums in fp32.\n"
        );
        text.Append($"{template}__device__ __forceinline__ void {name}(\n");
        text.Append(
            $"    float (&c)[{count}], {(registers ? "const unsigned (&a)[4]" : "unsigned long long a")}, unsigned long long b, int scale_d PICOGRAD_AT)\n"
        );
        text.Append("{\n#ifndef PICOGRAD_EMULATOR\n    asm volatile(\n");
        text.Append($"        \"{{\\n.reg .pred p;\\nsetp.ne.b32 p, %{count + a + 1}, 0;\\n\"\n");
        text.Append($"        \"wgmma.mma_async.sync.aligned.{shape}.f32.{element.Name}.{element.Name} {{");
        text.AppendJoin(", ", Enumerable.Range(0, count).Select(i => $"%{i}"));
        text.Append($"}}, {left}, %{count + a}, p, 1, 1{transposes};\\n}}\"\n        : ");
        text.AppendJoin(", ", Enumerable.Range(0, count).Select(i => $"\"+f\"(c[{i}])"));
        text.Append($"\n        : {sources}, \"l\"(b), \"r\"(scale_d){constants});\n#else\n");
        var transposeA = element.Transposes && !registers ? "TransposeA" : "0";
        var transposeB = element.Transposes ? "TransposeB" : "0";
        text.Append(
            $"    picograd_wgmma({element.Kind}, {n}, c, {(registers ? "a, 0" : "0, a")}, b, scale_d, {transposeA}, {transposeB}, line);\n#endif\n}}\n"
        );
        return (name, text.ToString());
    }
}
