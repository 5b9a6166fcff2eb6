using Picograd.Lower.Cuda.Codegen;
using Picograd.Lower.Cuda.Emulator;
using Picograd.Lower.Cuda.Native;
using Picograd.Schedules.Backend;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>The emulator notices every barrier and every wait that is missing, and rows that are no longer apart.</summary>
[Collection(EmulatorCollection.Name)]
public class MutationTests
{
    private const int Orders = 8;

    public static TheoryData<string, string, string> Mutations() =>
        new()
        {
            { "matmul", "__syncthreads();", "" },
            { "matmul", "__syncthreads();", "__syncwarp();" },
            { "matmul_double_buffered", "__syncwarp();", "" },
            { "reverse_warpgroup", "named_barrier_sync(1 + tid / 128, 128);", "" },
            { "reverse_warpgroup", "named_barrier_sync(1 + tid / 128, 128);", "__syncwarp();" },
            { "reverse_warp", "__syncwarp();", "" },
            { "transpose_async", "cp_async_wait<0>();", "" },
            { "transpose_async", "__syncthreads();", "" },
            { "transpose_async", "swizzle(tile_at + w * 4, 3, 28)", "tile_at + w * 4" },
            { "argmax", "mask < 32", "mask < 16" },
            { "scale_f32_tail", "< 250", "< 251" },
        };

    /// <summary>Each place of the text at a time.</summary>
    [SkippableTheory]
    [MemberData(nameof(Mutations))]
    public void AChangeOfTheTextIsNoticed(string name, string old, string replacement)
    {
        EmulatedLaunch.Require();
        var nest = TextTests.Nest(name);
        var inputs = EmulatedTests.RandomInputs(nest.Algorithm, 3);
        var program = CudaEmitter.Emit(nest, GpuInfo.H100);
        int body = program.Source.IndexOf("extern \"C\"", StringComparison.Ordinal);
        int places = 0;
        for (int at = Next(body); at >= 0; at = Next(at + 1))
        {
            places++;
            string text = string.Concat(
                program.Source.AsSpan(0, at),
                replacement,
                program.Source.AsSpan(at + old.Length)
            );
            Assert.True(IsNoticed(program with { Source = text }), $"nothing happens without '{old}' at {at}:\n{text}");
        }
        Assert.True(places > 0, $"'{old}' is not in\n{program.Source}");

        int Next(int from) => program.Source.IndexOf(old, from, StringComparison.Ordinal);

        bool IsNoticed(CudaProgram mutant)
        {
            try
            {
                for (int seed = 1; seed <= Orders; seed++)
                {
                    CudaEmulator.Set("PICOGRAD_EMULATOR_SEED", $"{seed}");
                    if (EmulatedProgram.Wrong(nest, mutant, inputs) is not null)
                        return true;
                }
                return false;
            }
            catch (CudaException)
            {
                CudaEmulator.Recover();
                return true;
            }
            catch (Xunit.Sdk.FailException)
            {
                return true;
            }
            finally
            {
                CudaEmulator.Set("PICOGRAD_EMULATOR_SEED", null);
            }
        }
    }
}
