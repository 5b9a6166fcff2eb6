using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Picograd.Search.Measurement;

namespace Picograd.Search.Worker;

/// <summary>How to start a worker process.</summary>
/// <param name="File">The program.</param>
/// <param name="Arguments">Its arguments, one a word.</param>
public sealed record WorkerCommand(string File, IReadOnlyList<string> Arguments)
{
    /// <summary>This very program again, with an argument that makes it call <see cref="WorkerHost.Run"/>.</summary>
    public static WorkerCommand OfThisProgram(params string[] arguments)
    {
        string file =
            Environment.ProcessPath ?? throw new TuneException("the path of this program is not known to the system");
        // "dotnet tool.dll" rather than "tool": then the program's file is the first argument.
        return Path.GetFileNameWithoutExtension(file) == "dotnet"
            ? new WorkerCommand(file, [Environment.GetCommandLineArgs()[0], .. arguments])
            : new WorkerCommand(file, arguments);
    }
}

/// <summary>Why a worker gave no answer.</summary>
internal enum WorkerFailure
{
    None,

    /// <summary>The process ended.</summary>
    Crash,

    /// <summary>The process was ended by SIGKILL, which no program does to itself: by the system, for want of memory, or by somebody.</summary>
    Killed,

    /// <summary>No answer in time; the process was ended.</summary>
    Hang,

    Cancelled,
}

/// <summary>
/// A worker process that several tasks share: started on demand, and anew after a crash or a hang. Not thread-safe.
/// </summary>
/// <param name="command">What to start.</param>
public sealed class WorkerProcess(WorkerCommand command) : IDisposable
{
    private const int LongestErrorText = 2_000;
    private ManualResetEventSlim? _errorsEnded;
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(60);

    private Process? _process;
    private BlockingCollection<WorkerReply> _replies = [];
    private readonly StringBuilder _errors = new();
    private WorkerInit? _init;
    private (double First, double Again) _prepareSeconds;

    /// <summary>Processes started so far.</summary>
    public int Starts { get; private set; }

    /// <summary>The last of what the process wrote to its error stream.</summary>
    public string ErrorText
    {
        get
        {
            lock (_errors)
                return _errors.ToString().Trim();
        }
    }

    /// <summary>Starts the process, which need not be waited for: by the time that it is needed it is there.</summary>
    /// <exception cref="TuneException">It cannot be started.</exception>
    public void StartAhead()
    {
        if (_process is null)
            Start();
    }

    /// <summary>Makes the process ready for a task; does nothing where it is.</summary>
    /// <param name="init">The task.</param>
    /// <param name="limit">What it may take; a minute when null.</param>
    /// <returns>What making the inputs and their right answers took, and takes where it is done again, in seconds.</returns>
    /// <exception cref="TuneException">It cannot be started or cannot take the task.</exception>
    internal (double First, double Again) Prepare(WorkerInit init, TimeSpan? limit = null)
    {
        long began = Stopwatch.GetTimestamp();
        if (_process is { HasExited: false } && _init == init)
            return _prepareSeconds;
        if (_process is null or { HasExited: true })
            Start();
        _init = null;
        Send(new WorkerRequest { Init = init });
        var left = limit is { } most && most < StartTimeout ? most - Stopwatch.GetElapsedTime(began) : StartTimeout;
        var failure = Receive(left, CancellationToken.None, out var reply);
        if (failure == WorkerFailure.Hang && limit < StartTimeout)
        {
            throw new TuneException(
                FormattableString.Invariant(
                    $"inputs of '{init.Spec}' and right answers for them could not be made within {limit.Value.TotalSeconds:0.0} s; a larger budget gives that time"
                )
            )
            {
                IsOverTime = true,
            };
        }
        if (failure != WorkerFailure.None)
            throw new TuneException(
                $"the worker process '{command.File}' gave no sign of readiness for '{init.Spec}' ({failure.ToString().ToLowerInvariant()}){Errors()}"
            );
        if (reply!.Ready is not { } seconds)
            throw new TuneException($"the worker process cannot take '{init.Spec}': {reply.Failed}");
        _init = init;
        return _prepareSeconds = (seconds, reply.Again ?? seconds);
    }

