using System.Diagnostics;
using System.Globalization;
using System.Text;
using Spectre.Console;

namespace Picograd.Data;

/// <summary>
/// How far a loop is: one line that is written anew in a terminal, and elsewhere a plain line now and then: share, numbers such as the
/// loss, steps a second, time to go.
/// <code>
/// using var progress = new ProgressLine(loader.Count, "epoch 1");
/// foreach (var (x, y) in loader) { …; progress.Step(("loss", loss)); }
/// </code>
/// </summary>
public sealed class ProgressLine : IDisposable
{
    private const int Width = 14;

    private readonly IAnsiConsole _console;
    private readonly bool _isTerminal;
    private readonly long _total;
    private readonly string _title;
    private readonly TimeSpan _every;
    private readonly Stopwatch _watch = Stopwatch.StartNew();
    private TimeSpan _written = TimeSpan.MinValue;
    private string _numbers = "";
    private int _length;
    private bool _isOver;

    /// <param name="total">Steps in all; 0 where that is not known.</param>
    /// <param name="title">What the line begins with.</param>
    /// <param name="console">Where it is written; <see cref="Console.Out"/> as it is now where null.</param>
    /// <param name="every">Time between two writings; 0.1 s in terminals, 10 s elsewhere where null.</param>
    public ProgressLine(long total, string title = "", IAnsiConsole? console = null, TimeSpan? every = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(total);
        ArgumentNullException.ThrowIfNull(title);
        _console = console ?? AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        _isTerminal = _console.Profile.Capabilities.Interactive && _console.Profile.Capabilities.Ansi;
        (_total, _title) = (total, title);
        _every = every ?? TimeSpan.FromSeconds(_isTerminal ? 0.1 : 10);
    }

    /// <summary>Steps done.</summary>
    public long Done { get; private set; }

    /// <summary>One step more, with what is to be seen of it. A tensor is read only when the line is written.</summary>
    public void Step(params ReadOnlySpan<(string Name, object Value)> numbers)
    {
        Done++;
        var now = _watch.Elapsed;
        if (_written != TimeSpan.MinValue && now - _written < _every && Done != _total)
            return;
        var text = new StringBuilder();
        foreach (var (name, value) in numbers)
        {
            double number = value is Tensor tensor
                ? tensor.Item()
                : Convert.ToDouble(value, CultureInfo.InvariantCulture);
            text.Append(CultureInfo.InvariantCulture, $"  {name} {number:G4}");
        }
        _numbers = text.ToString();
        Write(now);
    }

    /// <summary>The line as it is now.</summary>
    public override string ToString() => Text(_watch.Elapsed);

    private string Text(TimeSpan now)
    {
        double speed = now.TotalSeconds > 0 ? Done / now.TotalSeconds : 0;
        string rate = string.Create(CultureInfo.InvariantCulture, $"{speed:G3} steps/s");
        string title = _title.Length > 0 ? _title + "  " : "";
        if (_total == 0)
            return $"{title}{Done}{_numbers}  {rate}  {Clock(now)}";
        int full = (int)(Width * Math.Min(Done, _total) / _total);
        string bar = _isTerminal ? $"[{new string('#', full)}{new string('.', Width - full)}] " : "";
        string left = Done > 0 && Done < _total ? Clock(now * ((double)(_total - Done) / Done)) + " left" : Clock(now);
        return $"{title}{bar}{Done}/{_total}{_numbers}  {rate}  {left}";
    }

    private static string Clock(TimeSpan time) =>
        time.TotalHours >= 1
            ? $"{(int)time.TotalHours}:{time.Minutes:00}:{time.Seconds:00}"
            : $"{time.Minutes}:{time.Seconds:00}";

    private void Write(TimeSpan now)
    {
        _written = now;
        string text = Text(now);
        if (!_isTerminal)
        {
            _console.Profile.Out.Writer.WriteLine(text);
            return;
        }
        // Longer lines would break, and be there twice.
        int most = Math.Max(20, _console.Profile.Width - 1);
        text = text.Length > most ? text[..most] : text;
        _console.Profile.Out.Writer.Write("\r" + text.PadRight(_length));
        _console.Profile.Out.Writer.Flush();
        _length = text.Length;
    }

    /// <summary>Ends the line.</summary>
    public void Dispose()
    {
        if (_isOver)
            return;
        _isOver = true;
        if (_isTerminal && _length > 0)
        {
            Write(_watch.Elapsed);
            _console.Profile.Out.Writer.WriteLine();
        }
    }
}
