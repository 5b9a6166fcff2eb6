using System.Diagnostics;
using System.Globalization;
using Picograd.Algorithms.Operators;
using Picograd.Dispatch.Profiles;
using Picograd.TuneDb;

namespace Picograd.Dispatch.Online;

/// <summary>
/// Tuning beside a running program: the program <c>tune online</c>, a process of its own that slows this one by no more than a share,
/// is told what ran and says what it stored, and calls go to the new kernels once those are compiled, on the thread
/// that listens. The program's own threads wait for nothing of it.
/// </summary>
internal sealed class OnlineTuning
{
    // Between the first two reports, and at most between two.
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(30);

    // Processor time of the other process before it holds itself to the share: that is waited for.
    private static readonly TimeSpan StartCost = TimeSpan.FromSeconds(0.1);

    private static int s_begun;

    private readonly OnlineSetting _setting;
    private readonly string _database;
    private readonly OperatorRecorder _recorder;

    private OnlineTuning(OnlineSetting setting, string database, OperatorRecorder recorder)
    {
        _setting = setting;
        _database = database;
        _recorder = recorder;
    }

    /// <summary>
    /// The user's database for reading, with tuning begun where the environment asks for it, once a process.
    /// </summary>
    public static TuneServing OpenStore()
    {
        // Tuning makes it.
        var store = TuneServing.OpenForServing(
            warn: sentence => Dispatcher.OnWarning(sentence),
            mayBeMissing: OnlineSetting.OfEnvironment is not null
        );
        if (
            OnlineSetting.OfEnvironment is { } setting
            && Recording.Current is { } recorder
            && store.Path is { } database
            && Interlocked.Exchange(ref s_begun, 1) == 0
        )
            new Thread(new OnlineTuning(setting, database, recorder).Run)
            {
                IsBackground = true,
                Name = "picograd: online tuning",
            }.Start();
        return store;
    }

    private void Run()
    {
        try
        {
            if (Tool() is not { } command)
                return;
            Thread.Sleep(StartCost / _setting.Share);
            Serve(command);
        }
        // The program is not to end because it is not tuned, whatever the reason: nobody else is on this thread to be told.
        catch (Exception e)
        {
            Tell(e.Message);
        }
    }

    private void Serve(ProcessStartInfo command)
    {
        using var process = Process.Start(command)!;
        var said = new List<string>();
        process.ErrorDataReceived += (_, line) =>
        {
            lock (said)
            {
                if (line.Data is not { Length: > 0 } text)
                    return;
                said.Add(text);
                if (said.Count > 3)
                    said.RemoveAt(0);
            }
        };
        process.BeginErrorReadLine();
        // Its input ends with this process, and with it the other.
        var input = process.StandardInput;
        var ended = new ManualResetEventSlim();
        new Thread(() => Report(input, ended)) { IsBackground = true, Name = "picograd: online profile" }.Start();
        while (process.StandardOutput.ReadLine() is { } line)
            Take(line);
        ended.Set();
        process.WaitForExit();
        string last;
        lock (said)
            last = string.Join(" ", said);
        Tell(
            $"'{command.FileName}' ended with code {process.ExitCode.ToString(CultureInfo.InvariantCulture)}{(last.Length > 0 ? $": {last}" : "")}"
        );
    }

    // What ran so far, as often as it is worth it: what ran between two reports is what the program does.
    private void Report(StreamWriter input, ManualResetEventSlim ended)
    {
        for (
            var pause = FirstPause;
            !ended.Wait(pause);
            pause = pause * 1.5 < LongestPause ? pause * 1.5 : LongestPause
        )
        {
            try
            {
                var ran = _recorder.Snapshot();
                if (ran.Count == 0)
                    continue;
                input.Write(
                    new OperatorProfile(ran, _recorder.Elapsed.TotalSeconds, _recorder.Making.TotalSeconds).ToString()
                );
                input.Flush();
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException)
            {
                // The other process is gone; who reads its output tells why.
                return;
            }
            catch (Exception e)
            {
                // As in Run: a function of the program's own that throws, when its text is asked for, must not end the program.
                Tell(e.Message);
                return;
            }
        }
    }

    // "stored cpu matmul m=…": from the next call on its kernel runs.
    private static void Take(string line)
    {
        string[] words = line.Split(' ', 3);
        if (words is not ["stored", var device, var spec])
            return;
        try
        {
            DeviceRuntime.Of(Device.Parse(device)).Context.Adopt(OperatorSpec.Parse(spec));
        }
        // The kernel that runs goes on to run.
        catch (Exception e)
        {
            Tell($"the answer '{PlainText.Of(line)}' cannot be used: {e.Message}");
        }
    }

    private ProcessStartInfo? Tool()
    {
        string? named = Environment.GetEnvironmentVariable(OnlineSetting.ToolVariable);
        string global = Path.Combine(
            Environment.GetFolderPath(Environment.SpecialFolder.UserProfile),
            ".dotnet",
            "tools",
            OperatingSystem.IsWindows() ? "tune.exe" : "tune"
        );
        string tool = string.IsNullOrEmpty(named) ? global : named;
        if (!File.Exists(tool))
        {
            Tell(
                string.IsNullOrEmpty(named)
                    ? $"the program 'tune' is not installed: dotnet tool install --global Picograd.Tune, or name it in {OnlineSetting.ToolVariable}"
                    : $"{OnlineSetting.ToolVariable} is '{PlainText.Of(named)}', which is no file"
            );
            return null;
        }
        bool isLibrary = Path.GetExtension(tool) == ".dll";
        var start = new ProcessStartInfo(isLibrary ? "dotnet" : tool)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (isLibrary)
            start.ArgumentList.Add(tool);
        foreach (
            string argument in (ReadOnlySpan<string>)
                ["online", "--share", _setting.Share.ToString(CultureInfo.InvariantCulture), "--db", _database]
        )
            start.ArgumentList.Add(argument);
        // The tool runs operators as well: it is not to tune itself, nor to be part of the program's profile.
        start.Environment.Remove(OnlineSetting.Variable);
        start.Environment.Remove(Recording.FileVariable);
        return start;
    }

    private static void Tell(string why) =>
        Dispatcher.OnWarning(
            $"nothing is tuned while the program runs ({OnlineSetting.Variable}): {why.TrimEnd('.')}."
        );
}
