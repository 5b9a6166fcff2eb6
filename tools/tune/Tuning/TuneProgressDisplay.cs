using System.Diagnostics;
using System.Globalization;
using Picograd.Search;
using Spectre.Console;

namespace Picograd.Tune;

/// <summary>
/// Progress of tuning: one moving line with the time left on a terminal, a plain line now and then elsewhere. The clock goes
/// on between reports: a certification or a slow kernel may take seconds without one.
/// </summary>
internal abstract class TuneProgressDisplay : IProgress<TuneProgress>, IDisposable
{
    private readonly Lock _gate = new();
    private readonly Timer _timer;
    private TuneProgress? _last;
    private long _reported;
    private bool _disposed;

    protected TuneProgressDisplay(TimeSpan every) => _timer = new Timer(_ => Again(), null, every, every);

    public static TuneProgressDisplay For(ToolConsole console) =>
        console.IsTerminal && Screen(console.Screen) is { Profile.Capabilities.Ansi: true } screen
            ? new Moving(screen)
            : new Plain(console.TellsProgress ? console.Error : TextWriter.Null);

    /// <summary>
    /// A terminal as the environment describes it: one that cannot move its cursor (<c>TERM=dumb</c>) has no ANSI, and
    /// <c>NO_COLOR</c> takes the colours away (https://no-color.org).
    /// </summary>
    internal static IAnsiConsole Screen(TextWriter to)
    {
        bool dumb = Environment.GetEnvironmentVariable("TERM") == "dumb";
        bool plain = dumb || Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 };
        return AnsiConsole.Create(
            new AnsiConsoleSettings
            {
                Ansi = dumb ? AnsiSupport.No : AnsiSupport.Detect,
                ColorSystem = plain ? ColorSystemSupport.NoColors : ColorSystemSupport.Detect,
                Out = new AnsiConsoleOutput(to),
            }
        );
    }

    /// <summary>How much is spent, readable by its signs alone: <c>[#####.......] 42 %</c>.</summary>
    /// <param name="share">From 0 to 1; what is beyond is shown as full.</param>
    /// <param name="width">Signs between the brackets.</param>
    internal static (string Spent, string Left) Bar(double share, int width)
    {
        double known = double.IsFinite(share) ? Math.Clamp(share, 0, 1) : 0;
        int full = (int)Math.Round(width * known);
        return (new string('#', full), new string('.', width - full));
    }

    public void Report(TuneProgress value)
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _last = value;
            _reported = Stopwatch.GetTimestamp();
            Show(value);
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            _timer.Dispose();
            End();
        }
    }

    /// <summary>Shows how far tuning is; never called by two threads at once.</summary>
    protected abstract void Show(TuneProgress value);

    /// <summary>Leaves the terminal as it was.</summary>
    protected virtual void End() { }

    private void Again()
    {
        lock (_gate)
        {
            if (_disposed || _last is not { Phase: not Phases.Done } last)
                return;
            var since = Stopwatch.GetElapsedTime(_reported);
            // Of a budget of trials time says nothing about what is spent.
            bool timed = last is { Remaining: not null, Spent: > 0 } && last.Elapsed > TimeSpan.Zero;
            Show(
                last with
                {
                    Elapsed = last.Elapsed + since,
                    Remaining = last.Remaining - since,
                    Spent = timed ? last.Spent * ((last.Elapsed + since) / last.Elapsed) : last.Spent,
                }
            );
        }
    }

    private static string Describe(TuneProgress p)
    {
        string task = p.TaskCount > 1 ? $"[{p.TaskIndex + 1}/{p.TaskCount}] {p.Spec}" : p.Spec;
        string best = p.BestMilliseconds is { } ms
            ? $", best {Figures.Time(ms)} ({Figures.Percent(p.CeilingMilliseconds / ms)} of ceiling)"
            : "";
        return $"{task}: {p.Phase}, {p.Tried} tried{best}";
    }

    /// <summary>Never "0:00 left" while work goes on: what is overdrawn is said to be.</summary>
    internal static string Left(TuneProgress p) =>
        p.Remaining switch
        {
            { } left when left >= TimeSpan.FromSeconds(0.5) || p.Phase == Phases.Done => $"{Text(left)} left",
            { } over => $"{Text(over)} over",
            null => "",
        };

    private static string Text(TimeSpan time) =>
        TimeSpan
            .FromSeconds(Math.Round(Math.Abs(time.TotalSeconds)))
            .ToString(Math.Abs(time.TotalHours) >= 1 ? @"h\:mm\:ss" : @"m\:ss", CultureInfo.InvariantCulture);

    private sealed class Plain(TextWriter to) : TuneProgressDisplay(TimeSpan.FromSeconds(1))
    {
        private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

        private TimeSpan _next = Every;

        protected override void Show(TuneProgress value)
        {
            if (value.Elapsed < _next)
                return;
            _next = value.Elapsed + Every;
            to.WriteLine($"tune: {Describe(value)}, {Figures.Percent(value.Spent)} of the budget spent, {Left(value)}");
        }
    }

    internal sealed class Moving : TuneProgressDisplay
    {
        private const int BarWidth = 12;

        private readonly IAnsiConsole _console;

        public Moving(IAnsiConsole console)
            : base(TimeSpan.FromSeconds(0.5))
        {
            _console = console;
            _console.Cursor.Hide();
        }

        protected override void Show(TuneProgress value)
        {
            var (spent, left) = Bar(value.Spent, BarWidth);
            string lead = $" {Figures.Percent(value.Spent), 5} {Left(value), 9} ";
            string text = Describe(value);
            // One line only: a longer one would wrap and leave pieces behind.
            int room = Math.Max(10, _console.Profile.Width - BarWidth - lead.Length - 3);
            if (text.Length > room)
                text = text[..(room - 1)] + "…";
            _console.Write(new ControlCode("\r\u001b[2K"));
            _console.Markup($"[[[green]{spent}[/][grey]{left}[/]]]{Markup.Escape(lead + text)}");
        }

        protected override void End()
        {
            _console.Write(new ControlCode("\r\u001b[2K"));
            _console.Cursor.Show();
        }
    }
}
