using System.Diagnostics;
using Picograd.Search.Measurement;

namespace Picograd.Tune;

/// <summary>
/// Runs a process, and those that it starts, within a share of one core, from its first instruction on: it is stopped when it has
/// spent what it may, some milliseconds at a time, and goes on when that is paid for. What it times is told for how long it was
/// stopped (<see cref="PacePage"/>). It ends with the process that started this one.
/// </summary>
/// <remarks>
/// Its priority is such that on a core that others want as well it gets about its share and no more, should these milliseconds come
/// at a bad time. On Windows, which can stop no process, it runs at the lowest priority and is not paced.
/// </remarks>
internal sealed class PacedProcess(double share)
{
    // So much less a process gets with each step of niceness, where two want one core.
    private const double Step = 1.25;
    private const int Lowest = 19;

    /// <summary>Processor time of this process that is not for the one that is paced; all the rest of its time counts.</summary>
    public TimeSpan Before { get; init; }

    /// <summary>Exit code of the process.</summary>
    /// <param name="start">How to start it.</param>
    /// <param name="cancel">Ends it.</param>
    public int Run(ProcessStartInfo start, CancellationToken cancel = default)
    {
        if (!ProcessControl.IsSupported)
            return RunUnpaced(start);
        using var page = PacePage.Create();
        page.GiveTo(start.Environment);
        int parent = ProcessControl.Parent;
        using var process = Process.Start(start)!;
        int id = process.Id;
        using var end = Interrupts.OnEnd(() =>
        {
            ProcessControl.End(id);
            return null;
        });
        ProcessControl.Stop(process.Id);
        ProcessControl.Lower(process.Id, Niceness());
        ProcessControl.Continue(process.Id);
        var pace = new CpuShare(share);
        var spent = new Spent(process.Id, page, Before);
        while (true)
        {
            if (cancel.IsCancellationRequested || ProcessControl.Parent != parent)
            {
                ProcessControl.End(process.Id);
                break;
            }
            var (runs, time) = pace.Next(spent.Now());
            if (runs)
            {
                if (process.WaitForExit(Most(time)))
                    break;
                continue;
            }
            ProcessControl.Stop(process.Id);
            long stopped = Stopwatch.GetTimestamp();
            Thread.Sleep(Most(time));
            page.Stopped += Stopwatch.GetTimestamp() - stopped;
            ProcessControl.Continue(process.Id);
        }
        process.WaitForExit();
        return process.ExitCode;
    }

    private int Niceness() => (int)Math.Clamp(Math.Ceiling(Math.Log(1 / share, Step)), 1, Lowest);

    // Whole milliseconds, of which short waits have one.
    private static TimeSpan Most(TimeSpan time) =>
        TimeSpan.FromMilliseconds(Math.Clamp(Math.Round(time.TotalMilliseconds), 1, 1000));

    private static int RunUnpaced(ProcessStartInfo start)
    {
        using var process = Process.Start(start)!;
        process.PriorityClass = ProcessPriorityClass.Idle;
        process.WaitForExit();
        return process.ExitCode;
    }

    /// <summary>
    /// Processor time of the process, its worker, and this one, and what devices did for the worker, in the place of which is known how
    /// long it waited for them.
    /// </summary>
    private sealed class Spent(int process, PacePage page, TimeSpan before)
    {
        private TimeSpan _process;
        private TimeSpan _workers;
        private TimeSpan _devices;
        private (int Id, TimeSpan Time, TimeSpan Device) _worker;
        private long _ran = Stopwatch.GetTimestamp();

        public TimeSpan Now()
        {
            if (page.Worker is var id && id != _worker.Id)
                _worker = (id, TimeSpan.Zero, TimeSpan.Zero);
            _process = ProcessControl.ProcessorTime(process) ?? _process;
            // Workers follow one another; of one that has ended the last reading counts.
            var time = (id == 0 ? null : ProcessControl.ProcessorTime(id)) ?? _worker.Time;
            var device = TimeSpan.FromTicks(page.Device);
            long ran = Stopwatch.GetTimestamp() - page.Stopped;
            // It may have been stopped while it waited.
            var most = Stopwatch.GetElapsedTime(_ran, ran);
            _workers += time - _worker.Time;
            if (device - _worker.Device is var waited && waited > TimeSpan.Zero)
                _devices += waited < most ? waited : most;
            _worker = (id, time, device);
            _ran = ran;
            return (ProcessControl.ProcessorTime(0) ?? before) - before + _process + _workers + _devices;
        }
    }
}
