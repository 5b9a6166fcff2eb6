using System.Collections.Immutable;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Lower.Cuda.Passes;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Intrinsics;
using Picograd.Schedules.Ir;
using Picograd.Tests.Codegen;
using Xunit;

namespace Picograd.Tests.Fragments;

/// <summary>
/// Layouts with two digits exchanged: every one of them is refused or gives wrong numbers on the emulator, whose
/// instructions know nothing of the layouts here.
/// </summary>
[Collection(EmulatorCollection.Name)]
public class LayoutMutationTests
{
    private static readonly Dictionary<string, (FragmentLayout Layout, Func<LoopNest> Nest)> Cases = new()
    {
        // Fragments that plain loops fill and empty, so that lanes and registers are in the text.
        ["C"] = (FragmentLayouts.C, () => FragmentProgramTests.Attention(16, 16, 16, 8)),
        ["A16"] = (FragmentLayouts.A16, () => FragmentProgramTests.Attention(16, 16, 16, 8)),
        ["B16"] = (FragmentLayouts.B16, () => FragmentProgramTests.Attention(16, 16, 16, 8)),
        ["A32"] = (FragmentLayouts.A32, () => Matmul("tf32=1 ta=1", "bk=8")),
        ["B32"] = (FragmentLayouts.B32, () => Matmul("tf32=1", "bk=8")),
        // Addresses of ldmatrix.
        ["A rows"] = (TensorCores.Loads[0].LayoutOf(1)!, () => Matmul("dtype=bf16", "bk=16")),
        ["A columns"] = (TensorCores.Loads[1].LayoutOf(1)!, () => Matmul("dtype=bf16 ta=1", "bk=16")),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void ExchangedDigitsAreFound(string name)
    {
        EmulatedLaunch.Require();
        var (layout, make) = Cases[name];
        var nest = make();
        Assert.Null(Fault(nest));
        int count = 0;
        foreach (var mutant in Mutants(layout))
        {
            count++;
            var changed = nest with { Body = nest.Body.MapUp(s => s is Call c ? With(c, layout, mutant) : s) };
            Assert.True(
                Fault(changed) is not null,
                $"{string.Join(", ", mutant.Lane)}; {string.Join(", ", mutant.Register)}"
            );
        }
        Assert.True(count >= 1);
    }

    private static LoopNest Matmul(string options, string knobs) =>
        TensorMatmulTests.Nest($"matmul m=16 n=16 k=16 {options}", $"bm=16 bn=16 wm=16 wn=16 stages=1 {knobs}");

    private static Call With(Call call, FragmentLayout layout, FragmentLayout mutant) =>
        call with
        {
            Intrinsic = call.Intrinsic with
            {
                OperandLayouts = [.. call.Intrinsic.OperandLayouts.Select(l => l == layout ? mutant : l)],
            },
        };

    private static string? Fault(LoopNest nest)
    {
        try
        {
            var kernel = CudaLowering.Run(nest, GpuInfo.H100);
            EmulatedProgram.Check(kernel, EmulatedTests.RandomInputs(nest.Algorithm, 3));
            return null;
        }
        catch (CudaException e)
        {
            // A misaligned address, for instance.
            CudaEmulator.Recover();
            return e.Message;
        }
        catch (Exception e) when (e is LoweringException or Xunit.Sdk.XunitException)
        {
            return e.Message;
        }
    }

    private static IEnumerable<FragmentLayout> Mutants(FragmentLayout layout)
    {
        var digits = layout.Lane.Concat(layout.Register).ToImmutableArray();
        int lanes = layout.Lane.Length;
        for (int i = 0; i < digits.Length; i++)
        {
            for (int j = i + 1; j < digits.Length; j++)
            {
                var exchanged = digits.SetItem(i, digits[j]).SetItem(j, digits[i]);
                // As many lanes and registers as before, so that only their order is wrong.
                if (digits[i].Extent == digits[j].Extent || (i < lanes) == (j < lanes))
                    yield return new("mutant", [.. exchanged.Take(lanes)], [.. exchanged.Skip(lanes)]);
            }
        }
    }
}
