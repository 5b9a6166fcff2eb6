using Picograd.Lower.Cpu.Machine;
using Xunit;

namespace Picograd.Tests;

/// <summary>The number of cores, on machines made of files.</summary>
public sealed class PhysicalCoresTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("picograd-cores-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void This_machine_has_some() => Assert.InRange(PhysicalCores.Count, 1, Environment.ProcessorCount);

    [Theory]
    [InlineData("core_cpus_list", "0-7", 4)]
    [InlineData("thread_siblings_list", "0-7", 4)]
    // Affinity: both threads of one core, one of another.
    [InlineData("core_cpus_list", "0,1,4", 2)]
    [InlineData("core_cpus_list", "3", 1)]
    public void Siblings_of_a_core_count_once(string file, string allowed, int cores)
    {
        // Threads 0 and 4 are of one core, 1 and 5, …
        for (int cpu = 0; cpu < 8; cpu++)
            Write($"cpu/cpu{cpu}/topology/{file}", $"{cpu % 4},{cpu % 4 + 4}\n");
        Directory.CreateDirectory(In("cpu/cpufreq"));
        Write("status", $"Name:\tx\nCpus_allowed:\tff\nCpus_allowed_list:\t{allowed}\n");
        Assert.Equal(cores, PhysicalCores.OnLinux(In("cpu"), In("none"), In("status")));
    }

    [Fact]
    public void Where_the_topology_is_hidden_cpuinfo_tells()
    {
        Directory.CreateDirectory(In("cpu/cpu0"));
        Write("status", "Cpus_allowed_list:\t0-3\n");
        string[] processors =
        [
            .. Enumerable
                .Range(0, 8)
                .Select(p => $"processor\t: {p}\nphysical id\t: {p / 4}\ncore id\t\t: {p % 2}\nflags\t: fpu\n\n"),
        ];
        Write("cpuinfo", string.Concat(processors));
        Assert.Equal(2, PhysicalCores.OnLinux(In("cpu"), In("cpuinfo"), In("status")));
        Assert.Equal(4, PhysicalCores.OnLinux(In("cpu"), In("cpuinfo"), In("none")));
        // As on Arm.
        Write("cpuinfo", "processor\t: 0\nBogoMIPS\t: 50\n\nprocessor\t: 1\nBogoMIPS\t: 50\n\n");
        Assert.Null(PhysicalCores.OnLinux(In("cpu"), In("cpuinfo"), In("none")));
        Assert.Null(PhysicalCores.OnLinux(In("nowhere"), In("nothing"), In("none")));
    }

    [Theory]
    [InlineData("Cpus_allowed_list:\t0-2,5", "0 1 2 5")]
    [InlineData("Cpus_allowed_list:\t7", "7")]
    [InlineData("Cpus_allowed_list:\tall", null)]
    [InlineData("Cpus_allowed_list:\t0-4000000000", null)]
    [InlineData("Cpus_allowed:\tff", null)]
    public void The_list_of_allowed_processors_is_read(string line, string? expected) =>
        Assert.Equal(expected, PhysicalCores.Allowed([line]) is { } allowed ? string.Join(' ', allowed.Order()) : null);

    private string In(string name) => Path.Combine(_folder.FullName, name);

    private void Write(string name, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(In(name))!);
        File.WriteAllText(In(name), text);
    }
}
