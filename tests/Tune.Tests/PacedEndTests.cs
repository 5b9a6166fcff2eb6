using System.Diagnostics;
using System.Globalization;
using Picograd.Search.Measurement;

namespace Picograd.Tests;

/// <summary>Whatever ends a process that paces another, it leaves neither that one nor files behind.</summary>
public sealed class PacedEndTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_page_is_shared_by_its_path_and_leaves_no_file()
    {
        string path;
        using (var page = PacePage.Create())
        {
            path = page.Path;
            using var other = PacePage.Open(path);
            page.Stopped = 7;
            other.Worker = 9;
            Assert.Equal((7, 9), (other.Stopped, page.Worker));
            // Killed now, nobody would delete it.
            if (OperatingSystem.IsLinux())
                Assert.DoesNotContain(Path.GetFileName(File.ResolveLinkTarget(path, false)!.FullName), Names());
        }
        Assert.False(File.Exists(path));

        static IEnumerable<string> Names() => Directory.EnumerateFiles("/dev/shm").Select(f => Path.GetFileName(f)!);
    }

    [SkippableTheory]
    [InlineData(9)]
    [InlineData(15)]
    public void Who_is_paced_ends_with_who_paces_it(int signal)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "looks for processes in /proc");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardError = true };
        foreach (
            string argument in (ReadOnlySpan<string>)
                [Path.Combine(AppContext.BaseDirectory, "tune.dll"), "online", "--share", "0.9", "--db", _folder["db"]]
        )
            start.ArgumentList.Add(argument);
        using var pacing = Process.Start(start)!;
        int paced = 0;
        Assert.True(SpinWait.SpinUntil(() => (paced = ChildOf(pacing.Id)) > 0, TimeSpan.FromMinutes(1)));
        // It has a group of its own once it is sure to be ended with the other.
        Assert.True(SpinWait.SpinUntil(() => Field(paced, 4) == paced, TimeSpan.FromMinutes(1)));
        using (var kill = Process.Start("kill", [$"-{signal}", pacing.Id.ToString(CultureInfo.InvariantCulture)]))
            kill.WaitForExit();
        Assert.True(pacing.WaitForExit(TimeSpan.FromMinutes(1)));
        Assert.True(SpinWait.SpinUntil(() => Field(paced, 3) < 0, TimeSpan.FromMinutes(1)));
        pacing.StandardInput.Close();
    }

    private static int ChildOf(int parent) =>
        Directory
            .EnumerateDirectories("/proc")
            .Select(d => int.TryParse(Path.GetFileName(d), out int id) ? id : 0)
            .FirstOrDefault(id => id > 0 && Field(id, 3) == parent);

    // 3 the parent, 4 the group, of proc(5); -1 of what has ended.
    private static int Field(int process, int field)
    {
        try
        {
            string text = File.ReadAllText($"/proc/{process.ToString(CultureInfo.InvariantCulture)}/stat");
            string[] rest = text[(text.LastIndexOf(')') + 2)..].Split(' ');
            return rest[0] == "Z" ? -1 : int.Parse(rest[field - 2], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return -1;
        }
    }
}
