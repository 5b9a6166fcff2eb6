using System.Collections.Immutable;
using System.Reflection.Emit;
using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu.Codegen;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Defaults;
using Picograd.Schedules.Ir;
using Xunit;

namespace Picograd.Tests.Codegen;

/// <summary>Methods that the JIT would not optimise are refused, each limit by its name.</summary>
public class JitLimitTests
{
    [Theory]
    [InlineData("il-too-large", 59_999, 1)]
    [InlineData("il-too-long", 19_999, 1)]
    [InlineData("too-many-blocks", 1_999, 1)]
    [InlineData("too-many-locals", 1_999, 1)]
    [InlineData("too-many-local-references", 7_999, 1)]
    public void A_method_at_a_limit_is_refused_and_one_below_is_not(string reason, int below, int more)
    {
        var writer = Filled(reason, below);
        writer.CheckLimits();
        var refusal = Assert.Throws<LoweringException>(() => Filled(reason, below + more).CheckLimits());
        Assert.Equal(reason, refusal.Reason);
        Assert.Contains($"{below + more} ", refusal.Message, StringComparison.Ordinal);
    }

    private static IlWriter Filled(string reason, int count)
    {
        var il = new DynamicMethod("limits", typeof(void), []).GetILGenerator();
        var writer = new IlWriter(il);
        switch (reason)
        {
            case "il-too-large":
                // Nine bytes an instruction reach the limit on bytes before that on instructions.
                for (int i = 0; i < count / 9; i++)
                    writer.Long(i);
                for (int i = 0; i < count % 9; i++)
                    writer.Emit(OpCodes.Nop);
                break;
            case "il-too-long":
                for (int i = 0; i < count; i++)
                    writer.Emit(OpCodes.Nop);
                break;
            case "too-many-blocks":
                for (int i = 0; i < count; i++)
                    writer.Mark(writer.NewLabel());
                break;
            case "too-many-locals":
                for (int i = 0; i < count; i++)
                    writer.NewLocal(typeof(long));
                break;
            default:
                var local = writer.NewLocal(typeof(long));
                for (int i = 0; i < count; i++)
                    writer.Load(local);
                break;
        }
        return writer;
    }

    [SkippableTheory]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void A_register_tile_unrolled_along_k_too_often_is_refused(int bits)
    {
        var backend = Widths.Backend(bits);
        var algorithm = OperatorSpec.Parse("matmul m=48 n=64 k=256").Build();
        var rule = ScheduleRules.All.Single(r => r.Name == "tile");
        var tile = rule.Apply(
            algorithm,
            backend.Target,
            rule.Defaults(algorithm, backend.Target).ToImmutableDictionary().SetItem("rows", 6).SetItem("nv", 2)
        );
        LoopNest Unrolled(long times)
        {
            var s = new Schedule(algorithm);
            foreach (var step in tile.Trace)
                s.Apply(step);
            s.Unroll(s.Split("C.k", times).Inner);
            return s.Nest;
        }
        using var kernel = backend.Compile(Unrolled(8));
        Assert.InRange(kernel.LocalReferences, 1, IlWriter.MaxLocalReferences - 1);
        var refusal = Assert.Throws<LoweringException>(() => backend.Compile(Unrolled(128)));
        Assert.Equal("too-many-local-references", refusal.Reason);
    }

    [SkippableFact]
    public void More_statements_than_any_method_could_hold_are_refused_before_code_is_written()
    {
        var s = new Schedule(OperatorSpec.Parse("add n=5000").Build());
        s.Unroll("Y.i");
        var refusal = Assert.Throws<LoweringException>(() => Widths.Backend(128).Compile(s.Nest));
        Assert.Equal("unroll-too-large", refusal.Reason);
    }
}
