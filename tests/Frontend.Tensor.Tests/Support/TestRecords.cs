using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;
using Picograd.Schedules.Traces;
using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>Records as a search stores them.</summary>
internal static class TestRecords
{
    public static TuneRecord Of(
        OperatorSpec spec,
        TargetInfo target,
        string trace,
        double milliseconds = 1,
        double? standard = null
    ) =>
        new()
        {
            Key = TuneKeys.Of(spec, target),
            Spec = spec.ToString(),
            Trace = trace,
            Milliseconds = milliseconds,
            DefaultMilliseconds = standard,
            Certified = true,
            Certification = new Certification(0.1, true, true),
            Provenance = new Provenance(DateTime.UtcNow, "test", 1, "1s", 1, "plateau", "10", "0.1"),
        };
}
