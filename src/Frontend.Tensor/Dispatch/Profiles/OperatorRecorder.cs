using System.Collections.Concurrent;
using System.Diagnostics;
using Picograd.Algorithms.Operators;
using Picograd.Schedules.Backend;
using Picograd.Schedules.Ir;

namespace Picograd.Dispatch.Profiles;

/// <summary>
/// Counts and times the calls of every kernel that contexts make while it records. A kernel made then is wrapped in one that
/// asks the clock before and after (about 70 ns a call; AMD EPYC Zen 5, 2026-11-30); one made otherwise is not, so that recording costs nothing where it
/// is off.
/// </summary>
internal sealed class OperatorRecorder
{
    private readonly ConcurrentDictionary<Place, Calls> _calls = [];
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _making;

    /// <summary>Since it began to record.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>What choosing and compiling kernels took.</summary>
    public TimeSpan Making => TimeSpan.FromTicks(Interlocked.Read(ref _making));

    /// <summary>The kernel, timed.</summary>
    public ICompiledKernel Timed(ICompiledKernel kernel, DeviceRuntime runtime, Place place) =>
        new TimedKernel(kernel, runtime, _calls.GetOrAdd(place, static _ => new Calls()));

    public void AddMaking(TimeSpan time) => Interlocked.Add(ref _making, time.Ticks);

    /// <summary>What ran so far, longest first.</summary>
    public IReadOnlyList<RecordedOperator> Snapshot() =>
        Sorted(
            _calls.Select(c => new RecordedOperator(
                c.Key.Spec,
                c.Key.Device,
                c.Key.Target,
                c.Key.Source,
                c.Key.Record,
                c.Value.Count,
                c.Value.Milliseconds
            )
            {
                MillisecondsPerCall = c.Value.Median(),
                ProblemText = TextOf(c.Key.Spec),
            })
        );

    /// <summary>What ran since an earlier snapshot.</summary>
    public static IReadOnlyList<RecordedOperator> Since(
        IReadOnlyList<RecordedOperator> now,
        IReadOnlyList<RecordedOperator> before
    )
    {
        var earlier = before.ToDictionary(PlaceOf);
        return Sorted(
            now.Select(o =>
                earlier.TryGetValue(PlaceOf(o), out var old)
                    ? o with
                    {
                        Calls = o.Calls - old.Calls,
                        Milliseconds = Math.Max(0, o.Milliseconds - old.Milliseconds),
                    }
                    : o
            )
        );
    }

    /// <summary>Several lists as one: the calls of the same instance on the same kernel are added up.</summary>
    public static IReadOnlyList<RecordedOperator> Merge(IEnumerable<RecordedOperator> operators) =>
        Sorted(
            operators
                .GroupBy(PlaceOf)
                .Select(g =>
                    g.Count() == 1
                        ? g.First()
                        : g.First() with
                        {
                            Calls = g.Sum(o => o.Calls),
                            Milliseconds = g.Sum(o => o.Milliseconds),
                            MillisecondsPerCall = g.Sum(o => o.SteadyMilliseconds) / Math.Max(1, g.Sum(o => o.Calls)),
                        }
                )
        );

    private static string TextOf(string spec) =>
        OperatorLibrary.Find(spec.Split(' ')[0]) is { } definition && !OperatorLibrary.IsOwn(definition)
            ? ""
            : OperatorSpec.Parse(spec).Problem.Text;

    private static IReadOnlyList<RecordedOperator> Sorted(IEnumerable<RecordedOperator> operators) =>
        [
            .. operators
                .Where(o => o.Calls > 0)
                .OrderByDescending(o => o.Milliseconds)
                .ThenBy(o => o.Spec, StringComparer.Ordinal),
        ];

    private static Place PlaceOf(RecordedOperator o) => new(o.Spec, o.Device, o.Target, o.Source, o.Record);

    /// <summary>What calls are told apart by.</summary>
    internal readonly record struct Place(
        string Spec,
        string Device,
        string Target,
        KernelSource Source,
        string? Record
    );

    private sealed class Calls
    {
        // A histogram of times, each bucket 4.4 % wide, from 16 ns to a quarter of an hour.
        private const int BucketsPerOctave = 16;
        private const int Octaves = 36;
        private const double Least = 16;

        private readonly int[] _buckets = new int[BucketsPerOctave * Octaves];
        private long _count;
        private long _nanoseconds;

        public long Count => Interlocked.Read(ref _count);

        public double Milliseconds => Interlocked.Read(ref _nanoseconds) / 1e6;

        public void Add(double milliseconds)
        {
            double nanoseconds = milliseconds * 1e6;
            int bucket = (int)(BucketsPerOctave * Math.Log2(Math.Max(Least, nanoseconds) / Least));
            Interlocked.Increment(ref _buckets[Math.Min(bucket, _buckets.Length - 1)]);
            Interlocked.Add(ref _nanoseconds, (long)nanoseconds);
            Interlocked.Increment(ref _count);
        }

        /// <summary>Milliseconds, as if times were spread evenly within a bucket; 0 where nothing ran.</summary>
        public double Median()
        {
            int[] counts = [.. _buckets];
            long all = counts.Sum(c => (long)c);
            // The only call's time is exact. Of two the shorter counts: the other was probably the first, or disturbed.
            if (all < 2)
                return Milliseconds / Math.Max(1, Count);
            double middle = all / 2.0;
            long before = 0;
            int bucket = 0;
            while (before + counts[bucket] < middle)
                before += counts[bucket++];
            double place = bucket + (middle - before) / counts[bucket];
            return Least * Math.Pow(2, place / BucketsPerOctave) / 1e6;
        }
    }

    private sealed unsafe class TimedKernel(ICompiledKernel kernel, DeviceRuntime runtime, Calls calls)
        : ICompiledKernel
    {
        public long WorkspaceBytes => kernel.WorkspaceBytes;

        public long CodeBytes => kernel.CodeBytes;

        public void Run(nint* arguments, long* parameters)
        {
            long began = runtime.BeginCall();
            kernel.Run(arguments, parameters);
            calls.Add(runtime.EndCall(began));
        }

        public void Dispose() => kernel.Dispose();
    }
}
