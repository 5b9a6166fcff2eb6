using Picograd.TuneDb;

namespace Picograd.Tests;

/// <summary>Records for tests, the same in the test process and in the helper's.</summary>
public static class SampleRecords
{
    public static readonly DateTime Moment = new(2026, 3, 4, 5, 6, 7, 890, DateTimeKind.Utc);

    public static TuneKey Key(int m = 256, int n = 3072, int k = 768, string target = "x64;avx2;threads=1") =>
        new("9f3a17c2", $"m={m},n={n},k={k}", "f32,f32,f32", "row,row,row", target, "cpu-1", "warm;threads=1");

    public static TuneRecord Record(
        TuneKey? key = null,
        double milliseconds = 1.25,
        bool certified = true,
        string trace = "split i 6 guard\nreorder i.0 j.0 k i.1 j.1\nvectorize j.1"
    )
    {
        key ??= Key();
        return new TuneRecord
        {
            Key = key,
            Spec = "matmul " + key.Shapes.Replace(',', ' '),
            Trace = trace,
            Guards = ["align(a,64)", "contiguous(b)", "n<=256"],
            Milliseconds = milliseconds,
            DefaultMilliseconds = 10.0 / 3,
            Samples = [milliseconds, milliseconds * 1.1, milliseconds / 3],
            Certification = new Certification(0.031, true, true, "5 inputs, 3 runs"),
            Provenance = new Provenance(Moment, "2-core Zen 3", 7, "30s", 412, "plateau", "10.0.1", "0.1.0"),
            Certified = certified,
        };
    }

    public static TuneCandidate Candidate(TuneKey? key = null, int index = 0, string run = "run-1") =>
        new(
            key ?? Key(),
            run,
            $"{index:x32}",
            index % 2 == 0 ? $"split i {index + 2}" : null,
            index % 3 == 0 ? "jit-limit" : "timed",
            index % 3 == 0 ? null : 1.0 + index,
            Moment.AddSeconds(index),
            index % 3 == 0 ? "2,001 locals" : ""
        );
}
