using System;
using System.Linq;
using Microsoft.VisualStudio.TestPlatform.ObjectModel;
using Microsoft.VisualStudio.TestPlatform.ObjectModel.Client;

namespace Picograd.Tests;

/// <summary>
/// Prints failed tests in full and nothing else. The console logger names every skipped test unless it is quiet, and then it
/// keeps failures to itself: with this one beside it a project whose tests pass is one line that counts the skipped ones.
/// </summary>
[FriendlyName("failures")]
[ExtensionUri("logger://picograd/failures")]
public sealed class FailuresLogger : ITestLogger
{
    public void Initialize(TestLoggerEvents events, string testRunDirectory)
    {
        ArgumentNullException.ThrowIfNull(events);
        events.TestResult += (_, e) =>
        {
            if (e.Result.Outcome == TestOutcome.Failed)
                Print(e.Result);
        };
    }

    private static void Print(TestResult result)
    {
        Console.WriteLine($"  Failed {result.DisplayName ?? result.TestCase.DisplayName}");
        Console.WriteLine(Indented(result.ErrorMessage));
        Console.WriteLine(Indented(result.ErrorStackTrace));
        foreach (var message in result.Messages)
            Console.WriteLine(Indented(message.Text));
    }

    private static string Indented(string? text) =>
        string.Join('\n', (text ?? "").TrimEnd().Split('\n').Select(line => $"    {line.TrimEnd()}"));
}
