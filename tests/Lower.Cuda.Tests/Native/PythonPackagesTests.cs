using Picograd.Lower.Cuda.Native;
using Xunit;

namespace Picograd.Tests;

/// <summary>NVIDIA's libraries in packages of Python, in a machine made of folders.</summary>
public sealed class PythonPackagesTests : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("picograd-python-");

    public void Dispose() => _root.Delete(recursive: true);

    private string Make(params string[] names) =>
        Directory.CreateDirectory(Path.Combine([_root.FullName, .. names])).FullName;

    private List<string> Found(Dictionary<string, string>? variables = null, params string[] sysPath) =>
        [
            .. new PythonPackages(
                name => name is "HOME" or "USERPROFILE" ? Make("home") : (variables ?? []).GetValueOrDefault(name),
                _root.FullName,
                () => sysPath
            ).LibraryFolders(),
        ];

    [SkippableTheory]
    [InlineData("opt/serving/.venv")]
    [InlineData("opt/venv")]
    [InlineData("opt/tools/venv")]
    [InlineData("venv")]
    [InlineData("opt/conda")]
    [InlineData("opt/python311")]
    [InlineData("usr/local")]
    public void EnvironmentsWhereMachinesHaveThemAreFound(string prefix)
    {
        Skip.If(OperatingSystem.IsWindows(), "folders of Linux");
        string lib = Make(prefix, "lib", "python3.11", "site-packages", "nvidia", "cuda_nvrtc", "lib");
        Assert.Contains(lib, Found());
    }

    [Fact]
    public void TheActiveEnvironmentComesFirst()
    {
        string mine = Make("work", "lib", "python3.12", "site-packages", "nvidia", "cublas", "lib");
        string other = Make("opt", "x", ".venv", "lib", "python3.12", "site-packages", "nvidia", "cublas", "lib");
        var found = Found(new() { ["VIRTUAL_ENV"] = Path.Combine(_root.FullName, "work") });
        Assert.Equal([mine, other], found.Where(Directory.Exists));
    }

    [Fact]
    public void AnInterpreterOnThePathTellsItsEnvironment()
    {
        string bin = Make("somewhere", "env", "bin");
        File.WriteAllText(Path.Combine(bin, OperatingSystem.IsWindows() ? "python.exe" : "python3"), "");
        string lib = Make("somewhere", "env", "lib", "python3.10", "site-packages", "nvidia", "cudnn", "lib");
        Assert.Contains(lib, Found(new() { ["PATH"] = $"{Make("bin")}{Path.PathSeparator}{bin}" }));
        Assert.Contains(lib, Found(new() { ["PATH"] = bin + Path.DirectorySeparatorChar }));
        Assert.DoesNotContain(lib, Found(new() { ["PATH"] = Make("bin") }));
    }

    [Fact]
    public void PythonPathAndSysPathAreLookedAt()
    {
        string a = Make("a", "nvidia", "cu13", "lib");
        string b = Make("b", "nvidia", "cudnn", "lib");
        var found = Found(
            new() { ["PYTHONPATH"] = Path.Combine(_root.FullName, "a") },
            Path.Combine(_root.FullName, "b")
        );
        Assert.Equal([a, b], found.Where(Directory.Exists));
    }

    [Fact]
    public void TwoPythonsOfAnEnvironmentAreBothLookedAtTheNewestFirst()
    {
        string old = Make("usr", "lib", "python3.8", "dist-packages", "nvidia", "cublas", "lib");
        string newer = Make("usr", "lib", "python3.9", "dist-packages", "nvidia", "cublas", "lib");
        Assert.Equal([newer, old], Found().Where(Directory.Exists));
    }

    [SkippableFact]
    public void AnInterpreterIsAsked()
    {
        string? python = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator)
            .Select(f => Path.Combine(f, "python3"))
            .FirstOrDefault(File.Exists);
        Skip.If(python is null, "no python3 on the path");
        Assert.Contains(PythonPackages.Ask(python!), p => p.Contains("python3", StringComparison.Ordinal));
        Assert.Empty(PythonPackages.Ask(Path.Combine(_root.FullName, "no-such-python")));
    }

    /// <summary>A library that lies nowhere but in a virtual environment of /opt loads from there.</summary>
    [SkippableFact]
    public void NvrtcOfAVirtualEnvironmentCompiles()
    {
        var installed = InstalledNvrtc.Require();
        Skip.If(
            Environment.GetEnvironmentVariable(LibraryFinder.NvrtcVariable) is { Length: > 0 }
                || OperatingSystem.IsWindows(),
            "the NVRTC of the set-up script is what is linked to"
        );
        string source = Directory
            .EnumerateFiles(LibraryFinder.PrivateFolder, "libnvrtc.so.12", SearchOption.AllDirectories)
            .FirstOrDefault()!;
        Skip.If(source is null, "NVRTC is not that of the set-up script");
        string lib = Make("opt", "app", ".venv", "lib", "python3.11", "site-packages", "nvidia", "cuda_nvrtc", "lib");
        foreach (string file in Directory.EnumerateFiles(Path.GetDirectoryName(source)!, "libnvrtc*"))
            File.CreateSymbolicLink(Path.Combine(lib, Path.GetFileName(file)), file);
        string folder = Assert.Single(Found(), Directory.Exists);
        var nvrtc = Nvrtc.Open(Path.Combine(folder, "libnvrtc.so.12"));
        Assert.Equal(installed.Version.Major, nvrtc.Version.Major);
        Assert.True(nvrtc.Compile("extern \"C\" __global__ void k(float* x) { x[0] = 1; }", "k", "sm_90a").Succeeded);
    }
}