    internal void Send(WorkerRequest request)
    {
        try
        {
            WorkerMessages.Write(_process!.StandardInput.BaseStream, request);
        }
        catch (IOException)
        {
            // The process died; Receive says so for the request that is waited for.
        }
    }

    /// <summary>Waits for the next answer. After a failure the process is gone.</summary>
    internal WorkerFailure Receive(TimeSpan timeout, CancellationToken cancel, out WorkerReply? reply)
    {
        reply = null;
        long start = RunningTime.GetTimestamp();
        try
        {
            // What a worker may take does not pass while it is stopped.
            TimeSpan left = timeout;
            do
            {
                if (_replies.TryTake(out reply, (int)Math.Max(1, left.TotalMilliseconds), cancel))
                    return WorkerFailure.None;
                left = timeout - RunningTime.Since(start);
            } while (RunningTime.IsPaced && left > TimeSpan.Zero && !_replies.IsCompleted);
        }
        catch (OperationCanceledException)
        {
            Kill();
            return WorkerFailure.Cancelled;
        }
        bool crashed = _replies.IsCompleted;
        bool killed = crashed && IsKilled(_process);
        // Its last words may come after the end of its answers, and are lost with the process.
        if (crashed)
            _errorsEnded?.Wait(1_000, CancellationToken.None);
        Kill();
        return killed ? WorkerFailure.Killed
            : crashed ? WorkerFailure.Crash
            : WorkerFailure.Hang;
    }

    private static bool IsKilled(Process? process)
    {
        // As .NET counts on Unix: 128 and the number of the signal.
        const int BySigkill = 128 + 9;
        return !OperatingSystem.IsWindows() && process?.WaitForExit(1_000) == true && process.ExitCode == BySigkill;
    }

    public void Dispose() => Kill();

    private void Start()
    {
        Kill();
        var start = new ProcessStartInfo(command.File)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        foreach (string argument in command.Arguments)
            start.ArgumentList.Add(argument);
        // The compiler runs hot from the first candidate on, so it is compiled with full optimisation at once. The work is
        // the same in all, but no recompilation in the background disturbs the timing of candidates.
        start.Environment.TryAdd("DOTNET_TC_QuickJit", "0");
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or FileNotFoundException)
        {
            throw new TuneException($"the worker process '{command.File}' cannot be started: {e.Message}", e);
        }
        Starts++;
        _process = process;
        lock (_errors)
            _errors.Clear();
        var ended = _errorsEnded = new ManualResetEventSlim();
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is null)
            {
                ended.Set();
                return;
            }
            lock (_errors)
            {
                _errors.AppendLine(line.Data);
                if (_errors.Length > LongestErrorText)
                    _errors.Remove(0, _errors.Length - LongestErrorText);
            }
        };
        process.BeginErrorReadLine();
        var replies = _replies = [];
        var stream = process.StandardOutput.BaseStream;
        new Thread(() => ReadReplies(stream, replies)) { IsBackground = true }.Start();
    }

    private static void ReadReplies(Stream stream, BlockingCollection<WorkerReply> replies)
    {
        try
        {
            while (WorkerMessages.Read<WorkerReply>(stream) is { } reply)
                replies.Add(reply);
        }
        catch (Exception e) when (e is IOException or InvalidDataException or ObjectDisposedException)
        {
            // The process died while it wrote, or was ended: what follows is the end of the answers either way.
        }
        replies.CompleteAdding();
    }

    private void Kill()
    {
        _init = null;
        if (_process is not { } process)
            return;
        _process = null;
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
        process.WaitForExit(5_000);
        process.Dispose();
    }

    private string Errors() => ErrorText.Length == 0 ? "" : $"; its last words: {ErrorText}";
}
