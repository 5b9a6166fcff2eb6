using System.Security;
using Xunit;

namespace Picograd.Tests;

/// <summary>
/// All packages, packed from this build into a folder, and fresh projects elsewhere that install them from it: one for each
/// sample of the pages, and some more. Other packages come from those that are on this machine already, or from the sources that
/// it is set up for.
/// </summary>
public sealed class PackedPackages : IDisposable
{
    /// <summary>A program that uses what is not on any page.</summary>
    internal const string Fresh = "fresh";

    /// <summary>A program of which the compiler warns.</summary>
    internal const string Compares = "compares";

    private const string FreshCode = """
        using Picograd;
        using Picograd.Dispatch;

        if (args is ["cuda"])
        {
            try
            {
                Tensor.Ones(2).ToDevice(Device.Parse("cuda"));
            }
            catch (InvalidOperationException e)
            {
                Console.WriteLine(e.Message);
            }
            return;
        }
        var a = Tensor.Ones(32, 32);
        Console.WriteLine(a.MatMul(a).Sum().Item());
        Console.WriteLine(typeof(Tensor).Assembly.Location);
        Console.WriteLine(Dispatcher.Explain("matmul m=32 n=32 k=32"));
        """;

    private const string ComparesCode = """
        using Picograd;

        Tensor? a = Tensor.Ones(2);
        Console.WriteLine(a == null);
        Console.WriteLine(a == Tensor.Ones(2));
        """;

    private readonly string _folder = Directory.CreateTempSubdirectory("picograd-packages-").FullName;

    /// <summary>Of this build: Debug or Release.</summary>
    internal string Configuration { get; } =
        AppContext.BaseDirectory.Contains(
            $"{Path.DirectorySeparatorChar}Debug{Path.DirectorySeparatorChar}",
            StringComparison.Ordinal
        )
            ? "Debug"
            : "Release";

    /// <summary>Of this run alone, so that no cache of packages has something else under it.</summary>
    internal string Version { get; } = $"0.1.0-test.{DateTime.UtcNow:yyyyMMddHHmmss}.{Environment.ProcessId}";

    internal string Feed => Path.Combine(_folder, "feed");

    /// <summary>What building the projects printed.</summary>
    internal string BuildOutput { get; }

    public PackedPackages()
    {
        Directory.CreateDirectory(Feed);
        Commands
            .Run(
                Samples.Root,
                Commands.Dotnet,
                [
                    "pack",
                    "Picograd.slnx",
                    .. (string[])["-c", Configuration, "--no-build", "--no-restore", "-m:1", "--nologo", "-v", "q"],
                    $"-p:PackageVersion={Version}",
                    "-o",
                    Feed,
                ]
            )
            .Succeeded();
        foreach (var sample in Samples.All())
            Write(sample);
        Write(new(Fresh, FreshCode, "Picograd"));
        Write(new(Compares, ComparesCode, "Picograd"));
        File.WriteAllText(
            Path.Combine(_folder, "all.proj"),
            """
            <Project DefaultTargets="Build">
              <ItemGroup><Each Include="*/*.csproj" /></ItemGroup>
              <Target Name="Restore"><MSBuild Projects="@(Each)" Targets="Restore" /></Target>
              <Target Name="Build"><MSBuild Projects="@(Each)" Targets="Build" /></Target>
            </Project>
            """
        );
        string known =
            Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(
                Environment.GetFolderPath(
                    Environment.SpecialFolder.UserProfile,
                    Environment.SpecialFolderOption.DoNotVerify
                ),
                ".nuget",
                "packages"
            );
        BuildOutput = Commands
            .Run(
                _folder,
                Commands.Dotnet,
                ["build", "all.proj", "-m:1", "--nologo", "-v", "m", $"-p:RestoreAdditionalProjectSources={Feed}"],
                ("NUGET_PACKAGES", Path.Combine(_folder, "installed")),
                ("NUGET_FALLBACK_PACKAGES", Directory.Exists(known) ? known : null)
            )
            .Succeeded();
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Who runs the programs has no database yet, and the one that comes is not this user's own.</summary>
    internal (string Name, string? Value) User =>
        OperatingSystem.IsLinux() ? ("XDG_DATA_HOME", PathOf("data")) : ("PICOGRAD_TUNEDB", PathOf("user.db"));

    /// <summary>A file for a test's own use.</summary>
    internal string PathOf(string name) => Path.Combine(_folder, name);

    /// <summary>Runs the program of a project.</summary>
    internal Ran Run(
        string project,
        IEnumerable<string> arguments,
        params ReadOnlySpan<(string Name, string? Value)> environment
    ) =>
        Commands.Run(
            _folder,
            Commands.Dotnet,
            [Path.Combine(_folder, project, "bin", "Debug", "net10.0", $"{project}.dll"), .. arguments],
            [User, .. environment]
        );

    // As "dotnet new console" and "dotnet add package" leave it.
    private void Write(Sample sample)
    {
        string folder = Directory.CreateDirectory(Path.Combine(_folder, sample.Name)).FullName;
        File.WriteAllText(Path.Combine(folder, "Program.cs"), sample.Code);
        File.WriteAllText(
            Path.Combine(folder, $"{sample.Name}.csproj"),
            $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
              </PropertyGroup>
              <ItemGroup>
                {string.Concat(
                sample.Packages.Select(p =>
                    $"<PackageReference Include=\"{p}\" Version=\"{SecurityElement.Escape(Version)}\" />"
                )
            )}
              </ItemGroup>
            </Project>
            """
        );
    }
}
