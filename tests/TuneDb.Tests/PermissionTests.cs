using System.Diagnostics;
using System.Runtime.Versioning;

namespace Picograd.Tests;

/// <summary>Files and folders that may be read and not written.</summary>
[UnsupportedOSPlatform("windows")]
public sealed class PermissionTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [SkippableTheory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_file_that_may_not_be_written_is_named_as_such(string provider)
    {
        var path = FileOfSomebodyElse(provider);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead);
        File.SetUnixFileMode(
            _folder.Path,
            File.GetUnixFileMode(_folder.Path) | UnixFileMode.UserWrite | UnixFileMode.OtherWrite
        );
        var answer = AskUnprivileged(path, "rw");
        Assert.StartsWith("ReadOnly ", answer);
        Assert.Contains("cannot be written: the file is read-only", answer);
    }

    [SkippableTheory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_directory_that_may_not_be_written_is_named_as_such(string provider)
    {
        var path = FileOfSomebodyElse(provider);
        var answer = AskUnprivileged(Path.Combine(_folder.Path, $"new.{provider}"), "rw");
        Assert.StartsWith("ReadOnly ", answer);
        Assert.Contains("its directory does not allow writing", answer);
        File.SetUnixFileMode(path, File.GetUnixFileMode(path) | UnixFileMode.OtherWrite);
        // SQLite needs side files beside it; LiteDB's file is all that is written.
        Assert.StartsWith(provider == "sqlite" ? "ReadOnly " : "ok 1", AskUnprivileged(path, "rw"));
    }

    [SkippableTheory]
    [InlineData("litedb")]
    [InlineData("sqlite")]
    public void A_file_on_a_read_only_medium_can_still_be_read(string provider)
    {
        var path = FileOfSomebodyElse(provider);
        Assert.Equal("ok 1", AskUnprivileged(path, "ro"));
    }

    /// <summary>A database in a folder that others may read and not write.</summary>
    private string FileOfSomebodyElse(string provider)
    {
        Skip.If(OperatingSystem.IsWindows(), "file permissions of Unix are not available on Windows");
        var path = _folder.File($"tune.{provider}");
        using (var store = TuneDatabase.Open(path))
        {
            store.Put(SampleRecords.Record());
        }

        const UnixFileMode Everyone =
            UnixFileMode.UserRead
            | UnixFileMode.UserExecute
            | UnixFileMode.GroupRead
            | UnixFileMode.GroupExecute
            | UnixFileMode.OtherRead
            | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(_folder.Path, Everyone | (IsRoot ? UnixFileMode.UserWrite : 0));
        return path;
    }

    private static bool IsRoot => Environment.IsPrivilegedProcess;

    /// <summary>Permissions do not bind root, so root asks as the user nobody.</summary>
    private string AskUnprivileged(string path, string mode)
    {
        try
        {
            using var process = IsRoot ? StartAsNobody(path, mode) : HelperProcess.Start("try", path, mode);
            return HelperProcess.Finish(process);
        }
        finally
        {
            if (!IsRoot)
            {
                // Otherwise the folder could not be removed.
                File.SetUnixFileMode(_folder.Path, File.GetUnixFileMode(_folder.Path) | UnixFileMode.UserWrite);
            }
        }
    }

    private Process StartAsNobody(string path, string mode)
    {
        Skip.IfNot(
            File.Exists("/usr/bin/setpriv"),
            "read-only files: setpriv is missing and permissions do not bind root"
        );
        // The build output may lie where nobody cannot look, so the helper is copied beside the database.
        var copy = Path.Combine(_folder.Path, "helper");
        CopyFolder(Path.GetDirectoryName(HelperProcess.Assembly)!, copy);
        string[] asNobody =
        [
            "/usr/bin/setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            HelperProcess.Dotnet,
        ];
        using (var probe = HelperProcess.StartCommand([.. asNobody, "--list-runtimes"]))
        {
            _ = probe.StandardError.ReadToEndAsync();
            _ = probe.StandardOutput.ReadToEnd();
            probe.WaitForExit();
            Skip.If(
                probe.ExitCode != 0,
                "read-only files: the user nobody cannot run dotnet and permissions do not bind root"
            );
        }

        var assembly = Path.Combine(copy, Path.GetFileName(HelperProcess.Assembly));
        return HelperProcess.StartCommand([.. asNobody, "exec", assembly, "try", path, mode]);
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var target = Path.Combine(to, Path.GetRelativePath(from, file));
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target, overwrite: true);
        }
    }
}
