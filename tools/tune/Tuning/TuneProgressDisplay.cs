using System.Globalization;
using Picograd.Search;
using Spectre.Console;

namespace Picograd.Tune;

/// <summary>Progress of tuning: one moving line with the time left on a terminal, a plain line now and then elsewhere.</summary>
internal abstract class TuneProgressDisplay : IProgress<TuneProgress>, IDisposable
{
    public static TuneProgressDisplay For(ToolConsole console) =>
        console.IsTerminal ? new Moving(console.Error) : new Plain(console.Error);

    public abstract void Report(TuneProgress value);

    public virtual void Dispose() { }

    private static string Describe(TuneProgress p)
    {
        string task = p.TaskCount > 1 ? $"[{p.TaskIndex + 1}/{p.TaskCount}] {p.Spec}" : p.Spec;
        string best = p.BestMilliseconds is { } ms
            ? $", best {Figures.Time(ms)} ({Figures.Percent(p.CeilingMilliseconds / ms)} of ceiling)"
            : "";
        return $"{task}: {p.Phase}, {p.Tried} tried{best}";
    }

    private static string Left(TuneProgress p) =>
        p.Remaining is { } left ? $"{left.ToString(@"m\:ss", CultureInfo.InvariantCulture)} left" : "";

    private sealed class Plain(TextWriter to) : TuneProgressDisplay
    {
        private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

        private TimeSpan _next = Every;

        public override void Report(TuneProgress value)
        {
            if (value.Elapsed < _next)
                return;
            _next = value.Elapsed + Every;
            to.WriteLine($"tune: {Describe(value)}, {Figures.Percent(value.Spent)} of the budget spent, {Left(value)}");
        }
    }

    private sealed class Moving : TuneProgressDisplay
    {
        private const int BarWidth = 12;

        private readonly IAnsiConsole _console;

        public Moving(TextWriter to)
        {
            _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(to) });
            _console.Cursor.Hide();
        }

        public override void Report(TuneProgress value)
        {
            int full = (int)Math.Round(BarWidth * Math.Clamp(value.Spent, 0, 1));
            string bar = $"[green]{new string('━', full)}[/][grey]{new string('━', BarWidth - full)}[/]";
            string text = Describe(value);
            // One line only: a longer one would wrap and leave pieces behind.
            int room = Math.Max(10, _console.Profile.Width - BarWidth - 14);
            if (text.Length > room)
                text = text[..(room - 1)] + "…";
            _console.Write(new ControlCode("\r\u001b[2K"));
            _console.Markup($"{bar} {Left(value), 9} {Markup.Escape(text)}");
        }

        public override void Dispose()
        {
            _console.Write(new ControlCode("\r\u001b[2K"));
            _console.Cursor.Show();
        }
    }
}
