using Picograd.Algorithms.Operators;
using Picograd.Lower.Cpu;
using Picograd.Lower.Cpu.Machine;
using Picograd.Schedules;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Search;

namespace Picograd.Tests;

/// <summary>This machine, opened once: its ceilings take a second to measure.</summary>
internal static class Machine
{
    public static ITuningTarget Cpu { get; } = new FaultyTarget(new CpuTuningTarget(CpuTarget.Detect(), 1));

    public static TuneTask Task(string spec, TimingPolicy policy = TimingPolicy.Warm) =>
        new(OperatorSpec.Parse(spec), Cpu, policy);

    /// <summary>The first tile of the test rule, with a fault for <see cref="FaultyTarget"/>, or none.</summary>
    public static Candidate Tiled(TuneTask task, string? fault = null, long mr = 2, long kc = 64)
    {
        var rule = new TileRule();
        var choices = rule.Defaults(task.Algorithm, task.Target).ToDictionary();
        choices["mr"] = mr;
        choices["kc"] = kc;
        var nest = rule.Apply(task.Algorithm, task.Target, choices);
        if (fault is not null)
        {
            var s = new Schedule(nest);
            s.Apply(Step.Of("split", nest.Loops.First().Name, "1").Yielding($"fault.{fault}", "rest"));
            nest = s.Nest;
        }
        return new Candidate(null, choices, nest);
    }
}
