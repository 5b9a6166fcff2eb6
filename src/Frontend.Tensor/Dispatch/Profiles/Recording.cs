using System.Runtime.InteropServices;
using Picograd.Dispatch.Online;
using Picograd.TuneDb;

namespace Picograd.Dispatch.Profiles;

/// <summary>
/// Whether this process records the operators that it runs: from its first operator on where the environment variable
/// PICOGRAD_PROFILE names a file, which then gets a block when the process ends, or where it is tuned while it runs, or as long as the program asks for it.
/// </summary>
internal static class Recording
{
    /// <summary>The environment variable that names the file.</summary>
    public const string FileVariable = "PICOGRAD_PROFILE";

    private static readonly Lock Gate = new();
    private static readonly string? FilePath = OfEnvironment();
    private static readonly List<PosixSignalRegistration> Signals = [];

    // Kernels are timed from the first operator on, and never made anew without it.
    private static readonly bool AlwaysOn = FilePath is not null || OnlineSetting.OfEnvironment is not null;

    // Recorded for the file is what ran after s_written; for the program, what ran after s_begin.
    private static OperatorRecorder? s_recorder;
    private static IReadOnlyList<RecordedOperator> s_written = [];
    private static (double Seconds, double Making) s_writtenTime;
    private static IReadOnlyList<RecordedOperator> s_begin = [];
    private static IReadOnlyList<RecordedOperator>? s_stopped;

    static Recording()
    {
        if (AlwaysOn)
            s_recorder = new OperatorRecorder();
        if (FilePath is null)
            return;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Write();
        AppDomain.CurrentDomain.UnhandledException += (_, _) => Write();
        // The process ends by the signal afterwards, unless the program has it otherwise; what runs until then is written too.
        foreach (
            var signal in new[] { PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGHUP, PosixSignal.SIGQUIT }
        )
            Signals.Add(PosixSignalRegistration.Create(signal, static _ => Write()));
    }

    /// <summary>What kernels that are made now are recorded by; null where recording is off.</summary>
    public static OperatorRecorder? Current => Volatile.Read(ref s_recorder);

    public static IReadOnlyList<RecordedOperator> Recorded
    {
        get
        {
            lock (Gate)
            {
                return s_recorder is { } recorder && s_stopped is null
                    ? OperatorRecorder.Since(recorder.Snapshot(), s_begin)
                    : s_stopped ?? [];
            }
        }
    }

    /// <summary>Returns whether kernels have to be made again.</summary>
    public static bool Start()
    {
        lock (Gate)
        {
            bool isNew = s_recorder is null;
            s_recorder ??= new OperatorRecorder();
            s_begin = s_recorder.Snapshot();
            s_stopped = null;
            return isNew;
        }
    }

    /// <inheritdoc cref="Start"/>
    public static bool Stop()
    {
        lock (Gate)
        {
            if (s_recorder is null || s_stopped is not null)
                return false;
            s_stopped = OperatorRecorder.Since(s_recorder.Snapshot(), s_begin);
            if (AlwaysOn)
                return false;
            s_recorder = null;
            return true;
        }
    }

    /// <summary>Appends to the file what ran since this was called last.</summary>
    private static void Write()
    {
        lock (Gate)
        {
            var recorder = s_recorder!;
            var now = recorder.Snapshot();
            var news = OperatorRecorder.Since(now, s_written);
            if (news.Count == 0)
                return;
            var (seconds, making) = (recorder.Elapsed.TotalSeconds, recorder.Making.TotalSeconds);
            try
            {
                new OperatorProfile(news, seconds - s_writtenTime.Seconds, making - s_writtenTime.Making).AppendTo(
                    FilePath!
                );
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Tell(FilePath!, e);
                return;
            }
            (s_written, s_writtenTime) = (now, (seconds, making));
        }
    }

    private static string? OfEnvironment()
    {
        string? named = Environment.GetEnvironmentVariable(FileVariable);
        if (string.IsNullOrEmpty(named))
            return null;
        try
        {
            // The program may change its folder before it ends; and what cannot be written is better told now than then.
            string path = Path.GetFullPath(named);
            OperatorProfile.Append(path, "");
            return path;
        }
        catch (Exception e)
            when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            Tell(named, e);
            return null;
        }
    }

    private static void Tell(string path, Exception e) =>
        Dispatcher.OnWarning(
            $"{FileVariable} names '{path}', which cannot be written, so no profile is: {e.Message.TrimEnd('.')}."
        );
}
