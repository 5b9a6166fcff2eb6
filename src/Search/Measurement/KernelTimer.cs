using System.Diagnostics;
using System.Runtime.InteropServices;
using Picograd.Schedules.Backend;

namespace Picograd.Search.Measurement;

/// <summary>
/// Times a kernel. A sample is a batch of calls long enough for the clock; samples come in groups, and the time is the
/// smallest of the groups' medians: a median ignores single slow samples, the smallest of several ignores a slow spell.
/// </summary>
internal sealed unsafe class KernelTimer : IDisposable
{
    /// <summary>The clock's resolution is about 25 ns, so a sample of this length is right to a thousandth.</summary>
    private const double SampleMilliseconds = 0.03;

    private const int Groups = 3;
    private const int MostSamplesInGroup = 5;

    /// <summary>What a group may take; a kernel slower than a third of it gets fewer samples.</summary>
    private const double GroupMilliseconds = 1.5;

    /// <summary>A kernel so many times slower than the best is not worth more samples.</summary>
    private const double AbandonFactor = 2;

    private readonly TimingPolicy _policy;
    private readonly byte* _flush;
    private readonly long _flushBytes;
    private readonly IKernelTimer? _device;

    /// <param name="policy">State of the caches.</param>
    /// <param name="on">Its caches are what <see cref="TimingPolicy.Cold"/> sweeps; its own timer is used where it has one.</param>
    public KernelTimer(TimingPolicy policy, ITuningTarget on)
    {
        _policy = policy;
        _device = on.CreateTimer();
        if (policy == TimingPolicy.Cold && _device is null)
        {
            var target = on.Backend.Target;
            // Twice the last-level cache: whatever was in it has been replaced after one sweep.
            _flushBytes = 2 * Math.Max(target.L3Bytes, target.L2Bytes * Math.Max(1, target.Threads));
            _flush = (byte*)NativeMemory.AllocZeroed((nuint)_flushBytes);
        }
    }

    /// <summary>
    /// A call so much slower than the best is enough to give up, although it found code and caches cold, if it is too long
    /// for that to matter.
    /// </summary>
    private const double AbandonAtOnceFactor = 6;
    private const double ColdMilliseconds = 5;

    /// <summary>A kernel of which so many milliseconds do not hold three calls is timed by one, besides its check.</summary>
    private const double MostMilliseconds = 240;

    /// <summary>Times after at least one call has been made.</summary>
    /// <param name="kernel">What to time.</param>
    /// <param name="memory">Its arguments.</param>
    /// <param name="bestMilliseconds">Best time so far; those far slower are given up early.</param>
    /// <param name="checkMilliseconds">What the call took by which its results were checked; 0 where unknown.</param>
    public Measured Time(
        ICompiledKernel kernel,
        ArgumentMemory memory,
        double bestMilliseconds,
        double checkMilliseconds = 0
    )
    {
        if (checkMilliseconds > Math.Max(ColdMilliseconds, AbandonAtOnceFactor * bestMilliseconds))
            return new Measured(OutcomeNames.Timed, checkMilliseconds, [checkMilliseconds], Abandoned: true);
        double first = Sample(kernel, memory, 1);
        if (3 * first > MostMilliseconds && checkMilliseconds > 0)
            return new Measured(OutcomeNames.Timed, first, [checkMilliseconds, first]);
        if (first > AbandonFactor * bestMilliseconds)
        {
            double second = Sample(kernel, memory, 1);
            double faster = Math.Min(first, second);
            if (faster > AbandonFactor * bestMilliseconds)
                return new Measured(OutcomeNames.Timed, faster, [first, second], Abandoned: true);
            first = faster;
        }
        int calls = Calls(first, SampleMilliseconds);
        int each = (int)Math.Clamp(GroupMilliseconds / (first * calls), 1, MostSamplesInGroup);
        var samples = new List<double>(Groups * each);
        double best = double.PositiveInfinity;
        for (int g = 0; g < Groups; g++)
        {
            var group = new double[each];
            for (int i = 0; i < each; i++)
                samples.Add(group[i] = Sample(kernel, memory, calls));
            Array.Sort(group);
            best = Math.Min(best, group[each / 2]);
        }
        return new Measured(OutcomeNames.Timed, best, samples);
    }

    /// <summary>What the calls of a kernel take in all, its check included, by what one takes: so recordings tell what measuring it costs.</summary>
    internal static double CallsMilliseconds(double milliseconds, double bestMilliseconds)
    {
        if (milliseconds > Math.Max(ColdMilliseconds, AbandonAtOnceFactor * bestMilliseconds))
            return milliseconds;
        if (3 * milliseconds > MostMilliseconds)
            return 2 * milliseconds;
        if (milliseconds > AbandonFactor * bestMilliseconds)
            return 3 * milliseconds;
        double sample = milliseconds * Math.Clamp(Math.Ceiling(SampleMilliseconds / milliseconds), 1, 100_000);
        return 2 * milliseconds
            + Groups * Math.Floor(Math.Clamp(GroupMilliseconds / sample, 1, MostSamplesInGroup)) * sample;
    }

    /// <summary>How many calls make a sample of a length; always 1 with cold caches.</summary>
    public int Calls(double milliseconds, double sampleMilliseconds) =>
        _policy == TimingPolicy.Cold
            ? 1
            : (int)Math.Clamp(Math.Ceiling(sampleMilliseconds / Math.Max(milliseconds, 1e-6)), 1, 100_000);

    /// <summary>Mean time of so many calls, in milliseconds.</summary>
    public double Sample(ICompiledKernel kernel, ArgumentMemory memory, int calls)
    {
        nint* arguments = memory.Addresses;
        if (_device is not null)
        {
            // Never zero, as below.
            return Math.Max(1e-6, _device.Sample(kernel, arguments, calls, _policy == TimingPolicy.Cold));
        }
        if (_policy == TimingPolicy.Cold)
            Flush();
        long start = RunningTime.GetTimestamp();
        for (int i = 0; i < calls; i++)
            kernel.Run(arguments, null);
        long ticks = RunningTime.GetTimestamp() - start;
        // Never zero: a time of nothing would win every comparison.
        int points = kernel is KernelAtPoints several ? several.Points : 1;
        return Math.Max(1, ticks) * 1000.0 / Stopwatch.Frequency / calls / points;
    }

    public void Dispose()
    {
        NativeMemory.Free(_flush);
        _device?.Dispose();
    }

    private void Flush()
    {
        for (long i = 0; i < _flushBytes; i += 64)
            _flush[i]++;
    }
}
